// What becomes of model servers, as events.
import type { GatewayEvent } from '../../observe/events.ts'
import { type StopReason, stopReasons } from '../../observe/events/services.ts'
import type { ServiceState } from '../../upstream/services/services.ts'

/** A step of a service from one state to the next. */
export interface ServiceStep {
  readonly provider: string
  readonly unit: string
  readonly from: ServiceState['state']
  readonly to: ServiceState['state']
  /** Of a stop: why; of a failure: its result; `adopted` of a unit that runs already. */
  readonly reason?: string | undefined
  /** Of one that is ready: since the command to start it, in milliseconds. */
  readonly tookMs?: number | undefined
  /** Under way. */
  readonly calls: number
  /** Of a failure: until it may be started again, in milliseconds. */
  readonly retryInMs?: number | undefined
}

/** @returns undefined for a step that nobody needs to know of: it finishes its calls, or goes on after all. */
export function eventOfStep(step: ServiceStep): GatewayEvent | undefined {
  const { provider, unit, from, to, reason, tookMs, calls, retryInMs } = step
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
      const retry = retryInMs === undefined ? {} : { retry_in_ms: Math.round(retryInMs) }
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
