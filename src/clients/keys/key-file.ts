// The text of the key file, `keys.json` beside the configuration. The command line alone writes it; the gateway only reads it,
// as a whole: a file with one fault is refused, because half of the keys would be a state that nobody has chosen.
import type { JsonObject } from '../../bytes/json/parse.ts'
import type { ClientTerms } from '../../domain.ts'
import { formatPath } from '../../platform/key-path.ts'
import { formatBudget, readBudgets } from './key-budgets.ts'
import type { KeyFile, KeyRecord, KeyRole, KeySecret } from './key-record.ts'
import {
  instantRule,
  type Place,
  readChoice,
  readCount,
  readFlag,
  readInstant,
  readMatch,
  readMembers,
  type ReportFault,
} from './read-members.ts'

/** It may be readable by others: it holds digests of random values, and a system service runs as another user than root. */
export const keyFileRules = { maxBytes: 16 * 1024 * 1024, isSecret: false } as const

export const maxKeys = 10_000

/** One while nothing is rotated. */
export const maxSecrets = 2

/** The file where there is none. */
export const noKeys: KeyFile = { generation: 0, keys: [] }

/** What is wrong, and where. Holds no value of the file but names. */
export interface KeyFileFault {
  /** `keys[3].secrets[0].sha256`, `line 4, column 7`, or empty for the whole file. */
  readonly place: string
  /** A predicate. */
  readonly message: string
}

export type ParsedKeyFile =
  | { readonly kind: 'parsed'; readonly file: KeyFile }
  /** At least one fault. */
  | { readonly kind: 'refused'; readonly faults: readonly KeyFileFault[] }

/** The first hundred are enough to see what happened. */
const maxFaults = 100

/** Reads the text of a key file. Every fault is reported, up to a hundred. */
export function parseKeyFile(text: string): ParsedKeyFile {
  const faults: KeyFileFault[] = []
  const report: ReportFault = (place, message) => {
    if (faults.length < maxFaults) faults.push({ place: formatPath(place), message })
  }
  const parsed = parseText(text)
  if ('fault' in parsed) return { kind: 'refused', faults: [parsed.fault] }
  const file = readFile(parsed.value, report)
  return faults.length === 0 ? { kind: 'parsed', file } : { kind: 'refused', faults }
}

/** The text that `parseKeyFile` reads: a line for each key, so that two versions can be compared. */
export function formatKeyFile({ generation, keys }: KeyFile): string {
  const lines = keys.map((key) => `\n${JSON.stringify(describeKey(key))}`)
  return `{ "version": 1, "generation": ${generation}, "keys": [${lines.join(',')}\n] }\n`
}

/** The members of a record in the file; what is not set is null. */
export function describeKey(key: KeyRecord): Record<string, unknown> {
  const { terms } = key
  return {
    id: key.id,
    name: key.name,
    role: key.role,
    secrets: key.secrets.map(({ id, sha256, createdMs, untilMs }) => ({
      id,
      sha256: sha256.toString('hex'),
      created: instant(createdMs),
      until: instant(untilMs),
    })),
    models: terms.models ?? null,
    limits: {
      rpm: terms.rpm ?? null,
      tpm: terms.tpm ?? null,
      max_parallel_requests: terms.maxParallelRequests ?? null,
    },
    budgets: terms.budgets.map(formatBudget),
    boundary: terms.boundary ?? null,
    routes: terms.routes ?? null,
    not_before: instant(key.notBeforeMs),
    expires: instant(key.expiresMs),
    disabled: key.isDisabled,
    note: key.note,
  }
}

function instant(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}

function parseText(text: string): { value: unknown } | { fault: KeyFileFault } {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch (error) {
    // The message of V8 quotes the text, and so does not go any further.
    const [, line, column] = /\(line (\d+) column (\d+)\)/.exec((error as Error).message) ?? []
    const place = line === undefined ? '' : `line ${line}, column ${column}`
    return { fault: { place, message: line === undefined ? 'is empty or cut off' : 'is not valid JSON' } }
  }
}

const fileMembers = ['version', 'generation', 'keys'] as const

function readFile(value: unknown, report: ReportFault): KeyFile {
  const members = readMembers(value, [], fileMembers, report)
  if (members === undefined) return noKeys
  if (members['version'] !== 1) {
    report(['version'], 'must be 1; a newer release may have written the file')
    return noKeys
  }
  const generation = readCount(members['generation'], ['generation'], Number.MAX_SAFE_INTEGER, report) ?? 0
  const entries = members['keys']
  if (!Array.isArray(entries)) {
    report(['keys'], 'must be a list')
    return noKeys
  }
  if (entries.length > maxKeys) {
    report(['keys'], `has ${entries.length} entries; at most ${maxKeys} are allowed`)
    return noKeys
  }
  const keys = entries.flatMap((entry: unknown, index) => readKey(entry, ['keys', index], report) ?? [])
  reportRepetitions(keys, report)
  return { generation, keys }
}

function reportRepetitions(keys: readonly KeyRecord[], report: ReportFault): void {
  const seen = { name: new Set<string>(), id: new Set<string>(), secret: new Set<string>() }
  let masters = 0
  for (const [index, { name, id, secrets, role }] of keys.entries()) {
    if (isSeen(seen.name, name)) report(['keys', index, 'name'], `repeats the name ${JSON.stringify(name)}`)
    if (isSeen(seen.id, id)) report(['keys', index, 'id'], 'repeats the id of another key')
    for (const [at, secret] of secrets.entries()) {
      if (isSeen(seen.secret, secret.id))
        report(['keys', index, 'secrets', at, 'id'], 'repeats the id of another secret')
    }
    if (role === 'master' && (masters += 1) > 1)
      report(['keys', index, 'role'], 'is "master" a second time; there is one master key')
  }
}

