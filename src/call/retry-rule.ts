// What an attempt's outcome means for the call and for the target: is it a failure of the target, may another target
// answer instead, may the same one be asked again. Pure.
import { parseDurationMs } from '../http/duration.ts'
import type { FailureKind } from '../domain.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'

export interface RetryDecision {
  /** What is wrong with the target; undefined when it works, or when the fault is the client's or nobody's. */
  readonly failureKind: FailureKind | undefined
  /** Another target may well answer. */
  readonly canFailOver: boolean
  /** The same target may well answer if it is asked again. */
  readonly canRetry: boolean
  /** The provider asked to wait for so long. */
  readonly retryAfterMs: number | undefined
}

const final: RetryDecision = {
  failureKind: undefined,
  canFailOver: false,
  canRetry: false,
  retryAfterMs: undefined,
}

/**
 * @param hasFailed this target has failed in this call before: its connection was a new one this time.
 * @param wallNowMs for a `retry-after` that is a date.
 */
export function decideRetry(outcome: AttemptOutcome, hasFailed: boolean, wallNowMs: number): RetryDecision {
  switch (outcome.kind) {
    case 'answered':
    case 'gone':
      return final
    case 'failed':
      return afterFailure(outcome, hasFailed)
    case 'refused':
      return afterRefusal(outcome, wallNowMs)
    default:
      return outcome satisfies never
  }
}

/** What is wrong with the target, by its first failure in a call. @param wallNowMs as in `decideRetry`. */
export function troubleOf(outcome: AttemptOutcome, wallNowMs: number): RetryDecision['failureKind'] {
  return decideRetry(outcome, false, wallNowMs).failureKind
}

/** The gateway has waited for it, and goes by its own times. */
const notStarted = { failureKind: 'not_started', canFailOver: true } as const

function afterFailure(
  {
    error,
    isStaleConnection,
    isRouteMissing,
    isBeingServed,
    retryAfterMs,
  }: AttemptOutcome & { kind: 'failed' },
  hasFailed: boolean,
): RetryDecision {
  if (isBeingServed === true) return { ...final, failureKind: 'broken' }
  if (error.code === 'provider_unreachable') {
    return { failureKind: 'unreachable', canFailOver: true, canRetry: true, retryAfterMs: undefined }
  }
  if (error.code === 'service_not_started') return { ...final, ...notStarted, retryAfterMs }
  // The gateway could ask nobody else either.
  if (error.code === 'overloaded' || error.code === 'shutting_down') return final
  if (error.code === 'provider_auth_failed') return { ...final, failureKind: 'auth', canFailOver: true }
  // It may still work on the request; a second copy would not make it quicker.
  if (error.code === 'provider_timeout') return { ...final, failureKind: 'timeout', canFailOver: true }
  // An idle connection that the provider had closed is not a fault of the target: asking once more opens a new one.
  if (isStaleConnection && !hasFailed) return { ...final, canFailOver: true, canRetry: true, retryAfterMs: 0 }
  if (isRouteMissing === true) return { ...final, canFailOver: true }
  // The target's format can't carry the request, but another target's may.
  if (error.status < 500) return { ...final, canFailOver: true }
  // Anything else is likely to happen again.
  return { ...final, failureKind: 'broken', canFailOver: true }
}

function afterRefusal(
  { head, meaning, overflow }: AttemptOutcome & { kind: 'refused' },
  wallNowMs: number,
): RetryDecision {
  const retryAfterMs = retryAfterOf(head.headers, wallNowMs)
  // Another model may have a larger context.
  if (overflow !== undefined) return { ...final, canFailOver: true }
  // The provider's word on another try is final.
  const canRetry = head.headers['x-should-retry'] !== 'false'
  const again = { canFailOver: true, canRetry, retryAfterMs }
  switch (head.status) {
    case 400:
      return meaning === 'billing' ? { ...final, failureKind: 'billing', canFailOver: true } : final
    case 402:
      return { ...final, failureKind: 'billing', canFailOver: true }
    case 404:
      if (meaning !== 'missing_model') return final
      return { ...final, failureKind: 'missing_model', canFailOver: true }
    case 408:
      return { failureKind: 'timeout', ...again }
    case 429:
      // Another provider has an account of its own.
      if (meaning === 'billing') return { ...final, failureKind: 'billing', canFailOver: true }
      // The refusal of a request that alone exceeds the limit: not a failure of the target.
      if (!canRetry) return final
      return { failureKind: 'rate_limit', ...again }
    case 500:
      return { ...final, failureKind: meaning === 'unable' ? undefined : 'broken', canFailOver: true }
    case 501:
      // It works, but can't do what this request asks for; another server may.
      return { ...final, canFailOver: true }
    case 502:
    case 504:
      return { failureKind: 'overloaded', ...again }
    case 503:
    case 529:
      return { failureKind: meaning === 'loading' ? 'loading' : 'overloaded', ...again }
    default:
      // It may have failed on this very request, so the same server is spared another try.
      return head.status >= 500 ? { ...final, failureKind: 'broken', canFailOver: true } : final
  }
}

/** When to ask again, by a provider's error, in milliseconds. @param nowMs of the wall clock. */
export function retryAfterOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  nowMs: number,
): number | undefined {
  const precise = headers['retry-after-ms']
  if (typeof precise === 'string') return parseDurationMs(precise, { nowMs, plainUnit: 'ms' })
  const plain = headers['retry-after']
  return typeof plain === 'string' ? parseDurationMs(plain, { nowMs, plainUnit: 's' }) : undefined
}
