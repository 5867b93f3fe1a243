// What the attempts cost that did not answer their call. A call is charged once, however many attempts it took.
import { chargeOf, type Outcome } from '../admission/outcome.ts'
import type { AttemptFailure } from './attempt-outcome.ts'

/** Neither could its server be started, say. */
const isUnsent: ReadonlySet<string> = new Set(['overloaded', 'service_not_started'])

/** What one failed attempt at a prompt of so many tokens costs. */
export function chargeFor(failure: AttemptFailure, promptTokens: number): Outcome {
  if (failure.used !== undefined) return { kind: 'failed', tokens: failure.used.totalTokens }
  if (failure.kind === 'refused') {
    const isRefusal = failure.head.status < 500 || failure.head.status === 503
    return isRefusal ? { kind: 'refused' } : { kind: 'failed', tokens: 0 }
  }
  // The target's format can't carry the request, or the gateway could not connect.
  if (failure.error.status < 500 || isUnsent.has(failure.error.code)) return { kind: 'unsent' }
  if (failure.error.code === 'provider_unreachable') return { kind: 'unreachable' }
  if (failure.error.code === 'provider_auth_failed') return { kind: 'auth_failed' }
  return { kind: 'failed', tokens: failure.hasBegun ? promptTokens : 0 }
}

/** The one with more requests, then with more tokens, and not the sum: both are one call's attempts at one prompt. */
export function maxCharge(one: Outcome, other: Outcome): Outcome {
  const [charge, otherCharge] = [chargeOf(one, 0), chargeOf(other, 0)]
  const difference = charge.requests - otherCharge.requests || charge.tokens - otherCharge.tokens
  return difference > 0 ? one : other
}
