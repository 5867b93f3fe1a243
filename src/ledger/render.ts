// A report as programs read it, from the command and over HTTP. Member names are part of the interface: they are added to,
// never changed.
import type { ScopeSpending } from '../domain.ts'
import type { UsageCounts, UsageReport, UsageRow } from './report.ts'

export function renderReport({
  sinceMs,
  untilMs,
  zone,
  rows,
  total,
  isCut,
}: Omit<UsageReport, 'ledgerId'>): object {
  return {
    since: new Date(sinceMs).toISOString(),
    until: new Date(untilMs).toISOString(),
    zone,
    data: rows.map(withUsd),
    total: withUsd(total),
    ...(isCut && { is_cut: true }),
  }
}

/** What is spent and reserved of budgets, as programs read it. */
export function renderSpending(spending: readonly ScopeSpending[]): object[] {
  return spending.map(({ name, entry, nano, tokens, windows }) => ({
    scope: name,
    of: entry,
    reserved_usd: formatUsd(nano),
    reserved_tokens: tokens,
    windows: windows.map(([per, startMs, spentNano, spentTokens]) => ({
      per,
      since: per === 'total' ? null : new Date(startMs).toISOString(),
      spent_usd: formatUsd(spentNano),
      spent_tokens: spentTokens,
    })),
  }))
}

/** The cost in USD is decimal text, because a binary fraction would not be exact. */
function withUsd(row: UsageCounts | UsageRow): object {
  return { ...row, cost_usd: formatUsd(row.cost_nano) }
}

const nanoPerUsd = 1_000_000_000

/** All digits, without zeros at the end but at least two behind the point: `0.00`, `1.25`, `0.000000001`. */
export function formatUsd(nano: number): string {
  const fraction = String(nano % nanoPerUsd).padStart(9, '0')
  return `${Math.floor(nano / nanoPerUsd)}.${fraction.replace(/0{1,7}$/, '')}`
}
