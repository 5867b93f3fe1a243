// The tries of one call at one model's targets: one after the other, until one answers, all have failed, or the client
// has left. Never after the first forwarded byte: an attempt that has answered is the last. (Heartbeats of the waiting
// line are comments, and no part of any answer.)
import type { Outcome } from '../admission/outcome.ts'
import type { ModelRequest } from '../dialects/request.ts'
import type { Target } from '../domain.ts'
import type { SplicedBody } from '../http/large-body.ts'
import { isProviderWide } from '../routing/target-health.ts'
import type { Provider } from '../upstream/provider.ts'
import { startAttempt } from './answer.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import { costlier, costOf } from './attempt-cost.ts'
import { hasWaited, maxRetryWaitMs, waitBefore } from './back-off.ts'
import type { Call, Snapshot } from './call.ts'
import type { Hold } from './coordinator.ts'
import type { Metered } from './meter.ts'
import { type Failure, summedUp } from './failures.ts'
import type { CallRecord } from './record.ts'
import { judge, type Verdict } from './retry-rule.ts'
import { isUsageRefusal } from './usage-refusals.ts'

/** An admitted call. */
export interface Admittee {
  readonly call: Call
  readonly request: ModelRequest
  readonly hold: Hold
  /** All that has failed in this call, of models tried earlier too; grows. */
  readonly failures: Map<Target, Failure>
}

/** The last attempt, and what it means. */
export interface Tried {
  readonly target: Target
  readonly outcome: AttemptOutcome
  /** Another model may answer instead. */
  readonly mayMove: boolean
  /** Usage was asked for without the client's wish. */
  readonly hidesUsage: boolean
  /** Of the attempts that failed, together. */
  readonly cost: Outcome
}

/** Targets that one call asks, those of fallback models among them: more would be no answer in any time. */
export const maxTargetsTried = 16

/** Tries targets until one answers. The hold's slot moves along; its reservation stays the same. */
export async function tryTargets(admittee: Admittee, on: Snapshot, record: CallRecord): Promise<Tried> {
  const { call, hold, failures } = admittee
  const { promptTokens } = hold
  // Waiting in line has a limit of its own.
  const sinceMs = call.startedAtMs + record.waitMs
  let cost: Outcome = { kind: 'unsent' }
  let { target } = hold
  let retriesLeft = on.routing.retries
  for (;;) {
    const { outcome, hidesUsage } = await tryTarget(admittee, { target, sinceMs }, on, record)
    const verdict = judge(outcome, failures.has(target), on.wallNow())
    report(hold, outcome, verdict)
    if (outcome.kind === 'refused' || outcome.kind === 'failed') {
      cost = costlier(cost, costOf(outcome, promptTokens))
    }
    if (outcome.kind === 'failed' && outcome.hasBegun) record.usage = ofPrompt(promptTokens)
    const provider = providerOf(target, on)
    const mayMove = verdict.mayMove && hasTimeLeft(provider, on.now() - sinceMs)
    const tried: Tried = { target, outcome, mayMove, hidesUsage, cost }
    if (!verdict.mayMove && !verdict.mayRepeat) return tried
    const readyAtMs = on.now() + waitBefore(verdict, record.attempts, on.chance())
    failures.set(target, { verdict, reason: reasonOf(outcome, verdict), readyAtMs })
    const isFree = (each: Target) => isLoading(each, on.now() - record.sentAtMs!, { failures }, on)
    const mayRepeat = (each: Target) => retriesLeft > 0 || isFree(each)
    const next = await nextTarget(admittee, { target, verdict, sinceMs, mayRepeat }, on)
    if (next === undefined) {
      if (!call.reply.isGone) return { ...tried, outcome: summedUp(outcome, admittee) }
      return { ...tried, mayMove: false, outcome: { kind: 'gone', wasSent: false } }
    }
    // A target's first attempt is no retry.
    if (failures.has(next) && !isFree(next)) retriesLeft -= 1
    target = next
  }
}

interface Step {
  readonly target: Target
  readonly verdict: Verdict
  readonly sinceMs: number
  /** Whether a target that has failed may be asked again. */
  readonly mayRepeat: (target: Target) => boolean
}

/** A target that was not tried yet, else one again after a pause. Undefined: none, or the client has left. */
async function nextTarget(admittee: Admittee, step: Step, on: Snapshot): Promise<Target | undefined> {
  const { call, hold, failures } = admittee
  const { targets } = hold
  const { target, verdict, sinceMs, mayRepeat } = step
  // The connection was at fault, not the target, which has the conversation's cache.
  if (verdict.trouble === undefined && verdict.mayRepeat && mayRepeat(target)) return hold.moveTo([target])
  const passedMs = on.now() - sinceMs
  const isEnough = failures.size >= maxTargetsTried
  const untried = isEnough ? [] : targets.filter((each) => !isKnownToFail(each, failures))
  const inTime = untried.filter((each) => hasTimeLeft(providerOf(each, on), passedMs))
  const next = inTime.length === 0 ? undefined : await hold.moveTo(inTime)
  if (next !== undefined) return next
  const again = soonest(targets.filter(mayRepeat), failures)
  if (again === undefined) return undefined
  const provider = providerOf(again.target, on)
  const waitMs = Math.max(0, again.readyAtMs - on.now())
  if (waitMs > maxRetryWaitMs || !hasTimeLeft(provider, passedMs + waitMs)) return undefined
  if (!(await hasWaited(waitMs, call.reply, on))) return undefined
  return hold.moveTo([again.target])
}

