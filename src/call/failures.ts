// What has failed in a call so far, and how that is reported to its client.
import type { ContextOverflow } from '../dialects/context-overflow.ts'
import type { FailureKind, Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { AttemptFailure } from './attempt-outcome.ts'
import type { Hold } from './coordinator.ts'
import type { RetryDecision } from './retry-rule.ts'

type Refusal = AttemptFailure & { readonly kind: 'refused' }

/** Why a target did not answer. */
export interface Failure {
  readonly decision: RetryDecision
  /** For the client. */
  readonly reason: string
  /** The provider's own error response; absent where it sent none, or one that is too long to be kept. */
  readonly refusal?: Refusal
  /** Nobody listens there, as while a server restarts. */
  readonly refusedConnection: boolean
  /** When it may be asked again, in milliseconds of the monotonic clock. */
  readonly readyAtMs: number
}

/** The longest error response that is kept while other targets are tried. Words are much shorter. */
const maxKeptBytes = 65_536

export function failureOf(outcome: AttemptFailure, decision: RetryDecision): Omit<Failure, 'readyAtMs'> {
  const keeps = outcome.kind === 'refused' && outcome.body.length <= maxKeptBytes
  return {
    decision,
    reason: reasonOf(outcome, decision),
    ...(keeps && { refusal: outcome }),
    refusedConnection: outcome.kind === 'failed' && outcome.refusedConnection === true,
  }
}

/** The request's own fault at this target. */
const notTranslatable = 'not translatable'

/** The provider's name leads outside. */
const outsideBoundary = 'outside the boundary'

const ofRequest: ReadonlySet<string> = new Set([notTranslatable, outsideBoundary])

/** With the provider's status and code, but not with its words: they may concern another account than the client's. */
function reasonOf(failure: AttemptFailure, { failureKind }: RetryDecision): string {
  const { providerCode } = failure
  const code = providerCode === undefined ? '' : `, code ${providerCode}`
  if (failure.kind === 'failed') {
    if (failure.isRouteMissing === true)
      return `no such route, status ${failure.providerStatus} (check its base_url)`
    if (failure.error.code === 'outside_boundary') return outsideBoundary
    const reason = failureKind ?? (failure.error.status < 500 ? notTranslatable : 'connection lost')
    const status = failure.providerStatus === undefined ? '' : `, status ${failure.providerStatus}`
    return reason + status + code
  }
  if (failure.overflow !== undefined) return `the prompt is too long${countsOf(failure.overflow)}`
  return `${failureKind ?? 'refused'}, status ${failure.head.status}${code}`
}

function countsOf({ needed, had }: ContextOverflow): string {
  return needed === undefined || had === undefined ? '' : ` (${needed} tokens > ${had})`
}

/** A failure, and whose it is. */
export interface FailedTarget {
  readonly target: Target
  readonly failure: AttemptFailure
}

/**
 * What the client of a failed call gets: the response of a provider that speaks for all, or else an error that names all
 * targets, because no single one's error says what is wrong.
 */
export function conclusionOf(
  last: FailedTarget,
  hold: Pick<Hold, 'targets' | 'failureKindOf'>,
  failures: ReadonlyMap<Target, Failure>,
): FailedTarget {
  if (failures.size < 2) return last
  // The last one's error names what the client can change.
  if ([...failures.values()].every(({ reason }) => ofRequest.has(reason))) return last
  return mostHelpful(failures) ?? { target: last.target, failure: summedUp(last.failure, hold, failures) }
}

/** The targets whose provider has given the same response before: the request is at fault, and not they. */
export function sameRefusals(outcome: AttemptFailure, failures: ReadonlyMap<Target, Failure>): Target[] {
  if (outcome.kind !== 'refused') return []
  return [...failures].flatMap(([target, { refusal }]) =>
    refusal !== undefined && isSame(refusal, outcome) ? [target] : [],
  )
}

/**
 * The response that all providers have given; or where the prompt is too long for all of them, that of the one with the largest
 * context; or of those that are at their limits, the one that is free first; or, where
 * money is wanting everywhere or all are overloaded in Anthropic's sense, the last.
 */
function mostHelpful(failures: ReadonlyMap<Target, Failure>): FailedTarget | undefined {
  const refusals = [...failures].flatMap(([target, { refusal, decision }]) =>
    refusal === undefined ? [] : [{ target, failure: refusal, decision }],
  )
  const last = refusals.at(-1)
  if (last === undefined || refusals.length < failures.size) return undefined
  if (refusals.every(({ failure }) => isSame(failure, last.failure))) return last
  // Agents change the model at this status and at no other.
  if (refusals.every(({ failure }) => failure.head.status === anthropicOverload)) return last
  const overflows = refusals.filter(({ failure }) => failure.overflow !== undefined)
  if (overflows.length === refusals.length) {
    return overflows.toSorted((one, other) => hadBy(other.failure) - hadBy(one.failure))[0]
  }
  const limited = refusals.filter(({ decision }) => decision.failureKind === 'rate_limit')
  const unpaid = refusals.filter(({ decision }) => decision.failureKind === 'billing')
  if (limited.length + unpaid.length < refusals.length) return undefined
  const waitMs = ({ decision }: { decision: RetryDecision }) => decision.retryAfterMs ?? Infinity
  return limited.toSorted((one, other) => (waitMs(one) < waitMs(other) ? -1 : 1))[0] ?? last
}

function hadBy({ overflow }: Refusal): number {
  return overflow?.had ?? 0
}

/** https://docs.claude.com/en/api/errors */
const anthropicOverload = 529

function isSame(one: Refusal, other: Refusal): boolean {
  return one.head.status === other.head.status && one.body.equals(other.body)
}

function summedUp(
  last: AttemptFailure,
  hold: Pick<Hold, 'targets' | 'failureKindOf'>,
  failures: ReadonlyMap<Target, Failure>,
): AttemptFailure {
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
