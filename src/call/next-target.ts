// Which target a call tries next, and whether there is time left for it.
import type { Target } from '../domain.ts'
import { isProviderWide } from '../routing/target-health.ts'
import type { Provider } from '../upstream/provider.ts'
import { pauseUnlessGone } from './back-off.ts'
import type { Call, Snapshot } from './call.ts'
import type { Hold } from './coordinator.ts'
import type { Failure } from './failures.ts'
import type { RetryBudget } from './retry-budget.ts'
import type { RetryDecision } from './retry-rule.ts'

/** Targets that one call asks, those of fallback models included: with more, no answer would come in time to be of use. */
export const maxTargetsTried = 16

interface FailingCall {
  readonly call: Pick<Call, 'reply'>
  readonly hold: Pick<Hold, 'targets' | 'moveTo'>
  readonly failures: ReadonlyMap<Target, Failure>
}

interface NextTargetInput {
  /** The one that has failed. */
  readonly target: Target
  readonly decision: RetryDecision
  /** Since the total timeout began. */
  readonly passedMs: number
  readonly budget: RetryBudget
}

/** A target that was not tried yet, else one again after a pause. Undefined: none, or the client has left. */
export async function nextTarget(
  { call, hold, failures }: FailingCall,
  { target, decision, passedMs, budget }: NextTargetInput,
  on: Snapshot,
): Promise<Target | undefined> {
  const { targets } = hold
  // The connection was at fault, not the target, which has the conversation's cache.
  if (decision.failureKind === undefined && decision.canRetry && budget.mayRetry(target)) {
    return hold.moveTo([target])
  }
  const isEnough = failures.size >= maxTargetsTried
  const untried = isEnough ? [] : targets.filter((each) => !isKnownToFail(each, failures))
  const inTime = untried.filter((each) => hasTimeLeft(each, passedMs, on))
  const next = inTime.length === 0 ? undefined : await hold.moveTo(inTime)
  if (next !== undefined) return next
  const again = soonest(
    targets.filter((each) => budget.mayRetry(each)),
    failures,
  )
  if (again === undefined) return undefined
  const waitMs = Math.max(0, again.readyAtMs - on.now())
  const isTooLong = waitMs > on.routing.maxRetryWaitMs && !budget.isStarting(again.target)
  if (isTooLong || !hasTimeLeft(again.target, passedMs + waitMs, on)) return undefined
  if (!(await pauseUnlessGone(waitMs, call.reply, on))) return undefined
  return hold.moveTo([again.target])
}

/** Has failed itself, or its provider has failed in a way that all of its models share. */
function isKnownToFail({ provider, model }: Target, failures: ReadonlyMap<Target, Failure>): boolean {
  return [...failures].some(([failed, { decision }]) => {
    if (failed.provider !== provider) return false
    return (
      failed.model === model || (decision.failureKind !== undefined && isProviderWide(decision.failureKind))
    )
  })
}

/** Of the targets that may be asked again, the one whose time comes first. */
function soonest(
  targets: readonly Target[],
  failures: ReadonlyMap<Target, Failure>,
): { target: Target; readyAtMs: number } | undefined {
  const repeatable = targets.flatMap((target) => {
    const failure = failures.get(target)
    return failure?.decision.canRetry === true ? [{ target, readyAtMs: failure.readyAtMs }] : []
  })
  return repeatable.toSorted((one, other) => one.readyAtMs - other.readyAtMs)[0]
}

/** All attempts share one deadline. */
export function hasTimeLeft(target: Target, passedMs: number, on: Pick<Snapshot, 'providers'>): boolean {
  const { totalMs } = providerOf(target, on).timeouts
  return totalMs === 0 || passedMs < totalMs
}

export function providerOf(target: Target, on: Pick<Snapshot, 'providers'>): Provider {
  const provider = on.providers.get(target.provider)
  if (provider === undefined) throw new Error(`no provider ${target.provider}`)
  return provider
}