/** A model that is being loaded is no failure, for as long as a first byte may take. */
function isLoading(
  target: Target,
  passedMs: number,
  { failures }: Pick<Admittee, 'failures'>,
  on: Snapshot,
): boolean {
  if (failures.get(target)?.verdict.trouble !== 'loading') return false
  const { firstByteMs } = providerOf(target, on).timeouts
  return firstByteMs === 0 || passedMs < firstByteMs
}

/** Tried itself, or at a provider whose trouble all of its models share. */
function isKnownToFail({ provider, model }: Target, failures: ReadonlyMap<Target, Failure>): boolean {
  return [...failures].some(([failed, { verdict }]) => {
    if (failed.provider !== provider) return false
    return failed.model === model || (verdict.trouble !== undefined && isProviderWide(verdict.trouble))
  })
}

/** Of the targets that may be asked again, the one whose time comes first. */
function soonest(
  targets: readonly Target[],
  failures: ReadonlyMap<Target, Failure>,
): { target: Target; readyAtMs: number } | undefined {
  const repeatable = targets.flatMap((target) => {
    const failure = failures.get(target)
    return failure?.verdict.mayRepeat === true ? [{ target, readyAtMs: failure.readyAtMs }] : []
  })
  return repeatable.toSorted((one, other) => one.readyAtMs - other.readyAtMs)[0]
}

/** All attempts share one deadline. */
function hasTimeLeft({ timeouts: { totalMs } }: Provider, passedMs: number): boolean {
  return totalMs === 0 || passedMs < totalMs
}

/** One try, or two where the provider does not take the wish for usage. */
async function tryTarget(
  { call, request, hold }: Admittee,
  { target, sinceMs }: Pick<Step, 'target' | 'sinceMs'>,
  on: Snapshot,
  record: CallRecord,
): Promise<{ outcome: AttemptOutcome; hidesUsage: boolean }> {
  const provider = providerOf(target, on)
  record.provider = target.provider
  record.targetModel = target.model
  record.sentAtMs ??= on.now()
  const asksUsage = request.mayAskUsage && takesUsageWish(provider, hold)
  const to = { request, provider, sinceMs, on, record }
  const outcome = await attempt(call, request.bodyFor(target.model, asksUsage), to)
  noteTimes(record, outcome, on.now())
  if (!asksUsage || !isUsageRefusal(outcome)) return { outcome, hidesUsage: asksUsage }
  const plain = await attempt(call, request.bodyFor(target.model, false), to)
  noteTimes(record, plain, on.now())
  if (plain.kind === 'answered') hold.reportUsageRefusal()
  return { outcome: plain, hidesUsage: false }
}

function takesUsageWish({ name, includeUsage }: Provider, hold: Hold): boolean {
  return includeUsage === 'auto' ? !hold.refusesUsage(name) : includeUsage === 'always'
}

interface Aim {
  readonly request: ModelRequest
  readonly provider: Provider
  readonly sinceMs: number
  readonly on: Snapshot
  readonly record: CallRecord
}

/** A client that leaves ends the attempt. */
function attempt(
  call: Call,
  body: Buffer | SplicedBody,
  { request, provider, sinceMs, on, record }: Aim,
): AttemptOutcome | Promise<AttemptOutcome> {
  const { dialect, reply, requestId } = call
  if (reply.isGone) return { kind: 'gone', wasSent: false }
  record.attempts += 1
  const { contentType, isStream } = request
  const sent = { path: dialect.path, body, contentType, isStream, requestId }
  const expected = { sinceMs, mayBeEmpty: dialect.mayBeEmpty }
  const { outcome, abort } = startAttempt(provider, sent, expected, on)
  reply.onGone = abort
  return outcome
}

function noteTimes(record: CallRecord, outcome: AttemptOutcome, nowMs: number): void {
  record.answeredAtMs = nowMs
  record.firstByteAtMs = outcome.kind === 'answered' ? outcome.answer.headAtMs : nowMs
}

/** An answer that broke off before anything of it was passed on. */
function ofPrompt(promptTokens: number): Metered {
  return { promptTokens, completionTokens: 0, totalTokens: promptTokens, isEstimated: true }
}

/** What the outcome says of the target's health, for the calls after this one. */
function report(hold: Hold, outcome: AttemptOutcome, { trouble, retryAfterMs }: Verdict): void {
  if (trouble !== undefined) hold.report({ kind: 'failing', trouble, retryAfterMs })
  else if (outcome.kind === 'answered' || outcome.kind === 'refused') hold.report({ kind: 'healthy' })
  else hold.report({ kind: 'inconclusive' })
}

function reasonOf(outcome: AttemptOutcome, { trouble }: Verdict): string {
  const status = outcome.kind === 'refused' ? outcome.head.status : undefined
  return status === undefined ? (trouble ?? 'connection lost') : `${trouble ?? 'refused'}, status ${status}`
}

function providerOf(target: Target, on: Pick<Snapshot, 'providers'>): Provider {
  const provider = on.providers.get(target.provider)
  if (provider === undefined) throw new Error(`no provider ${target.provider}`)
  return provider
}
