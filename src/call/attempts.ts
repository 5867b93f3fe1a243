// The attempts of one call at one model's targets: one after the other, until one answers, all have failed, or the client
// has left. Never after the first forwarded byte: an attempt that has answered is the last. (Heartbeats are
// not part of any response.)
import type { Outcome } from '../admission/outcome.ts'
import type { Target } from '../domain.ts'
import { type AdmittedCall, tryTarget } from './attempt.ts'
import { chargeFor, maxCharge } from './attempt-charge.ts'
import type { AnsweringResponse, AttemptFailure, AttemptOutcome } from './attempt-outcome.ts'
import { pauseBefore } from './back-off.ts'
import type { Snapshot } from './call.ts'
import type { Hold } from './coordinator.ts'
import { conclusionOf, type Failure, failureOf, sameRefusals } from './failures.ts'
import { hasTimeLeft, nextTarget } from './next-target.ts'
import type { CallRecord } from './record.ts'
import type { Metered } from './response/meter.ts'
import { RetryBudget } from './retry-budget.ts'
import { decideRetry, type RetryDecision } from './retry-rule.ts'

/** `charge`: what the attempts cost together. */
export type AttemptsResult =
  | {
      readonly kind: 'answered'
      readonly target: Target
      readonly response: AnsweringResponse
    }
  | {
      readonly kind: 'failed'
      readonly target: Target
      readonly failure: AttemptFailure
      /** Another model may answer instead. */
      readonly canFailOver: boolean
      /** The client may do what the gateway has not: ask again, or wait for longer. */
      readonly isWorthRepeating: boolean
      readonly charge: Outcome
    }
  | { readonly kind: 'client-gone'; readonly charge: Outcome }

/** Tries targets until one answers. The hold's slot moves along; its reservation stays the same. */
export async function tryTargets(
  admitted: AdmittedCall,
  on: Snapshot,
  record: CallRecord,
): Promise<AttemptsResult> {
  const { call, hold, failures, isLastResort } = admitted
  const { promptTokens } = hold
  const { providers, now } = on
  const { retries, maxRetryWaitMs } = on.routing
  const restartWaitMs = isLastResort ? on.routing.restartWaitMs : 0
  const startedAtMs = now()
  let budget: RetryBudget | undefined
  let charge: Outcome = { kind: 'unsent' }
  let { target } = hold
  for (;;) {
    const outcome = await tryTarget(admitted, target, on, record)
    if (outcome.kind === 'answered') {
      hold.report({ kind: 'healthy' })
      return { kind: 'answered', target, response: outcome.response }
    }
    const decision = decideRetry(outcome, failures.has(target), on.wallNow())
    reportHealth(hold, outcome, decision, failures)
    if (outcome.kind === 'gone') {
      if (!outcome.wasSent) return { kind: 'client-gone', charge }
      chargeUsed(outcome.used, admitted, target, on, record)
      const cut: Outcome = { kind: 'cut', tokens: outcome.used?.totalTokens ?? promptTokens }
      return { kind: 'client-gone', charge: maxCharge(charge, cut) }
    }
    charge = maxCharge(charge, chargeFor(outcome, promptTokens))
    const hasBegun = outcome.kind === 'failed' && outcome.hasBegun
    if (hasBegun || outcome.used !== undefined) chargeUsed(outcome.used, admitted, target, on, record)
    const passedMs = on.now() - record.workSinceMs
    const canFailOver = decision.canFailOver && hasTimeLeft(target, passedMs, on)
    if (!decision.canFailOver) {
      const isWorthRepeating = isLeftToClient(decision, { record, failures, maxRetryWaitMs })
      return { kind: 'failed', target, failure: outcome, canFailOver, isWorthRepeating, charge }
    }
    budget ??= new RetryBudget({ retries, restartWaitMs, failures, providers, now, startedAtMs })
    const failure = failureOf(outcome, decision)
    const { refusedConnection } = failure
    const { attempts } = record
    const chance = on.chance()
    const pauseMs = pauseBefore({ decision, refusedConnection, attempts, chance, maxRetryWaitMs })
    failures.set(target, { ...failure, readyAtMs: on.now() + pauseMs })
    const next = await nextTarget(admitted, { target, decision, passedMs, budget }, on)
    if (next === undefined) {
      if (call.reply.isGone) return { kind: 'client-gone', charge }
      const conclusion = conclusionOf({ target, failure: outcome }, hold, failures)
      record.provider = conclusion.target.provider
      record.targetModel = conclusion.target.model
      const concluded = failures.get(conclusion.target)?.decision ?? decision
      record.trouble = concluded.failureKind
      const isWorthRepeating = isLeftToClient(concluded, { record, failures, maxRetryWaitMs })
      return { kind: 'failed', ...conclusion, canFailOver, isWorthRepeating, charge }
    }
    budget.spend(next)
    if (next !== target) record.placement = 'failover'
    target = next
  }
}

interface RepeatInput {
  readonly record: Pick<CallRecord, 'attempts'>
  readonly failures: ReadonlyMap<Target, Failure>
  readonly maxRetryWaitMs: number
}

/**
 * Whether the client may well repeat a call that has failed. Once the gateway has asked several times, the client's retries
 * would multiply with its own, unless a provider wants a longer pause than the gateway makes. No pause brings back money.
 */
function isLeftToClient(
  { failureKind }: RetryDecision,
  { record: { attempts }, failures, maxRetryWaitMs }: RepeatInput,
): boolean {
  if (failureKind === 'billing') return false
  const pauses = [...failures.values()].map(({ decision }) => decision.retryAfterMs ?? 0)
  return attempts === 1 || Math.max(0, ...pauses) > maxRetryWaitMs
}

/** Reports what the outcome shows of the target's health, for the calls after this one. */
function reportHealth(
  hold: Hold,
  outcome: Exclude<AttemptOutcome, { kind: 'answered' }>,
  { failureKind, retryAfterMs }: Pick<RetryDecision, 'failureKind' | 'retryAfterMs'>,
  failures: ReadonlyMap<Target, Failure>,
): void {
  const { kind } = outcome
  // Two servers that fail in the same words have met a request that no server can serve.
  const isOwn500 = failureKind === 'broken' && kind === 'refused'
  const same = isOwn500 ? sameRefusals(outcome, failures).filter((each) => hold.targets.includes(each)) : []
  if (same.length > 0) {
    for (const target of [hold.target, ...same]) hold.report({ kind: 'healthy' }, target)
  } else if (failureKind !== undefined) {
    const cause = kind === 'failed' ? outcome.unreachableBy : undefined
    hold.report({ kind: 'failing', failureKind, retryAfterMs, cause })
  } else if (kind === 'refused') hold.report({ kind: 'healthy' })
  else hold.report({ kind: 'inconclusive' })
}

/** What an attempt has used whose answer was not passed on. @param used undefined: a prompt was processed, or may have been. */
function chargeUsed(
  used: Metered | undefined,
  { call: { dialect }, request: { serviceTier }, hold: { promptTokens }, price }: AdmittedCall,
  target: Target,
  { prices }: Pick<Snapshot, 'prices'>,
  record: CallRecord,
): void {
  const usage = used ?? {
    promptTokens,
    completionTokens: 0,
    totalTokens: promptTokens,
    isEstimated: true,
  }
  record.addUsage(usage)
  const { hasOutputTokens } = dialect
  record.addCost(
    prices.charge(usage, target, { ofModel: price, requestedTier: serviceTier, hasOutputTokens }),
  )
}
