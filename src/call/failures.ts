// What has failed in a call so far, and how that is reported to its client.
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { FailureKind } from '../routing/target-health.ts'
import type { AttemptFailure } from './attempt-outcome.ts'
import type { Hold } from './coordinator.ts'
import type { RetryDecision } from './retry-rule.ts'

/** Why a target did not answer. */
export interface Failure {
  readonly decision: RetryDecision
  /** For the client. */
  readonly reason: string
  /** When it may be asked again, in milliseconds of the monotonic clock. */
  readonly readyAtMs: number
}

/** The request's own fault at this target. */
const notTranslatable = 'not translatable'

export function reasonOf(failure: AttemptFailure, { failureKind }: RetryDecision): string {
  if (failure.kind === 'failed') {
    if (failure.isRouteMissing === true) return `no such route, status ${failure.providerStatus}`
    return failureKind ?? (failure.error.status < 500 ? notTranslatable : 'connection lost')
  }
  return `${failureKind ?? 'refused'}, status ${failure.head.status}`
}

/**
 * The last failure, or one that names all: when several targets have failed, no single error shows the client
 * what is wrong.
 */
export function summedUp(
  last: AttemptFailure,
  hold: Pick<Hold, 'targets' | 'failureKindOf'>,
  failures: ReadonlyMap<Target, Failure>,
): AttemptFailure {
  if (failures.size < 2) return last
  // The last one's error names what the client can change.
  if ([...failures.values()].every(({ reason }) => reason === notTranslatable)) return last
  const list = [...new Set([...failures.keys(), ...hold.targets])].map((target) => {
    const reason = failures.get(target)?.reason ?? whyUntried(hold.failureKindOf(target))
    return `${target.provider} (${target.model}): ${reason}`
  })
  const message = `No target of the model is available. ${list.join('; ')}.`
  const error = new GatewayError('no_target_available', message, { headers: retryAfter(failures) })
  const providerStatus = last.kind === 'refused' ? last.head.status : last.providerStatus
  return {
    kind: 'failed',
    error,
    providerCode: last.providerCode,
    isStaleConnection: false,
    hasBegun: false,
    ...(providerStatus !== undefined && { providerStatus }),
  }
}

/** An untried target has failed in earlier calls, shares its provider's trouble, or its turn did not come. */
function whyUntried(failureKind: FailureKind | undefined): string {
  return failureKind === undefined ? 'not tried' : `not tried, ${failureKind} before`
}

/** The shortest time that a provider has asked for; no header when none has. */
function retryAfter(failures: ReadonlyMap<Target, Failure>): Record<string, string> {
  const asked = [...failures.values()].map(({ decision }) => decision.retryAfterMs)
  const least = Math.min(...asked.filter((each) => each !== undefined))
  return Number.isFinite(least) ? { 'retry-after': String(Math.ceil(least / 1000)) } : {}
}
