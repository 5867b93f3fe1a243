// What has failed in a call so far, and how its client is told.
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { AttemptFailure } from './attempt-outcome.ts'
import type { Snapshot } from './call.ts'
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

export function reasonOf(failure: AttemptFailure, { trouble }: RetryDecision): string {
  if (failure.kind === 'failed') {
    return trouble ?? (failure.error.status < 500 ? notTranslatable : 'connection lost')
  }
  return `${trouble ?? 'refused'}, status ${failure.head.status}`
}

/**
 * The last failure, or one that names all: when several targets have failed, no single one's error tells the client
 * what is wrong.
 */
export function summedUp(
  last: AttemptFailure,
  targets: readonly Target[],
  failures: ReadonlyMap<Target, Failure>,
  on: Pick<Snapshot, 'health' | 'now'>,
): AttemptFailure {
  if (failures.size < 2) return last
  // The last one's error names what the client can change.
  if ([...failures.values()].every(({ reason }) => reason === notTranslatable)) return last
  const list = [...new Set([...failures.keys(), ...targets])].map((target) => {
    const reason = failures.get(target)?.reason ?? whyUntried(target, on)
    return `${target.provider} (${target.model}): ${reason}`
  })
  const message = `No target answers. ${list.join('; ')}.`
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

/** An untried target is in trouble since earlier calls, shares its provider's trouble, or its turn did not come. */
function whyUntried(target: Target, on: Pick<Snapshot, 'health' | 'now'>): string {
  const { trouble } = on.health.stateOf(target, on.now())
  return trouble === undefined ? 'not tried' : `not tried, ${trouble} before`
}

/** The shortest time that a provider has asked for; no header when none has. */
function retryAfter(failures: ReadonlyMap<Target, Failure>): Record<string, string> {
  const asked = [...failures.values()].map(({ decision }) => decision.retryAfterMs)
  const least = Math.min(...asked.filter((each) => each !== undefined))
  return Number.isFinite(least) ? { 'retry-after': String(Math.ceil(least / 1000)) } : {}
}
