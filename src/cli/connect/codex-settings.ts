// Changes of Codex's `config.toml`: the model, and a provider of its own. Codex treats other ids as its own servers.
import { type Destination, type EditOutcome, keyVariable } from './client.ts'
import { type TomlStatement, tomlStatements } from './toml-statements.ts'

const provider = 'gateway'
const table = `model_providers.${provider}`

const byteOrderMark = '\uFEFF'

export function codexSettings(whole: string, to: Destination): EditOutcome {
  // Within the text it would be no TOML, so what is added comes after it.
  const mark = whole.startsWith(byteOrderMark) ? byteOrderMark : ''
  const before = whole.slice(mark.length)
  const statements = tomlStatements(before)
  if (statements === undefined)
    return { kind: 'refused', reason: 'is not valid TOML, so it is left as it is' }
  const firstTable = statements.findIndex(({ kind }) => kind === 'table')
  const top = firstTable < 0 ? statements : statements.slice(0, firstTable)
  if (isWrittenOtherwise(statements, top)) {
    const reason = `has "${table}" in another form than a table [${table}], so it is left as it is`
    return { kind: 'refused', reason }
  }
  const pairs = { model: to.model, model_provider: provider }
  const missing = Object.entries(pairs).filter(([name]) => !top.some((each) => each.name === name))
  const known = top.flatMap(({ name, start, end }): Edit[] => {
    const value = Object.hasOwn(pairs, name) ? pairs[name as keyof typeof pairs] : undefined
    return value === undefined ? [] : [{ start, end, text: pairText(name, value) }]
  })
  const edited = [...known, setTable(before, statements, to)]
    .toSorted((one, other) => other.start - one.start)
    .reduce((all, { start, end, text }) => all.slice(0, start) + text + all.slice(end), before)
  // Behind a table they would be its own.
  const text = mark + missing.map(([name, value]) => pairText(name, value)).join('') + edited
  const hasProfile = top.some(({ name }) => name === 'profile')
  const notes = hasProfile ? ['A profile is chosen there, which may name another model and provider.'] : []
  return { kind: 'edited', text, notes }
}

interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

function isWrittenOtherwise(statements: readonly TomlStatement[], top: readonly TomlStatement[]): boolean {
  const isDotted = top.some(({ name }) => name === 'model_providers' || isOrBelow(name, table))
  const parent = statements.findIndex(({ kind, name }) => kind === 'table' && name === 'model_providers')
  const next = statements.findIndex(({ kind }, index) => index > parent && kind === 'table')
  const inside = parent < 0 ? [] : statements.slice(parent + 1, next < 0 ? undefined : next)
  return isDotted || inside.some(({ name }) => isOrBelow(name, provider))
}

function isOrBelow(name: string, key: string): boolean {
  return name === key || name.startsWith(`${key}.`)
}

function pairText(name: string, value: string): string {
  return `${name} = ${tomlText(value)}\n`
}

/** What stands below the table, and its comments, stay. */
function setTable(before: string, statements: readonly TomlStatement[], to: Destination): Edit {
  const text = tableText(to)
  const index = statements.findIndex(({ kind, name }) => kind === 'table' && name === table)
  if (index < 0) {
    const separator = before === '' || before.endsWith('\n') ? '\n' : '\n\n'
    return { start: before.length, end: before.length, text: separator + text }
  }
  const next = statements.findIndex(({ kind }, at) => at > index && kind === 'table')
  const own = statements.slice(index, next < 0 ? undefined : next)
  return { start: own[0]!.start, end: own.at(-1)!.end, text }
}

function tableText({ url, needsKey }: Destination): string {
  const lines = [
    `[${table}]`,
    'name = "llm-gateway"',
    `base_url = ${tomlText(`${url}/v1`)}`,
    'wire_api = "responses"',
    ...(needsKey ? [`env_key = ${tomlText(keyVariable)}`] : []),
  ]
  return `${lines.join('\n')}\n`
}

/** A basic string of TOML has the escapes of JSON, and one character more that has to be escaped. */
function tomlText(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f')
}
