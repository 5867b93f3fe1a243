// How configurations of earlier releases become ones of this release: by edits of single values, so that comments and the order of
// keys stay. A release that renames or narrows a key adds its step here.
import { membersOf } from '../bytes/json/parse.ts'
import { reachOf } from '../platform/address-reach.ts'
import { type ReadDocument, type Range, readDocument } from './document.ts'
import type { Path } from './problems.ts'
import { formatPath } from '../platform/key-path.ts'

export interface MigrationOptions {
  /** The Unix user of the front proxy, for lists of proxies without one. */
  readonly proxyUser?: string | undefined
}

interface MigratedKey {
  /** `server.trusted_proxies`. */
  readonly path: string
  /** Why, as a sentence. */
  readonly reason: string
}

/** What nobody but the operator can decide. */
interface OpenQuestion extends MigratedKey {
  /** What to do, as a sentence. */
  readonly fix: string
}

export type MigrationOutcome =
  | {
      readonly kind: 'migrated'
      readonly text: string
      readonly changed: readonly MigratedKey[]
      readonly open: readonly OpenQuestion[]
    }
  /** Not YAML, which `validate-config` explains. */
  | { readonly kind: 'unreadable' }

interface Edit extends MigratedKey {
  readonly range: Range
  readonly text: string
}

interface Found {
  readonly edits: readonly Edit[]
  readonly open: readonly OpenQuestion[]
}

type Step = (document: ReadDocument, source: string, options: MigrationOptions) => Found

/** In the order of the releases. */
const steps: readonly Step[] = [keysOfVariables, proxiesWithUser]

/** Applies every step. A text that needs none comes back as it is. */
export function migrateConfig(text: string, options: MigrationOptions = {}): MigrationOutcome {
  let migrated = text
  const changed: MigratedKey[] = []
  const open: OpenQuestion[] = []
  for (const step of steps) {
    const document = readDocument(migrated)
    if (document.kind === 'unreadable') return { kind: 'unreadable' }
    const found = step(document, migrated, options)
    open.push(...found.open)
    for (const { path, reason } of found.edits) {
      if (!changed.some((known) => known.path === path)) changed.push({ path, reason })
    }
    migrated = edited(migrated, found.edits)
  }
  return { kind: 'migrated', text: migrated, changed, open }
}

/** A value that stands behind an anchor is that of each alias too, and is changed once. */
function edited(text: string, edits: readonly Edit[]): string {
  const different = new Map(edits.map((edit) => [`${edit.range.join('-')} ${edit.text}`, edit]))
  return [...different.values()]
    .toSorted((one, other) => other.range[0] - one.range[0])
    .reduce((all, { range: [start, end], text: value }) => all.slice(0, start) + value + all.slice(end), text)
}

/** `api_key: ${NAME}` puts a key into the text of the configuration; a reference keeps it out. */
function keysOfVariables({ value, rangeOf }: ReadDocument): Found {
  const edits = Object.entries(membersOf(membersOf(value)['providers'])).flatMap(([name, provider]) => {
    const path: Path = ['providers', name, 'api_key']
    const written = membersOf(provider)['api_key']
    const variable =
      typeof written === 'string' ? /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(written)?.[1] : undefined
    const range = rangeOf(path)
    if (variable === undefined || range === undefined) return []
    const reason = 'A key is referred to, and is not part of the text any more.'
    return [{ path: formatPath(path), reason, range, text: `{ env: ${variable} }` }]
  })
  return { edits, open: [] }
}

/** A list of CIDRs alone trusted every local program; loopback addresses in it stood for the proxy itself. */
function proxiesWithUser(
  { value, rangeOf }: ReadDocument,
  source: string,
  { proxyUser }: MigrationOptions,
): Found {
  const path: Path = ['server', 'trusted_proxies']
  const list = membersOf(membersOf(value)['server'])['trusted_proxies']
  const range = rangeOf(path)
  if (!Array.isArray(list) || list.length === 0 || range === undefined) return { edits: [], open: [] }
  if (!list.every((item): item is string => typeof item === 'string')) return { edits: [], open: [] }
  const key = formatPath(path)
  const reason = 'The gateway believes X-Forwarded-For only from the Unix user of a front proxy.'
  if (proxyUser === undefined) {
    const fix = 'Repeat with --proxy-user USER, the user that the proxy runs as (ps -o user= -C nginx).'
    return { edits: [], open: [{ path: key, reason, fix }] }
  }
  const isLoopback = list.map((cidr) => reachOf(cidr.split('/', 1)[0]!) === 'loopback')
  const user = `{ user: ${JSON.stringify(proxyUser)} }`
  if (source[range[0]] !== '-') {
    const further = list.filter((_, index) => !isLoopback[index]).map((cidr) => JSON.stringify(cidr))
    return { edits: [{ path: key, reason, range, text: `[${[user, ...further].join(', ')}]` }], open: [] }
  }
  const isOutside = list.some((_, index) => {
    const [start, end] = rangeOf([...path, index]) ?? range
    return start < range[0] || end > range[1]
  })
  if (isOutside) {
    const fix = 'An entry is an alias (*name): write its value in its place, and repeat.'
    return { edits: [], open: [{ path: key, reason, fix }] }
  }
  const indent = source.slice(source.lastIndexOf('\n', range[0]) + 1, range[0])
  const edits = list.flatMap((_, index): Edit[] => {
    const [start, end] = rangeOf([...path, index]) ?? range
    const isFirst = index === 0
    if (isFirst && isLoopback[0]) return [{ path: key, reason, range: [range[0], end], text: `- ${user}` }]
    const at: Range = [range[0], range[0]]
    if (isFirst) return [{ path: key, reason, range: at, text: `- ${user}\n${indent}` }]
    if (!isLoopback[index]) return []
    const line: Range = [source.lastIndexOf('\n', start) + 1, source.indexOf('\n', end) + 1 || source.length]
    return [{ path: key, reason, range: line, text: '' }]
  })
  return { edits, open: [] }
}
