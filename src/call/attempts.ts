// The tries of one call at one model's targets: one after the other, until one answers, all have failed, or the client
// has left. Never after the first forwarded byte: an attempt that has answered is the last.
import type { Hold } from '../admission/admission.ts'
import type { ModelRequest } from '../dialects/request.ts'
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Provider } from '../upstream/provider.ts'
import { type AttemptOutcome, startAttempt } from './answer.ts'
import type { Call, Reply, Snapshot } from './call.ts'
import type { CallRecord } from './record.ts'
import { judge, type Verdict } from './retry-rule.ts'
import { isUsageRefusal } from './usage-refusals.ts'

/** An admitted call with the targets of its model, the best first. */
export interface Admittee {
  readonly call: Call
  readonly request: ModelRequest
  readonly targets: readonly Target[]
  readonly hold: Hold
}

/** The last attempt, and what it means. */
export interface Tried {
  readonly target: Target
  readonly outcome: AttemptOutcome
  /** Another model may answer instead. */
  readonly mayMove: boolean
  /** Usage was asked for without the client's wish. */
  readonly hidesUsage: boolean
}

/** A provider that wants to be asked later than this is not waited for; the client gets its answer. */
const maxRetryWaitMs = 10_000
const firstBackoffMs = 200
const maxBackoffMs = 2_000
/** How often a server is asked that is loading its model. It may take as long as a first byte may. */
const loadingPollMs = 1_000

/** Tries targets until one answers. The hold's slot moves along; its reservation stays the same. */
export async function tryTargets(admittee: Admittee, on: Snapshot, record: CallRecord): Promise<Tried> {
  const { call, hold, targets } = admittee
  const failures = new Map<Target, string>()
  const startedMs = on.now()
  let target = targets.find(({ provider }) => provider === hold.provider) ?? targets[0]!
  for (let retriesLeft = on.routing.retries; ; retriesLeft -= 1) {
    const { outcome, hidesUsage } = await tryTarget(admittee, target, on, record)
    const verdict = judge(outcome, on.wallNow())
    learn(target, outcome, verdict, on)
    const mayMove = verdict.mayMove && !call.reply.isStarted
    const tried: Tried = { target, outcome, mayMove, hidesUsage }
    if (!mayMove && !verdict.mayRepeat) return tried
    failures.set(target, reasonOf(outcome, verdict))
    const isLoading =
      verdict.trouble === 'loading' && on.now() - startedMs < providerOf(target, on).timeouts.firstByteMs
    if (retriesLeft <= 0 && !isLoading) return named(tried, failures)
    if (isLoading) retriesLeft += 1
    const next = await nextTarget(admittee, { target, verdict, failures, attempts: record.attempts, on })
    if (next === undefined)
      return call.reply.isGone ? { ...tried, outcome: { kind: 'gone' } } : named(tried, failures)
    target = next
  }
}

interface Step {
  readonly target: Target
  readonly verdict: Verdict
  readonly failures: ReadonlyMap<Target, string>
  /** Made so far. */
  readonly attempts: number
  readonly on: Snapshot
}

/** A target that was not tried yet, else the same one again after a pause. Undefined: none, or the client has left. */
async function nextTarget(admittee: Admittee, step: Step): Promise<Target | undefined> {
  const { call, hold, targets } = admittee
  const { target, verdict, failures, on } = step
  const untried = targets.filter((each) => !failures.has(each))
  if (untried.length > 0 && verdict.mayMove) {
    const providers = untried.map((each) => providerOf(each, on))
    if (await hold.moveTo(providers)) return untried.find(({ provider }) => provider === hold.provider)
  }
  if (!verdict.mayRepeat) return undefined
  const waitMs = waitBefore(verdict, step.attempts, on.chance())
  if (waitMs > maxRetryWaitMs) return undefined
  return (await hasWaited(waitMs, call.reply, on)) ? target : undefined
}

/** Doubling, with up to half of it left to chance, so that calls that failed together do not return together. */
function waitBefore({ trouble, retryAfterMs }: Verdict, attempts: number, chance: number): number {
  if (trouble === 'loading') return retryAfterMs ?? loadingPollMs
  const backoffMs = Math.min(maxBackoffMs, firstBackoffMs * 2 ** (attempts - 1))
  return Math.max(retryAfterMs ?? 0, backoffMs * (1 - chance / 2))
}

