// Usage and cost for the status page, from the ledger's own reports: days are the viewer's, sums are in one place.
import type { UsageQuestion, UsageReport, UsageRow as LedgerRow } from '../ledger/report.ts'
import { startOfDay, wallClock } from '../platform/time-zone.ts'
import { usdOfNano } from '../prices/usd.ts'
import { shownText } from './shown-text.ts'
import type { Usage, UsageRow } from './status-report.ts'

/** Days of the chart. */
const chartDays = 30
/** Of each list. */
const maxRows = 50

/** Of the lists by model, client and key. */
export type UsageDays = 1 | 7 | 30

export interface UsageView {
  /** The name of a time zone. */
  readonly zone: string
  readonly days: UsageDays
  /** Only calls of this client. Undefined: of all. */
  readonly client: string | undefined
}

/** The names of the last days of a zone, today last: `2026-11-28`. */
export function lastDays(count: number, nowMs: number, zone: string): string[] {
  const today = Date.parse(`${wallClock(zone)(nowMs).day}T00:00:00Z`)
  const dayMs = 24 * 60 * 60_000
  return Array.from({ length: count }, (_, index) =>
    new Date(today - (count - 1 - index) * dayMs).toISOString().slice(0, 10),
  )
}

/** By day, model, client and key, in this order. */
export function usageQuestions({ zone, days, client }: UsageView, nowMs: number): UsageQuestion[] {
  const since = (count: number) => startOfDay(lastDays(count, nowMs, zone)[0]!, zone)
  const of = { untilMs: nowMs, zone, ...(client !== undefined && { client }) }
  return [
    { by: ['day'], sinceMs: since(chartDays), ...of },
    ...(['model', 'client', 'key'] as const).map((dimension) => ({
      by: [dimension],
      sinceMs: since(days),
      ...of,
    })),
  ]
}

/**
 * @param reports the answers to `usageQuestions`; an undefined one cannot be read now.
 * @param nowMs of the questions.
 */
export function usageOf(
  reports: readonly (UsageReport | undefined)[],
  { zone }: Pick<UsageView, 'zone'>,
  nowMs: number,
): Usage | null {
  const [days, models, clients, keys] = reports
  if (days === undefined || models === undefined || clients === undefined || keys === undefined) return null
  const found = new Map(days.rows.map((row) => [row.day, row]))
  return {
    days: lastDays(chartDays, nowMs, zone).map((day) => usageRow(day, found.get(day))),
    models: listOf(models, 'model'),
    clients: listOf(clients, 'client'),
    keys: listOf(keys, 'key'),
  }
}

/** Of calls that named no model, or came without a key. */
const nameless = '(none)'

/**
 * The most expensive first, then those with the most tokens, and last what has no name, so that the rows add up to the sums of the
 * days. Where nothing has a name there is nothing to list.
 */
function listOf({ rows }: UsageReport, dimension: 'model' | 'client' | 'key'): UsageRow[] {
  const tokens = (row: LedgerRow) => row.prompt_tokens + row.completion_tokens
  const isNamed = (row: LedgerRow) => typeof row[dimension] === 'string'
  const named = rows
    .filter(isNamed)
    .toSorted((a, b) => b.cost_nano - a.cost_nano || tokens(b) - tokens(a) || b.calls - a.calls)
    .slice(0, maxRows)
    .map((row) => usageRow(shownText(String(row[dimension])), row))
  const rest = rows.find((row) => !isNamed(row))
  return named.length === 0 || rest === undefined ? named : [...named, usageRow(nameless, rest)]
}

function usageRow(name: string, row: LedgerRow | undefined): UsageRow {
  const unpriced = row?.unpriced ?? 0
  // A failed call that took no tokens has neither a price nor the lack of one.
  const hasCost = row !== undefined && (row.cost_nano > 0 || row.calls - row.failed > unpriced)
  return {
    name,
    calls: row?.calls ?? 0,
    failed: row?.failed ?? 0,
    prompt_tokens: row?.prompt_tokens ?? 0,
    completion_tokens: row?.completion_tokens ?? 0,
    cached_tokens: row?.cached_tokens ?? 0,
    cost_usd: hasCost ? usdOfNano(row.cost_nano) : null,
    unpriced_calls: unpriced,
  }
}
