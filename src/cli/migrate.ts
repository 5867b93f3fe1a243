// `llm-gateway migrate`: brings a configuration of an earlier release to the keys of this one. The state directory needs no command:
// the gateway brings its files forward at its start.
import { overrideVariables } from '../config/environment.ts'
import { findConfigFile } from '../config/find.ts'
import { checkConfigText } from '../config/load.ts'
import { migrateConfig } from '../config/migrations.ts'
import { printable } from '../platform/printable.ts'
import { shellWord } from '../platform/shell-word.ts'
import { type EditIo, isConfirmed, printDiff, readForEdit, stampOf, writeChange } from './edited-file.ts'
import { ownCommand } from './invocation.ts'
import { Output } from './output.ts'
import { storedCredentialNames } from './stored-credentials.ts'
import { printProblems } from './validate-config.ts'

export interface MigrateOptions {
  readonly config: string | undefined
  readonly proxyUser: string | undefined
  /** Change the file, in place of showing what would change. */
  readonly isWritten: boolean
  /** Write without asking. */
  readonly yes: boolean
  readonly json: boolean
}

/** @returns the exit status: 0 when the configuration is current, or has become so; else 1. */
export async function migrateCommand(io: EditIo, options: MigrateOptions, nowMs: number): Promise<number> {
  const [out, err] = [new Output(io.stdout, io.env), new Output(io.stderr, io.env)]
  const file = findConfigFile(options.config, io.env)
  const before = readForEdit(file)
  if (before.kind !== 'read') {
    const reason = before.kind === 'absent' ? 'does not exist' : before.reason
    err.line(`error: ${printable(file)} ${reason}.`)
    return 1
  }
  const outcome = migrateConfig(before.text, options)
  const check = (text: string) =>
    checkConfigText(file, text, {
      env: io.env,
      withoutSecrets: true,
      storedCredentials: storedCredentialNames(io.env),
    })
  if (outcome.kind === 'unreadable') {
    const loaded = check(before.text)
    if (!loaded.ok) printProblems(io, loaded.problems, loaded.lines)
    return 1
  }
  const { changed, open, text } = outcome
  const earlierVariables = namesOfEarlierVariables(io.env)
  if (options.json) {
    out.json({ file, changed, open, earlier_variables: earlierVariables })
    return changed.length === 0 && open.length === 0 ? 0 : 1
  }
  for (const { path, reason } of changed) out.line(`${printable(path)}: ${reason}`)
  if (changed.length > 0) printDiff(io, { before: before.text, after: text }, 'config')
  for (const { path, reason, fix } of open) err.line(`${printable(path)}: ${reason} ${fix}`)
  for (const { name, now } of earlierVariables) {
    out.line(`The variable ${name} works; its name is ${now} now.`)
  }
  if (changed.length === 0) {
    if (open.length > 0) return 1
    out.line(`${printable(file)} has the keys of this release; nothing is to be changed.`)
    return 0
  }
  const loaded = check(text)
  if (!loaded.ok && open.length === 0) {
    printProblems(io, loaded.problems, loaded.lines)
    err.line(
      'The changed configuration has these problems, which migrate does not know; they were there before.',
    )
  }
  if (!options.isWritten) {
    const words = [
      ...(options.config === undefined ? [] : ['--config', options.config]),
      ...(options.proxyUser === undefined ? [] : ['--proxy-user', options.proxyUser]),
    ]
    const command = [ownCommand(io.env), 'migrate', ...words.map(shellWord), '--write'].join(' ')
    out.line(`Nothing was changed. To change the file, run: ${printable(command)}`)
    return 1
  }
  if (!options.yes && !(await isConfirmed(io, `Write ${printable(file)}?`))) return 1
  const written = writeChange({ name: file, before, after: text, mode: before.mode }, stampOf(nowMs))
  if ('fault' in written) {
    err.line(`error: ${written.fault}`)
    return 1
  }
  out.line(`Wrote ${printable(before.path)}. The file as it was: ${printable(written.copy)}.`)
  return loaded.ok && open.length === 0 ? 0 : 1
}

interface EarlierVariable {
  readonly name: string
  /** As it is called now. */
  readonly now: string
}

/** Of variables that are set under an earlier name of the program, or of their own. */
function namesOfEarlierVariables(env: NodeJS.ProcessEnv): EarlierVariable[] {
  return overrideVariables.flatMap(({ name }) => {
    const now = `LLM_GATEWAY_${name === 'IP_ALLOWLIST' ? 'ALLOWED_IPS' : name}`
    return [`LLM_ROUTER_${name}`, `LLM_GATEWAY_${name}`]
      .filter((each) => each !== now && (env[each] ?? '') !== '')
      .map((each) => ({ name: each, now }))
  })
}
