// What the ledger says of a period: how its calls ended, and what they used and cost.
import type { OpenedReader } from '../../ledger/reader.ts'
import { firstQuarterMs, readCalls, readNewClients, type RecordedCalls } from '../../ledger/read-calls.ts'
import { type Dimension, readReports, type UsageCounts, type UsageReport } from '../../ledger/report.ts'
import { readServiceUse, type ServiceUse } from '../../ledger/service-steps.ts'
import { failureKinds } from '../../domain.ts'
import { isFault, type Outcome, outcomeOf } from '../../observe/outcome.ts'
import type { CallTally, TalliedCalls } from './call-tally.ts'
import type { ReportPeriod, Span } from './period.ts'

export interface LedgerFindings {
  /** What the calls used, by each of these. */
  readonly usage: readonly { readonly by: readonly Dimension[]; readonly report: UsageReport }[]
  readonly total: UsageCounts
  readonly totalBefore: UsageCounts
  /** Calls of the period before that failed by a fault of a provider or of the gateway. */
  readonly failuresBefore: number
  /** Undefined: the ledger does not reach back before the period. */
  readonly newClients: readonly string[] | undefined
  /** Of the first recorded call, in milliseconds since 1970. */
  readonly beginMs: number | undefined
  /** Calls that the sums count and that have no row any more, so that how they ended is unknown. */
  readonly callsWithoutRow: number
  /** Model servers that were started on demand. */
  readonly services: readonly ServiceUse[]
}

/** @throws what SQLite throws. */
export function readLedger(
  database: (OpenedReader & { readonly kind: 'open' })['database'],
  {
    period,
    zone,
    by,
    calls,
  }: {
    readonly period: ReportPeriod
    readonly zone: string
    readonly by: readonly (readonly Dimension[])[]
    readonly calls: CallTally
  },
): LedgerFindings {
  const sums = ({ sinceMs, untilMs }: Span, sets: readonly (readonly Dimension[])[]) =>
    readReports(database, { sinceMs, untilMs, zone }, sets)
  for (const call of readCalls(database, period.sinceMs, period.untilMs)) calls.addAll(tallied(call))
  const { before } = period
  let failuresBefore = 0
  for (const group of readCalls(database, before.sinceMs, before.untilMs))
    if (isFault(judged(group))) failuresBefore += group.calls
  const [whole, ...reports] = sums(period, [[], ...by])
  const { total } = whole!
  return {
    usage: by.map((dimensions, at) => ({ by: dimensions, report: reports[at]! })),
    total,
    failuresBefore,
    totalBefore: sums(before, [[]])[0]!.total,
    newClients: readNewClients(database, period.sinceMs, period.untilMs),
    beginMs: firstQuarterMs(database),
    callsWithoutRow: Math.max(0, total.calls - calls.calls),
    services: readServiceUse(database, period.sinceMs, period.untilMs),
  }
}

function tallied({ startMs, client, minutes, ...group }: RecordedCalls): TalliedCalls {
  return {
    ...group,
    client: client ?? '-',
    outcome: judged(group),
    reason: null,
    startMs,
    minutes,
  }
}

function judged(group: Pick<RecordedCalls, 'status' | 'code' | 'trouble' | 'providerStatus'>): Outcome {
  const { status, code, trouble, providerStatus } = group
  return outcomeOf({
    status,
    code: code ?? undefined,
    trouble: failureKinds.find((kind) => kind === trouble),
    provider_status: providerStatus ?? undefined,
  })
}