/** False when the client left meanwhile; then at once. */
function hasWaited(delayMs: number, reply: Reply, on: Pick<Snapshot, 'setTimer'>): Promise<boolean> {
  if (reply.isGone) return Promise.resolve(false)
  return new Promise((resolve) => {
    const stop = on.setTimer(() => {
      reply.onGone = undefined
      resolve(true)
    }, delayMs)
    reply.onGone = () => {
      stop()
      resolve(false)
    }
  })
}

/** One try, or two where the provider does not take the wish for usage. */
async function tryTarget(
  { call, request }: Admittee,
  target: Target,
  on: Snapshot,
  record: CallRecord,
): Promise<{ outcome: AttemptOutcome; hidesUsage: boolean }> {
  const provider = providerOf(target, on)
  record.provider = target.provider
  record.targetModel = target.model
  on.health.began(target, on.now())
  const asksUsage = request.mayAskUsage && on.usageRefusals.mayAsk(provider, on.now())
  const outcome = await attempt(call, request.bodyFor(target.model, asksUsage), {
    request,
    provider,
    on,
    record,
  })
  if (!asksUsage || !isUsageRefusal(outcome)) return { outcome, hidesUsage: asksUsage }
  const plain = await attempt(call, request.bodyFor(target.model, false), { request, provider, on, record })
  if (plain.kind === 'answered') on.usageRefusals.remember(provider, on.now())
  return { outcome: plain, hidesUsage: false }
}

/** A client that leaves ends the attempt. */
async function attempt(
  call: Call,
  body: Buffer,
  {
    request,
    provider,
    on,
    record,
  }: { request: ModelRequest; provider: Provider; on: Snapshot; record: CallRecord },
): Promise<AttemptOutcome> {
  const { dialect, reply, requestId } = call
  if (reply.isGone) return { kind: 'gone' }
  record.attempts += 1
  record.sentAtMs = on.now()
  record.headAtMs = undefined
  const { contentType, isStream } = request
  on.load.began(provider.name)
  const started = startAttempt(provider, { path: dialect.path, body, contentType, isStream, requestId }, on)
  reply.onGone = () => started.abort()
  const outcome = await started.outcome
  record.headAtMs = on.now()
  // An answer goes on for as long as it is relayed (conclude.ts).
  if (outcome.kind !== 'answered') on.load.ended(provider.name)
  return outcome
}

/** What the outcome says of the target's health. */
function learn(
  target: Target,
  outcome: AttemptOutcome,
  { trouble, retryAfterMs }: Verdict,
  on: Snapshot,
): void {
  if (outcome.kind === 'gone') return on.health.ended(target)
  if (trouble === undefined) return on.health.succeeded(target)
  const { isLocal } = providerOf(target, on)
  on.health.failed(target, trouble, {
    cooldownMs: on.routing.cooldownMs,
    isLocal,
    retryAfterMs,
    nowMs: on.now(),
  })
}

/** When several targets have failed, no single one's word tells the client what is wrong. */
function named(tried: Tried, failures: ReadonlyMap<Target, string>): Tried {
  const { outcome } = tried
  if (failures.size < 2 || outcome.kind !== 'failed') return tried
  const list = [...failures].map(([{ provider, model }, reason]) => `${provider} (${model}): ${reason}`)
  const message = `No target of this model answers. ${list.join('; ')}.`
  return { ...tried, outcome: { ...outcome, error: new GatewayError('no_target_available', message) } }
}

function reasonOf(outcome: AttemptOutcome, { trouble }: Verdict): string {
  if (outcome.kind === 'refused') return `${trouble ?? 'refused'}, status ${outcome.head.status}`
  return outcome.kind === 'failed' ? `${trouble ?? outcome.error.code}, ${outcome.error.code}` : outcome.kind
}

function providerOf(target: Target, on: Pick<Snapshot, 'providers'>): Provider {
  const provider = on.providers.get(target.provider)
  if (provider === undefined) throw new Error(`no provider ${target.provider}`)
  return provider
}
