// What the ledger says of a period: its calls one by one, and what they used and cost.
import type { OpenedReader } from '../../ledger/reader.ts'
import { firstQuarterMs, readCalls, readNewClients, type RecordedCall } from '../../ledger/read-calls.ts'
import { type Dimension, readReport, type UsageCounts, type UsageReport } from '../../ledger/report.ts'
import { readServiceUse, type ServiceUse } from '../../ledger/service-steps.ts'
import { failureKinds } from '../../domain.ts'
import { outcomeOf } from '../../observe/outcome.ts'
import type { CallTally, TalliedCall } from './call-tally.ts'
import type { ReportPeriod, Span } from './period.ts'

export interface LedgerFindings {
  /** What the calls used, by each of these. */
  readonly usage: readonly { readonly by: readonly Dimension[]; readonly report: UsageReport }[]
  readonly total: UsageCounts
  readonly totalBefore: UsageCounts
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
    callsBefore,
  }: {
    readonly period: ReportPeriod
    readonly zone: string
    readonly by: readonly (readonly Dimension[])[]
    readonly calls: CallTally
    readonly callsBefore: CallTally
  },
): LedgerFindings {
  const sums = (span: Span, dimensions: readonly Dimension[]) =>
    readReport(database, { by: dimensions, sinceMs: span.sinceMs, untilMs: span.untilMs, zone })
  for (const call of readCalls(database, period.sinceMs, period.untilMs)) calls.add(tallied(call))
  const { before } = period
  for (const call of readCalls(database, before.sinceMs, before.untilMs)) callsBefore.add(tallied(call))
  const { total } = sums(period, [])
  return {
    usage: by.map((dimensions) => ({ by: dimensions, report: sums(period, dimensions) })),
    total,
    totalBefore: sums(before, []).total,
    newClients: readNewClients(database, period.sinceMs, period.untilMs),
    beginMs: firstQuarterMs(database),
    callsWithoutRow: Math.max(0, total.calls - calls.calls),
    services: readServiceUse(database, period.sinceMs, period.untilMs),
  }
}

function tallied(call: RecordedCall): TalliedCall {
  const { endedMs, client, status, code, completion, firstTokenMs, providerStatus, startMs, ...facts } = call
  const trouble = failureKinds.find((kind) => kind === call.trouble)
  const judged = { status, code: code ?? undefined, trouble, provider_status: providerStatus ?? undefined }
  return {
    ...facts,
    waitMs: facts.waitMs - (startMs ?? 0),
    firstMs: firstTokenMs ?? facts.firstMs,
    atMs: endedMs,
    client: client ?? '-',
    code,
    outcome: outcomeOf(judged),
    reason: null,
    outputTokens: completion,
  }
}
