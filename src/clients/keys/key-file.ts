// The text of the key file, `keys.json` beside the configuration. The command line alone writes it; the gateway only reads it,
// as a whole: a file with one fault is refused, because half of the keys would be a state that nobody has chosen.
import type { ClientTerms } from '../../domain.ts'
import { boundaries } from '../../platform/boundary.ts'
import { formatPath } from '../../platform/key-path.ts'
import { formatBudget, readBudgets } from './key-budgets.ts'
import type { KeyFile, KeyRecord, KeyRole, KeySecret } from './key-record.ts'
import { instantRule, type Members, membersAt, type Place, type ReportFault } from './members.ts'

/** It may be readable by others: it holds digests of random values, and a system service runs as another user than root. */
export const keyFileRules = { maxBytes: 16 * 1024 * 1024, isSecret: false } as const

const maxKeys = 10_000

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

const fileMembers = new Set(['version', 'generation', 'keys'])

function readFile(value: unknown, report: ReportFault): KeyFile {
  const members = membersAt(value, [], fileMembers, report)
  if (members === undefined) return noKeys
  if (members.get('version') !== 1) {
    const reason =
      'must be 1: a later release has written the file. Run that release again, or restore a copy'
    members.fault('version', reason)
    return noKeys
  }
  const generation = members.count('generation', 0, Number.MAX_SAFE_INTEGER) ?? 0
  const entries = members.get('keys')
  if (!Array.isArray(entries)) {
    members.fault('keys', 'must be a list')
    return noKeys
  }
  if (entries.length > maxKeys) {
    members.fault('keys', `has ${entries.length} entries; at most ${maxKeys} are allowed`)
    return noKeys
  }
  const keys = entries.flatMap((entry: unknown, index) => readKey(entry, ['keys', index], report) ?? [])
  // Where an entry is not an object, the others' indexes are not the file's.
  if (keys.length === entries.length) reportRepetitions(keys, report)
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
  const { size } = seen
  return value !== '' && seen.add(value).size === size
}

const keyMembers = new Set([
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
])

/** What is not set is left out of a record, assigned one by one: spreads would take half of the time of reading. */
type Writable<Type> = { -readonly [Name in keyof Type]: Type[Name] }

function readKey(value: unknown, place: Place, report: ReportFault): KeyRecord | undefined {
  const members = membersAt(value, place, keyMembers, report)
  if (members === undefined) return undefined
  const name = members.match('name', namePattern, nameRule)
  const key: Writable<KeyRecord> = {
    id: members.match('id', /^k_[0-9A-Za-z]{12}$/, 'must be k_ and 12 letters and digits'),
    name,
    role: members.choice('role', roles) ?? 'client',
    secrets: readSecrets(members, report),
    terms: readTerms(name, members, report),
    isDisabled: members.flag('disabled') ?? false,
    note: readNote(members),
  }
  const [notBeforeMs, expiresMs] = [members.instant('not_before'), members.instant('expires')]
  if (notBeforeMs !== undefined) key.notBeforeMs = notBeforeMs
  if (expiresMs !== undefined) key.expiresMs = expiresMs
  return key
}

/** It stands in the log, in reports and after `key:`. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/

export const nameRule = 'must be 1 to 64 letters, digits and . _ @ + -, and begin with a letter or a digit'

const roles = ['client', 'master'] as const satisfies readonly KeyRole[]

const secretMembers = new Set(['id', 'sha256', 'created', 'until'])

/** `set-`: of a key that was chosen by hand. */
const secretIdPattern = /^(?:[0-9A-Za-z]{12}|set-[0-9A-Za-z]{8})$/

function readSecrets(key: Members, report: ReportFault): KeySecret[] {
  const secrets: KeySecret[] = []
  for (const [index, entry] of key.list('secrets', maxSecrets, 'secrets').entries()) {
    const members = membersAt(entry, [...key.placeOf('secrets'), index], secretMembers, report)
    if (members === undefined) continue
    const secret: Writable<KeySecret> = {
      id: members.match('id', secretIdPattern, 'must be 12 letters and digits, or set- and 8'),
      sha256: readDigest(members),
      createdMs: members.instant('created') ?? 0,
    }
    if (members.get('created') === undefined) members.fault('created', `is missing; it ${instantRule}`)
    const untilMs = members.instant('until')
    if (untilMs !== undefined) secret.untilMs = untilMs
    secrets.push(secret)
  }
  return secrets
}

const digestBytes = 32

function readDigest(members: Members): Buffer {
  const value = members.get('sha256')
  const isLong = typeof value === 'string' && value.length === 2 * digestBytes
  // Ends before the first character that is not a hexadecimal digit.
  const digest = Buffer.from(isLong ? value : '', 'hex')
  if (digest.length !== digestBytes)
    members.fault('sha256', 'must be the SHA-256 of the key: 64 hexadecimal digits')
  return digest
}

/** The same bounds as in the configuration. */
export const limitBounds = {
  rpm: 10_000_000,
  tpm: 1_000_000_000_000,
  max_parallel_requests: 1_000_000,
} as const

const limitMembers = new Set(Object.keys(limitBounds))

function readTerms(name: string, key: Members, report: ReportFault): ClientTerms {
  const terms: Writable<ClientTerms> = {
    name,
    models: readModels(key, report),
    budgets: readBudgets(key, report),
  }
  const limits = membersAt(key.get('limits') ?? {}, key.placeOf('limits'), limitMembers, report)
  const limit = (member: keyof typeof limitBounds) =>
    limits?.get(member) === undefined ? undefined : limits.count(member, 1, limitBounds[member])
  const [rpm, tpm, parallel] = [limit('rpm'), limit('tpm'), limit('max_parallel_requests')]
  if (rpm !== undefined) terms.rpm = rpm
  if (tpm !== undefined) terms.tpm = tpm
  if (parallel !== undefined) terms.maxParallelRequests = parallel
  const boundary = key.get('boundary') === undefined ? undefined : key.choice('boundary', boundaries)
  if (boundary !== undefined) terms.boundary = boundary
  const routes = key.flag('routes')
  if (routes !== undefined) terms.routes = routes
  return terms
}

const maxModels = 1000

function readModels(key: Members, report: ReportFault): readonly string[] | undefined {
  if (key.get('models') === undefined) return undefined
  const models = key.list('models', maxModels, 'names, or null for every model')
  for (const [index, model] of models.entries()) {
    if (typeof model !== 'string' || !isModelPattern(model))
      report([...key.placeOf('models'), index], modelRule)
  }
  return models as readonly string[]
}

export const modelRule = 'must be the name of a model, or the beginning of names and a * at its end'

/** As in the configuration: one `*`, at the end. */
export function isModelPattern(text: string): boolean {
  return text.length <= 256 && /^[^\s\p{Cc}*]*[^\s\p{Cc}]$/u.test(text)
}

const maxNoteLength = 500

function readNote(key: Members): string {
  const value = key.get('note') ?? ''
  if (typeof value === 'string' && value.length <= maxNoteLength) return value
  key.fault('note', `must be a text of at most ${maxNoteLength} characters`)
  return ''
}
