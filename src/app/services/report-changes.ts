// What becomes of model servers, as events.
import type { Events, GatewayEvent } from '../../observe/events.ts'
import { type StopReason, stopReasons } from '../../observe/events/services.ts'
import type { ServiceChange } from '../../upstream/services/service-change.ts'

/** Why a service starts that this gateway did not start now. */
const notOwn: ReadonlySet<string | undefined> = new Set(['adopted', 'restart', 'address'])

/** @returns what receives each step. */
export function serviceReporter(events: Events): (step: ServiceChange) => void {
  /** Those that this gateway is starting. */
  const own = new Set<string>()
  return (step) => {
    const { provider, to, reason } = step
    const isOwn = own.has(provider)
    if (to === 'starting' && !notOwn.has(reason)) own.add(provider)
    else own.delete(provider)
    const event = eventOf(step, isOwn)
    if (event !== undefined) events.emit(event)
  }
}

/** @returns undefined for a step that nobody needs to know of: it finishes its calls, or goes on after all. */
function eventOf(step: ServiceChange, isOwn: boolean): GatewayEvent | undefined {
  const { provider, unit, from, to, reason, tookMs, calls, retryAfterMs, probe } = step
  const of = { provider, unit }
  const hasRun = from === 'ready' || from === 'draining'
  const interrupted = hasRun && calls > 0 ? { calls } : {}
  switch (to) {
    case 'starting':
      if (reason === 'adopted') return { kind: 'service_adopted', ...of }
      return {
        kind: 'service_starting',
        ...of,
        reason: reason ?? 'call',
        ...(reason !== 'address' && interrupted),
      }
    case 'ready':
      if (from === 'draining' || from === 'stopping') {
        const isRefused = reason !== undefined && reason !== 'resumed'
        return isRefused ? { kind: 'service_stop_refused', ...of, result: reason } : undefined
      }
      return {
        kind: 'service_ready',
        ...of,
        ...(isOwn && tookMs !== undefined && { took_ms: Math.round(tookMs) }),
      }
    case 'draining':
      return undefined
    case 'stopping':
      return { kind: 'service_stopping', ...of, reason: stopReasonOf(reason) }
    case 'stopped':
      if (from === 'stopping') return { kind: 'service_stopped', ...of }
      return { kind: 'service_stopped', ...of, reason: 'outside', ...interrupted }
    case 'failed':
      return {
        kind: 'service_failed',
        ...of,
        result: reason ?? 'unknown',
        ...(probe !== undefined && { probe }),
        was_ready: hasRun,
        ...interrupted,
        ...(retryAfterMs !== undefined && { retry_in_ms: Math.round(retryAfterMs) }),
      }
    default:
      return to satisfies never
  }
}

function stopReasonOf(reason: string | undefined): StopReason {
  return stopReasons.find((known) => known === reason) ?? 'outside'
}