/** Values at fault are empty, and reported already. */
function isSeen(seen: Set<string>, value: string): boolean {
  if (value === '' || !seen.has(value)) {
    seen.add(value)
    return false
  }
  return true
}

const keyMembers = [
  'id',
  'name',
  'role',
  'secrets',
  'models',
  'limits',
  'budgets',
  'boundary',
  'routes',
  'not_before',
  'expires',
  'disabled',
  'note',
] as const

function readKey(value: unknown, place: Place, report: ReportFault): KeyRecord | undefined {
  const members = readMembers(value, place, keyMembers, report)
  if (members === undefined) return undefined
  const at = (member: string) => [...place, member]
  const name = readMatch(members['name'], at('name'), namePattern, nameRule, report)
  const notBeforeMs = readInstant(members['not_before'], at('not_before'), report)
  const expiresMs = readInstant(members['expires'], at('expires'), report)
  return {
    id: readMatch(
      members['id'],
      at('id'),
      /^k_[0-9A-Za-z]{12}$/,
      'must be k_ and 12 letters and digits',
      report,
    ),
    name,
    role: readChoice(members['role'], at('role'), roles, report) ?? 'client',
    secrets: readSecrets(members['secrets'], at('secrets'), report),
    terms: readTerms(name, members, place, report),
    ...(notBeforeMs !== undefined && { notBeforeMs }),
    ...(expiresMs !== undefined && { expiresMs }),
    isDisabled: readFlag(members['disabled'], at('disabled'), report) ?? false,
    note: readNote(members['note'], at('note'), report),
  }
}

/** It stands in the log, in reports and after `key:`. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/

export const nameRule = 'must be 1 to 64 letters, digits and . _ @ + -, and begin with a letter or a digit'

const roles = ['client', 'master'] as const satisfies readonly KeyRole[]

const secretMembers = ['id', 'sha256', 'created', 'until'] as const

/** `set-`: of a key that was chosen by hand. */
const secretIdPattern = /^(?:[0-9A-Za-z]{12}|set-[0-9A-Za-z]{8})$/

function readSecrets(value: unknown, place: Place, report: ReportFault): KeySecret[] {
  if (!Array.isArray(value) || value.length > maxSecrets) {
    report(place, `must be a list of at most ${maxSecrets} secrets`)
    return []
  }
  return value.map((entry: unknown, index): KeySecret => {
    const at = (member: string) => [...place, index, member]
    const members = readMembers(entry, [...place, index], secretMembers, report) ?? {}
    const idRule = 'must be 12 letters and digits, or set- and 8'
    const sha256 = readMatch(members['sha256'], at('sha256'), /^[0-9a-f]{64}$/, digestRule, report)
    const createdMs = readInstant(members['created'], at('created'), report)
    if (members['created'] === null || members['created'] === undefined)
      report(at('created'), `is missing; it ${instantRule}`)
    const untilMs = readInstant(members['until'], at('until'), report)
    return {
      id: readMatch(members['id'], at('id'), secretIdPattern, idRule, report),
      sha256: Buffer.from(sha256, 'hex'),
      createdMs: createdMs ?? 0,
      ...(untilMs !== undefined && { untilMs }),
    }
  })
}

const digestRule = 'must be the SHA-256 of the key: 64 digits 0-9 and a-f'

const limitMembers = ['rpm', 'tpm', 'max_parallel_requests'] as const

/** The same bounds as in the configuration. */
export const limitBounds = {
  rpm: 10_000_000,
  tpm: 1_000_000_000_000,
  max_parallel_requests: 1_000_000,
} as const

function readTerms(name: string, members: JsonObject, place: Place, report: ReportFault): ClientTerms {
  const at = (member: string) => [...place, member]
  const limits = readMembers(members['limits'] ?? {}, at('limits'), limitMembers, report) ?? {}
  const [rpm, tpm, maxParallelRequests] = limitMembers.map((limit) =>
    limits[limit] === undefined || limits[limit] === null
      ? undefined
      : readCount(limits[limit], [...place, 'limits', limit], limitBounds[limit], report, 1),
  )
  const boundary = readChoice(members['boundary'] ?? undefined, at('boundary'), boundaries, report, true)
  const routes = readFlag(members['routes'], at('routes'), report)
  return {
    name,
    models: readModels(members['models'], at('models'), report),
    ...(rpm !== undefined && { rpm }),
    ...(tpm !== undefined && { tpm }),
    ...(maxParallelRequests !== undefined && { maxParallelRequests }),
    budgets: readBudgets(members['budgets'], at('budgets'), report),
    ...(boundary !== undefined && { boundary }),
    ...(routes !== undefined && { routes }),
  }
}

const boundaries = ['local', 'private', 'any'] as const

function readModels(value: unknown, place: Place, report: ReportFault): readonly string[] | undefined {
  if (value === null || value === undefined) return undefined
  if (!Array.isArray(value) || value.length > 1000) {
    report(place, 'must be a list of at most 1000 names, or null for every model')
    return []
  }
  for (const [index, model] of value.entries()) {
    if (typeof model !== 'string' || !isModelPattern(model)) report([...place, index], modelRule)
  }
  return value as string[]
}

export const modelRule = 'must be the name of a model, or the beginning of names and a * at its end'

/** As in the configuration: one `*`, at the end. */
export function isModelPattern(text: string): boolean {
  return text.length <= 256 && /^[^\p{Cc}*]+\*?$|^\*$/u.test(text)
}

const maxNoteLength = 500

function readNote(value: unknown, place: Place, report: ReportFault): string {
  if (value === undefined) return ''
  if (typeof value === 'string' && value.length <= maxNoteLength) return value
  report(place, `must be a text of at most ${maxNoteLength} characters`)
  return ''
}
