// What attempts cost that did not become an answer. A call is charged once, however many attempts it took.
import { chargeOf, type Outcome } from '../admission/outcome.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'

/** The cost of one failed attempt at a prompt of so many tokens. */
export function costOf(
  outcome: AttemptOutcome & { kind: 'refused' | 'failed' },
  promptTokens: number,
): Outcome {
  if (outcome.kind === 'refused') {
    const isRefusal = outcome.head.status < 500 || outcome.head.status === 503
    return isRefusal ? { kind: 'refused' } : { kind: 'failed', tokens: 0 }
  }
  // It could not be written in the target's format.
  if (outcome.error.status < 500) return { kind: 'unsent' }
  if (outcome.error.code === 'provider_unreachable') return { kind: 'unreachable' }
  if (outcome.error.code === 'provider_auth_failed') return { kind: 'auth_failed' }
  return { kind: 'failed', tokens: outcome.hasBegun ? promptTokens : 0 }
}

/** The one that counts as a request if one of them does, and more tokens: they are one call's attempts at one prompt. */
export function costlier(one: Outcome, other: Outcome): Outcome {
  const [charge, otherCharge] = [chargeOf(one, 0), chargeOf(other, 0)]
  const difference = charge.requests - otherCharge.requests || charge.tokens - otherCharge.tokens
  return difference > 0 ? one : other
}
