// What becomes of model servers, as events.
import type { GatewayEvent } from '../../observe/events.ts'
import { type StopReason, stopReasons } from '../../observe/events/services.ts'
import type { ServiceChange } from '../../upstream/services/service.ts'

/** @returns undefined for a change that nobody needs to know of: it finishes its calls, or goes on after all. */
export function eventOfChange(change: ServiceChange): GatewayEvent | undefined {
  const { provider, unit, from, to, reason, tookMs, calls, retryAfterMs } = change
  const of = { provider, unit }
  const hasRun = from === 'ready' || from === 'draining'
  const interrupted = hasRun && calls > 0 ? { calls } : {}
  switch (to) {
    case 'starting':
      return { kind: reason === 'adopted' ? 'service_adopted' : 'service_starting', ...of }
    case 'ready': {
      if (from === 'draining') return undefined
      const took = tookMs === undefined ? {} : { took_ms: Math.round(tookMs) }
      return { kind: 'service_ready', ...of, ...took }
    }
    case 'draining':
      return undefined
    case 'stopping':
      return { kind: 'service_stopping', ...of, reason: stopReasonOf(reason) }
    case 'stopped':
      if (from === 'stopping') return { kind: 'service_stopped', ...of }
      return { kind: 'service_stopped', ...of, reason: 'outside', ...interrupted }
    case 'failed': {
      const retry = retryAfterMs === undefined ? {} : { retry_in_ms: Math.round(retryAfterMs) }
      const result = reason ?? 'unknown'
      return { kind: 'service_failed', ...of, result, was_ready: hasRun, ...interrupted, ...retry }
    }
    default:
      return to satisfies never
  }
}

function stopReasonOf(reason: string | undefined): StopReason {
  return stopReasons.find((known) => known === reason) ?? 'outside'
}
