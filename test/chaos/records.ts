// All calls of a run together: against the gateway's log, against the limits, and against what the upstreams saw.
import type { Fixed } from './configurations.ts'
import type { PlannedCall } from './calls.ts'
import type { Wire } from './client-connection.ts'
import type { CallLine } from './gateway-log.ts'
import { isProviderCode, nameIn, typeOfCode, type Verdict } from './judge.ts'
import type { Tag } from './responses.ts'

/** A call that has ended, as its client saw it. */
export interface Ended {
  readonly call: PlannedCall
  readonly wire: Pick<Wire, 'sentAtMs' | 'headAtMs' | 'endedAtMs' | 'message'>
  readonly verdict: Exclude<Verdict, { readonly fault: string }>
}

/** A request at an upstream. Without an end it was not answered to its end. */
export interface Visit {
  readonly tag: Tag
  readonly callId: string
  readonly beganAtMs: number
  endedAtMs?: number
}

export interface Used {
  readonly requests: number
  readonly parallel: number
  readonly waiting: number
}

const windowMs = 60_000

/** Why a call's line in the log is not the right one. */
export function faultOfLine({ verdict, wire }: Ended, lines: readonly CallLine[] = []): string | undefined {
  const [line] = lines
  // Who left before the request was read leaves no trace.
  if (line === undefined) {
    return verdict.end === 'left' && wire.message === undefined ? undefined : 'has no line in the log'
  }
  if (lines.length > 1) return `has ${lines.length} lines in the log`
  const said = `was ${JSON.stringify(verdict)} to its client, and ${JSON.stringify(line)} in the log`
  return isConsistent(verdict, line) ? undefined : said
}

function isConsistent(verdict: Ended['verdict'], line: CallLine): boolean {
  const { status, code, provider } = line
  switch (verdict.end) {
    case 'whole':
    case 'streamed':
      return status === 200 && code === undefined && provider === nameIn(verdict.tag)
    case 'counted':
      return status === 200 && code === undefined && provider === (verdict.tag && nameIn(verdict.tag))
    case 'stream_broken':
      if (isProviderCode(verdict.code)) return status === 200 && code === 'provider_bad_response'
      return (
        status === 200 && code !== undefined && (code === verdict.code || typeOfCode(code) === verdict.code)
      )
    case 'gateway_error':
      return status >= 400 && code === verdict.code
    case 'provider_error':
      return status >= 400 && status !== 499 && code === undefined && provider === nameIn(verdict.tag)
    case 'left':
      // Or it had been answered when the client left, and the response was on its way.
      return status !== 500 || code === undefined
    default:
      return verdict satisfies never
  }
}

/** Calls that count as a request whatever else is true of them: a provider has worked on them. */
function surelyCounts({ verdict }: Ended): boolean {
  return ['whole', 'streamed', 'stream_broken', 'provider_error'].includes(verdict.end)
}

/**
 * The most calls that were surely admitted within one window. When a call was admitted only the gateway knows: after it
 * was sent, and before the head of its answer came.
 */
export function mostInWindow(calls: readonly Ended[]): number {
  const counted = calls.filter(surelyCounts)
  const spans = counted.map(({ wire }) => wire).toSorted((one, other) => one.sentAtMs - other.sentAtMs)
  const within = (from: number) =>
    spans.filter(({ sentAtMs, headAtMs }) => sentAtMs >= from && headAtMs < from + windowMs).length
  return Math.max(0, ...spans.map(({ sentAtMs }) => within(sentAtMs)))
}

/** Between how many and how many requests a model's window has to hold, by what its clients saw. */
export function countedBetween(
  calls: readonly Ended[],
  asked: { readonly beganAtMs: number; readonly endedAtMs: number },
): readonly [least: number, most: number] {
  const sure = calls.filter(
    (each) => surelyCounts(each) && each.wire.sentAtMs > asked.endedAtMs - windowMs,
  ).length
  const possible = calls.filter(({ verdict, wire }) => {
    const isRefused = verdict.end === 'gateway_error' && verdict.code === 'rate_limit_exceeded'
    return !isRefused && wire.endedAtMs > asked.beganAtMs - windowMs
  }).length
  return [sure, possible]
}

/**
 * Visits whose responses reached the client to their end, so that the gateway held a slot until then. Of a call that the
 * client or a time limit has ended, the upstream may write on after the gateway has closed the connection.
 */
export function answeredVisits(ended: readonly Ended[], visits: readonly Visit[]): readonly Visit[] {
  const answered = new Set(
    ended.flatMap(({ call, verdict }) =>
      // A count takes no slot.
      !call.isCount &&
      (verdict.end === 'whole' || verdict.end === 'streamed' || verdict.end === 'provider_error')
        ? [`${call.id} ${verdict.tag}`]
        : [],
    ),
  )
  return visits.filter(({ callId, tag }) => answered.has(`${callId} ${tag}`))
}

/** The most visits under way at once, of those that were answered to their end. */
export function mostAtOnce(visits: readonly Visit[]): number {
  const steps = visits.flatMap(({ beganAtMs, endedAtMs }) =>
    endedAtMs === undefined
      ? []
      : [
          [beganAtMs, 1],
          [endedAtMs, -1],
        ],
  ) as [atMs: number, step: number][]
  let open = 0
  let most = 0
  for (const [, step] of steps.toSorted(([one, up], [other, down]) => one - other || up - down)) {
    open += step
    most = Math.max(most, open)
  }
  return most
}

/** What the limits' own counters and the upstreams' say against the limits that no configuration changed. */
export function faultsOfLimits(
  ended: readonly Ended[],
  visits: readonly Visit[],
  fixed: Fixed,
): readonly string[] {
  const steady = ended.filter(({ call }) => call.model === 'steady' && !call.isCount)
  const steadyIds = new Set(steady.map(({ call }) => call.id))
  const faults: string[] = []
  const hold = (what: string, most: number, limit: number) => {
    if (most > limit) faults.push(`${what}: ${most}, and the limit is ${limit}`)
  }
  hold('steady, admitted in 60 s', mostInWindow(steady), fixed.rpm)
  const answered = answeredVisits(ended, visits)
  hold('steady, at once', mostAtOnce(answered.filter(({ callId }) => steadyIds.has(callId))), fixed.parallel)
  for (const [name, own] of Map.groupBy(answered, ({ tag }) => nameIn(tag))) {
    hold(`provider ${name}, at once`, mostAtOnce(own), fixed.providerParallel)
  }
  return faults
}

/** Visits of a call that its line does not account for: every attempt is one request at most. */
export function faultsOfVisits(
  visits: readonly Visit[],
  lines: ReadonlyMap<string, readonly CallLine[]>,
): readonly string[] {
  const counts = Map.groupBy(visits, ({ callId }) => callId)
  return [...counts].flatMap(([callId, { length }]) => {
    const attempts = lines.get(callId)?.[0]?.attempts ?? 0
    return length > attempts
      ? [`${callId} came to the upstreams ${length} times in ${attempts} attempts`]
      : []
  })
}
