// What a call teaches the gateway about its target: later calls prefer others, or are estimated better.
import type { RequestSize, Target } from '../domain.ts'
import type { Trouble } from '../routing/target-health.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import type { Snapshot } from './call.ts'
import type { Metered } from './response/meter.ts'
import type { RetryDecision } from './retry-rule.ts'

type HealthParts = Pick<Snapshot, 'providers' | 'health' | 'routing' | 'now'>

/** What the outcome of an attempt says about the target's health. */
export function learnHealth(
  target: Target,
  { kind }: AttemptOutcome,
  { trouble, retryAfterMs }: Pick<RetryDecision, 'trouble' | 'retryAfterMs'>,
  on: HealthParts,
): void {
  if (trouble !== undefined) learnTrouble(target, trouble, retryAfterMs, on)
  else if (kind === 'answered' || kind === 'refused') on.health.succeeded(target)
  else on.health.ended(target)
}

/** @param retryAfterMs what the provider asked for, if it did. */
export function learnTrouble(
  target: Target,
  trouble: Trouble,
  retryAfterMs: number | undefined,
  on: HealthParts,
): void {
  const isLocal = on.providers.get(target.provider)?.isLocal === true
  const { cooldownMs } = on.routing
  on.health.failed(target, trouble, { cooldownMs, isLocal, retryAfterMs, nowMs: on.now() })
}

/** How many tokens a response took. @param isCut whether it broke off, so that its output is a lower bound. */
export function learnUsage(
  {
    model,
    provider,
    size,
  }: { readonly model: string; readonly provider: string; readonly size: RequestSize },
  usage: Metered,
  isCut: boolean,
  { calibration }: Pick<Snapshot, 'calibration'>,
): void {
  if (!usage.isEstimated) calibration.learn(model, provider, size, usage)
  else if (isCut) calibration.learnCut(model, provider, size, usage.completionTokens)
}
