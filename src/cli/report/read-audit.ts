// What the log of security events says: changes, and who was refused where there are no lines of the gateway.
import type { AuditNames } from '../../observe/audit/names.ts'
import { type AuditRecord, readLine } from '../../observe/audit/chain.ts'
import { auditLines } from '../../observe/audit/verify.ts'
import type { AccessTally } from './access-tally.ts'
import type { CallTally } from './call-tally.ts'
import type { Span } from './period.ts'

export interface ReadAudit {
  readonly records: number
  readonly unreadable: number
  readonly earliestMs: number | undefined
}

/** @param names undefined: clients are numbers. @throws where the files cannot be read. */
export async function readAudit(
  directory: string,
  names: AuditNames | undefined,
  spans: readonly (Span & { readonly access: AccessTally; readonly calls?: CallTally })[],
): Promise<ReadAudit> {
  const read = { records: 0, unreadable: 0, earliestMs: undefined as number | undefined }
  for await (const line of auditLines(directory)) {
    const record = readLine(line)
    const atMs = record === undefined ? NaN : Date.parse(record.time)
    if (record === undefined || Number.isNaN(atMs)) {
      read.unreadable += 1
      continue
    }
    read.records += 1
    read.earliestMs ??= atMs
    const span = spans.find(({ sinceMs, untilMs }) => sinceMs <= atMs && atMs < untilMs)
    if (span !== undefined) countRecord(record, { atMs, names, access: span.access })
  }
  return read
}

const prefix = 'llm_gateway.'

function countRecord(
  { event_name: name, attributes }: AuditRecord,
  {
    atMs,
    names,
    access,
  }: { readonly atMs: number; readonly names: AuditNames | undefined; readonly access: AccessTally },
): void {
  const event = name.startsWith(prefix) ? name.slice(prefix.length) : name
  const nameOf = (value: unknown) =>
    typeof value === 'number' ? (names?.nameOf(value) ?? `name ${value}`) : '-'
  const { code, repeated, client, actor, ...others } = attributes
  switch (event) {
    case 'request.refused':
      // Only the first one of a minute has its own line; the next line counts those after it.
      access.refuse(plain(code), nameOf(client), atMs, typeof repeated === 'number' ? repeated : 1)
      return
    case 'limit.hit':
    case 'budget.window_begun':
    case 'audit.pruned':
      return
    case 'budget.exhausted':
      access.budgetsSpent.add(budgetText(attributes, nameOf), atMs)
      return
    case 'budget.nearly_spent':
      access.budgetsNearlySpent.add(budgetText(attributes, nameOf), atMs)
      return
    case 'config.refused':
      access.reloadsRefused.add('configuration', atMs)
      break
    case 'peers.unreadable':
      access.peersUnreadable.add('peers', atMs)
      break
    default:
  }
  const facts = Object.entries(others).map(([key, value]) => `${key}=${textOf(key, value)}`)
  if (client !== undefined) facts.unshift(nameOf(client))
  if (actor !== undefined) facts.push(`by ${nameOf(actor)}`)
  access.change({ atMs, event: event.replaceAll('.', '_'), detail: facts.join(' ') })
}

function textOf(key: string, value: unknown): string {
  if (key === 'config.sha256') return plain(value).slice(0, 12)
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(plain).join(',')
  return plain(value)
}

/** A line may have been changed: an object may have no text of its own. */
function plain(value: unknown): string {
  if (value === undefined) return '-'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function budgetText(attributes: AuditRecord['attributes'], nameOf: (value: unknown) => string): string {
  const of = attributes['scope'] ?? nameOf(attributes['client'])
  return `${plain(of)} ${plain(attributes['budget'])}`
}
