// What an import reports: what was taken over, what a person has to do, what was left out and why.
import { printable } from '../../platform/printable.ts'
import { shellWord } from '../../platform/shell-word.ts'
import { ownCommand } from '../invocation.ts'
import { counted, type Output } from '../output.ts'
import { withoutCredentials } from './credentials.ts'
import type { Draft } from './draft.ts'
import type { Source } from './source.ts'
import { foreignPath, noteText } from './write-draft.ts'

export interface ImportResult {
  readonly source: Source
  readonly draft: Draft
  readonly file: string
  /** Undefined: nothing was written to a file. */
  readonly out: string | undefined
  /** Of the file that was replaced; empty where there was none. */
  readonly copy: string
}

const maxShown = 40

/** The commands that the file will have systemd run, with their environment, before it is written. */
export function printCommands(out: Output, { config, withheld }: Draft): void {
  for (const [name, { service }] of Object.entries(config.providers)) {
    if (service?.run === undefined) continue
    const command = service.run.map((each) => JSON.stringify(each)).join(' ')
    const line = (text: string) => out.line(printable(withoutCredentials(text, withheld)))
    line(`command of providers.${name}: ${command}`)
    for (const [variable, value] of Object.entries(service.environment ?? {})) {
      line(`  with ${variable}=${JSON.stringify(value)}`)
    }
  }
}

export function printSummary(
  out: Output,
  { source, draft, file, out: target, copy }: ImportResult,
  env: NodeJS.ProcessEnv,
): void {
  const { notes, withheld } = draft
  const line = (text = '') => out.line(printable(text))
  line(`${file} is a configuration of ${source.title}: ${contents(draft)}.`)
  const of = (kind: string) => notes.filter((note) => note.kind === kind)
  const [changed, leftOut] = [of('changed'), of('left_out')]
  line(`${of('carried').length} carried, ${changed.length} changed, ${leftOut.length} left out.`)
  printSome(
    line,
    'Changed:',
    changed.map((note) => noteText(note, withheld).replace(/^changed: /, '')),
  )
  printSome(
    line,
    'Left out:',
    leftOut.map((note) => noteText(note, withheld).replace(/^left out: /, '')),
  )
  const errands = errandsOf(draft, target, env)
  if (errands.length > 0) {
    line()
    out.line(out.styled('bold', 'To do:'))
    for (const { text, command } of errands) {
      line(`  ${text}`)
      if (command !== undefined) line(`    ${command}`)
    }
  }
  line()
  line(
    target === undefined
      ? 'Nothing was written to a file.'
      : `Wrote ${target}. Check it with: ${ownCommand(env)} validate-config ${shellWord(target)}`,
  )
  if (copy !== '') line(`The file as it was: ${copy}`)
}

function printSome(line: (text?: string) => void, title: string, texts: readonly string[]): void {
  if (texts.length === 0) return
  line()
  line(title)
  const different = [...new Set(texts)]
  for (const text of different.slice(0, maxShown)) line(`  ${text}`)
  const more = different.length - maxShown
  if (more > 0) line(`  … and ${more} more: they are comments of the file`)
}

function contents({ config, services }: Draft): string {
  const started = services.size + Object.values(config.providers).filter(({ service }) => service).length
  return [
    counted(Object.keys(config.providers).length, 'provider'),
    counted(Object.keys(config.models ?? {}).length, 'model'),
    counted(Object.keys(config.rate_limit_settings?.limits ?? {}).length, 'limit'),
    ...(started === 0 ? [] : [counted(started, 'server') + ' with a command']),
  ].join(', ')
}

interface Step {
  readonly text: string
  readonly command?: string
}

/** What a person has to do before the gateway can start with the file. */
function errandsOf(draft: Draft, target: string | undefined, env: NodeJS.ProcessEnv): readonly Step[] {
  const config = target === undefined ? '' : ` --config ${shellWord(target)}`
  const program = ownCommand(env)
  const used = new Set<unknown>(textsOf(draft.config))
  const keys = draft.literalKeys
    .filter(({ name }) => used.has(name))
    .map(({ name, from }) => ({
      text: `${foreignPath(from, draft.withheld)} has a key, which was not copied. Store it, encrypted:`,
      command: `${program} secret set ${name}${config}`,
    }))
  const unset = [...draft.variables].filter((name) => (env[name] ?? '') === '' && used.has(name))
  const variables =
    unset.length === 0
      ? []
      : [
          {
            text: `These variables are not set here, and the gateway needs them at its start: ${unset.join(', ')}`,
          },
        ]
  const missing = [...draft.unsetVariables]
  const again =
    missing.length === 0
      ? []
      : [
          {
            text: `These variables are not set here, so what needs them was left out; set them, and import again: ${missing.join(', ')}`,
          },
        ]
  const errands = draft.errands.map(({ text, command }) => ({
    text,
    ...(command !== undefined && { command: `${program} ${command}${config}` }),
  }))
  return [...keys, ...variables, ...again, ...errands].map(({ text, ...rest }) => ({
    text: withoutCredentials(text, draft.withheld),
    ...rest,
  }))
}

function* textsOf(value: unknown): Generator {
  if (typeof value !== 'object' || value === null) yield value
  else for (const member of Object.values(value)) yield* textsOf(member)
}

/** The same for programs. */
export function summaryJson(
  { source, draft, file, out, copy }: ImportResult,
  env: NodeJS.ProcessEnv,
): object {
  const { notes, withheld, config } = draft
  return {
    file,
    from: source.name,
    out: out ?? null,
    copy: copy === '' ? null : copy,
    providers: Object.keys(config.providers),
    models: Object.keys(config.models ?? {}),
    notes: notes.map(({ kind, from, to, text }) => ({
      kind,
      from: foreignPath(from, withheld),
      to: to === undefined ? null : foreignPath(to, withheld),
      text,
    })),
    to_do: errandsOf(draft, out, env),
  }
}
