// What calls have left behind, as rows of the status page: the last calls, and the failures of a day.
import type { CallFacts } from '../observe/events/calls.ts'
import { outcomeOf } from '../observe/outcome.ts'
import { remedyFor } from '../observe/remedies.ts'
import { usdOfNano } from '../prices/usd.ts'
import type { HistoryLook, PastCall } from './call-history.ts'
import { failedProvider, hasFailed } from './failed-call.ts'
import { type FailureCount, FailureCounts, mergedFailures } from './failure-counts.ts'
import { shownOrNull, shownText } from './shown-text.ts'
import type { FailureRow, RecentCall } from './status-report.ts'

export interface PastView {
  /** Whether the viewer may see the call. */
  readonly isVisible: (call: CallFacts) => boolean
  /** Of the list of calls. */
  readonly maxCalls: number
  /** Of the page of a trace, with `{trace_id}` in it. Undefined: there is none. */
  readonly viewUrl?: string | undefined
  /** Whether the viewer may see all calls. Others do not see why theirs were placed: it shows what others have sent. */
  readonly isAll: boolean
}

/** Of all threads, the newest first. */
export function recentCalls(looks: readonly HistoryLook[], view: PastView): RecentCall[] {
  return visibleCalls(looks, view.isVisible)
    .slice(0, view.maxCalls)
    .map((past) => recentCall(past, view))
}

function visibleCalls(looks: readonly HistoryLook[], isVisible: PastView['isVisible']): PastCall[] {
  return looks
    .flatMap(({ calls }) => calls.toReversed())
    .filter(({ call }) => isVisible(call))
    .toSorted((one, other) => other.endedMs - one.endedMs)
}

function recentCall({ call, endedMs }: PastCall, { viewUrl, isAll }: PastView): RecentCall {
  const traceId = call.trace_id ?? null
  const outcome = outcomeOf(call)
  const model = call.fallback_model ?? call.model ?? call.asked
  const asked = call.asked ?? call.model
  return {
    id: shownText(call.request_id),
    at: new Date(endedMs).toISOString(),
    model: shownOrNull(model),
    asked: asked === model ? null : shownOrNull(asked),
    client: shownText(call.client),
    key: shownOrNull(call.key),
    provider: shownOrNull(call.provider),
    target_model: shownOrNull(call.target_model),
    dialect: call.dialect,
    status: call.status,
    outcome,
    stream: call.stream,
    wait_ms: call.wait_ms,
    start_ms: call.start_ms ?? 0,
    first_token_ms: call.first_token_ms ?? null,
    duration_ms: call.duration_ms,
    prompt_tokens: call.prompt_tokens ?? null,
    completion_tokens: call.completion_tokens ?? null,
    cached_tokens: call.cached_tokens ?? null,
    cache_write_tokens: call.cache_write_tokens ?? null,
    prompt_per_second: call.prompt_per_second ?? null,
    tokens_per_second: call.tokens_per_second ?? null,
    estimated: call.estimated === true,
    cost_usd: call.cost_nano === undefined ? null : usdOfNano(call.cost_nano),
    attempts: call.attempts,
    code: call.code ?? null,
    // Of a cancelled call, it is advice to its client.
    reason: call.code === 'call_cancelled' ? null : shownOrNull(call.reason),
    fix: hasFailed({ outcome, code: call.code }) ? fixOf(call.code, outcome, call) : null,
    placement: isAll ? (call.placement ?? null) : null,
    placed: isAll ? (call.placed ?? null) : null,
    trace_id: traceId,
    trace_url:
      traceId === null ? null : (viewUrl?.replaceAll('{trace_id}', encodeURIComponent(traceId)) ?? null),
  }
}

/** @param isAll whether the viewer sees all clients; otherwise only failures among the calls that it may see are counted. */
export function failureRows(
  looks: readonly HistoryLook[],
  { isAll, isVisible }: Omit<PastView, 'maxCalls' | 'viewUrl'>,
  nowMs: number,
): FailureRow[] {
  const counts = isAll
    ? mergedFailures(looks.map(({ failures }) => failures))
    : mergedFailures([countedAmong(visibleCalls(looks, isVisible), nowMs)])
  return counts.map(({ code, provider, count, lastMs, reason }) => ({
    code,
    provider: shownOrNull(provider),
    count,
    last_at: new Date(lastMs).toISOString(),
    reason: shownOrNull(reason),
    fix: remedyFor(code, { provider: shownOrNull(provider) }) ?? null,
  }))
}

function countedAmong(calls: readonly PastCall[], nowMs: number): FailureCount[] {
  const counts = new FailureCounts()
  for (const { call, endedMs } of calls.toReversed()) {
    const outcome = outcomeOf(call)
    if (!hasFailed({ outcome, code: call.code })) continue
    const { code = outcome, reason } = call
    counts.add({ code, provider: failedProvider(outcome, call.provider), reason }, endedMs)
  }
  return counts.look(nowMs)
}

function fixOf(code: string | undefined, outcome: string, { provider, model }: CallFacts): string | null {
  const place = { provider: shownOrNull(provider), model: shownOrNull(model) }
  return (code === undefined ? undefined : remedyFor(code, place)) ?? remedyFor(outcome, place) ?? null
}
