// The attempts of one call at one model's targets: one after the other, until one answers, all have failed, or the client
// has left. Never after the first forwarded byte: an attempt that has answered is the last. (Heartbeats are
// not part of any response.)
import type { Outcome } from '../admission/outcome.ts'
import type { ModelConfig } from '../config/types.ts'
import type { ModelRequest } from '../dialects/request.ts'
import type { ProviderDialect } from '../dialects/dialect.ts'
import type { Translation, Translator } from '../dialects/translator.ts'
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { randomId } from '../platform/random-id.ts'
import type { Boundary } from '../platform/boundary.ts'
import type { Provider, WholeAsStream } from '../upstream/provider.ts'
import { chargeFor, maxCharge } from './attempt-charge.ts'
import type { AnsweringResponse, AttemptFailure, AttemptOutcome } from './attempt-outcome.ts'
import { pauseBefore } from './back-off.ts'
import type { Call, Snapshot } from './call.ts'
import { isDoubtful, isKnownWay, wayTo } from './choose-way.ts'
import { carriedRequestHeaders, withTrace } from './carried-headers.ts'
import type { Hold } from './coordinator.ts'
import { countPromptOf, type CountingParts } from './count-prompt.ts'
import { entered } from './enter-service.ts'
import { conclusionOf, type Failure, failureOf, sameRefusals } from './failures.ts'
import { internalError } from './internal-error.ts'
import { keptInside } from './kept-inside.ts'
import { withModelMembers } from './model-members.ts'
import { hasTimeLeft, nextTarget, providerOf } from './next-target.ts'
import { loggableWords, withLoggableCode } from './provider-words.ts'
import type { CallRecord } from './record.ts'
import { Meter, type Metered } from './response/meter.ts'
import { UpstreamResponse } from './response/upstream-response.ts'
import { RetryBudget } from './retry-budget.ts'
import { decideRetry, type RetryDecision, troubleOf } from './retry-rule.ts'
import { isUsageRefusal } from './usage-wishes.ts'

/** A call that a model's limits have admitted. */
export interface AdmittedCall {
  readonly call: Call
  readonly request: ModelRequest
  readonly hold: Hold
  /** All that has failed in this call, of models tried earlier too; grows. */
  readonly failures: Map<Target, Failure>
  /** No other model may answer instead. */
  readonly isLastResort: boolean
  /** What the call may not leave. */
  readonly boundary: Boundary
  /** Of the model that was admitted, in place of those of its providers. */
  readonly traits: ModelConfig['traits']
  /** Of the model, for targets that have none of their own. */
  readonly price: ModelConfig['price']
  /** What the model changes in requests. */
  readonly members: ModelConfig['request']
}

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
    record.providerWords = wordsOf(outcome, admitted, target)
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

/** One attempt, once the server runs where it is started on demand. */
function tryTarget(
  admitted: AdmittedCall,
  target: Target,
  on: Snapshot,
  record: CallRecord,
): AttemptOutcome | Promise<AttemptOutcome> {
  record.provider = target.provider
  record.targetModel = target.model
  const { hasService } = providerOf(target, on)
  const entering = hasService ? admitted.hold.enterService(admitted.call.reply) : undefined
  if (entering === undefined) return tryServer(admitted, target, on, record)
  return entered(entering, { provider: target.provider, reply: admitted.call.reply }, on, record).then(
    (ended) => ended ?? tryServer(admitted, target, on, record),
  )
}

/** One attempt, and another one where the provider turns out to lack the format. */
function tryServer(
  admitted: AdmittedCall,
  target: Target,
  on: Snapshot,
  record: CallRecord,
): AttemptOutcome | Promise<AttemptOutcome> {
  const provider = providerOf(target, on)
  const isHealthy = admitted.hold.failureKindOf(target) === undefined
  const choosing = wayTo(provider, admitted.call.dialect, isHealthy, on)
  if (choosing instanceof GatewayError) return untranslatable(choosing)
  // Nearly always the formats are known, and one attempt is all.
  if (!(choosing instanceof Promise) && isKnownWay(provider, choosing)) {
    return tryWay(admitted, { target, provider, translator: choosing }, on, record)
  }
  return tryUnknown(admitted, { target, provider, choosing }, on, record)
}

interface UnknownWay {
  readonly target: Target
  readonly provider: Provider
  readonly choosing: Translator | Promise<Translator | GatewayError>
}

async function tryUnknown(
  admitted: AdmittedCall,
  { target, provider, choosing }: UnknownWay,
  on: Snapshot,
  record: CallRecord,
): Promise<AttemptOutcome> {
  const translator = await choosing
  if (translator instanceof GatewayError) return untranslatable(translator)
  const outcome = await tryWay(admitted, { target, provider, translator }, on, record)
  if (!isDoubtful(outcome, provider, translator)) return outcome
  on.formats.doubt(provider.name, translator.provider.name)
  const other = await wayTo(provider, admitted.call.dialect, true, on)
  if (other instanceof GatewayError || other === translator) return outcome
  return tryWay(admitted, { target, provider, translator: other }, on, record)
}

/** One attempt, or two where the provider refuses the request for usage. */
function tryWay(
  admitted: AdmittedCall,
  to: Omit<AttemptInput, 'asksUsage' | 'wholeAsStream'>,
  on: Snapshot,
  record: CallRecord,
): AttemptOutcome | Promise<AttemptOutcome> {
  const { target, translator, provider } = to
  const asksUsage = translator.mayAskUsage(admitted.request) && acceptsUsageWish(provider, admitted.hold)
  const wholeAsStream = streamWishOf(admitted, provider)
  const attempt = { target, provider, translator, asksUsage, wholeAsStream }
  if (wholeAsStream !== undefined && !admitted.request.isStream) {
    return sendWithUsage(admitted, attempt, { wholeAsStream: undefined }, on, record)
  }
  return asksUsage
    ? sendWithUsage(admitted, attempt, { asksUsage: false }, on, record)
    : send(admitted, attempt, on, record)
}

/** Whole answers are put together from streams with their usage only. */
function streamWishOf(
  { request: { isStream }, hold }: AdmittedCall,
  { name, wholeAsStream }: Provider,
): Provider['wholeAsStream'] {
  if (wholeAsStream === undefined || isStream) return wholeAsStream
  return hold.uselessUsageWishOf(name) === 'refused' ? undefined : wholeAsStream
}

/** @param without for a server that refuses to report the usage of a stream: with no wish for it, or the answer whole. */
async function sendWithUsage(
  admitted: AdmittedCall,
  attempt: AttemptInput,
  without: Partial<AttemptInput>,
  on: Snapshot,
  record: CallRecord,
): Promise<AttemptOutcome> {
  const outcome = await send(admitted, attempt, on, record)
  if (!isUsageRefusal(outcome, attempt.translator.provider)) return outcome
  const plain = await send(admitted, { ...attempt, ...without }, on, record)
  if (plain.kind === 'answered') admitted.hold.reportUselessUsageWish('refused')
  return plain
}

function wordsOf(
  failure: AttemptFailure,
  { call: { body }, request }: AdmittedCall,
  target: Target,
): string | undefined {
  const status = failure.kind === 'refused' ? failure.head.status : failure.providerStatus
  if (status === undefined) return undefined
  const names = [target.model, request.model]
  return loggableWords({ status, message: failure.providerMessage, body, names })
}

function acceptsUsageWish({ name, includeUsage }: Provider, hold: Hold): boolean {
  return includeUsage === 'auto' ? hold.uselessUsageWishOf(name) === undefined : includeUsage === 'always'
}

/** Nothing was sent. */
function untranslatable(error: GatewayError): AttemptOutcome {
  return { kind: 'failed', error, isStaleConnection: false, hasBegun: false }
}

interface AttemptInput {
  readonly target: Target
  readonly provider: Provider
  readonly translator: Translator
  readonly asksUsage: boolean
  /** As `TranslationTarget` has it. */
  readonly wholeAsStream: WholeAsStream | undefined
}

/** One attempt. A client that leaves ends it, and so does a bug, with which it rejects. */
async function send(
  { call, request, hold, boundary, traits, members }: AdmittedCall,
  { target: { model }, provider, translator, asksUsage, wholeAsStream }: AttemptInput,
  on: Pick<Snapshot, 'ticker' | 'wallNow' | 'routes' | 'routing'> & CountingParts,
  record: CallRecord,
): Promise<AttemptOutcome> {
  const { reply, requestId } = call
  if (reply.isGone) return { kind: 'gone', wasSent: false }
  const ofProvider = provider.traitsOf(model)
  const modelTraits = traits === undefined ? ofProvider : { ...ofProvider, ...traits }
  const way = translator.begin(request, {
    providerName: provider.name,
    model,
    traits: modelTraits,
    asksUsage,
    wholeAsStream,
    promptTokens: hold.promptTokens,
    allowsManagement: provider.allowsManagement,
    now: on.now,
    nowSeconds: Math.floor(on.wallNow() / 1000),
    newId: randomId,
  })
  if (way instanceof GatewayError) return untranslatable(way)
  const passes = translator.way === 'pass'
  const changed = passes || members === undefined ? way : withModelMembers(way.body, members)
  if (changed instanceof GatewayError) return untranslatable(changed)
  const { dropped } = way
  record.isAssembled = way.assembly !== undefined
  const named = record.isAssembled && way.response === undefined ? 'assembled' : translator.way
  record.startAttempt(on.now(), named, dropped?.length === 0 ? undefined : dropped)
  const { provider: dialect } = translator
  const { contentType, response: translation, reshape, progressIn } = way
  const isMetered = record.isAssembled || progressIn !== undefined
  const meter = isMetered ? meterOf(way, { call, hold, dialect }, on) : undefined
  record.meter = meter
  const assembly = way.assembly && meter && { assembly: way.assembly, meter, hold }
  const progress = progressIn && meter && { progressIn, meter }
  const sinceMs = record.workSinceMs
  const expected = { sinceMs, dialect, translation, reshape, assembly, progress, stripsUsage: asksUsage }
  const response = new UpstreamResponse(provider, expected, on)
  record.attempt = response
  const abort = () => response.abort()
  reply.onGone = abort
  const isStream = request.isStream || assembly !== undefined
  const { body } = changed
  record.changedMembers = 'changes' in changed ? changed.changes : request.changedMembers
  // Parameters and headers are part of the client's format.
  const query = passes ? call.query : ''
  const carried = passes ? carriedRequestHeaders(call, modelTraits) : []
  const headers = withTrace(carried, record.trace, provider)
  const { path } = dialect
  let outcome: AttemptOutcome
  try {
    const toSend = { path, query, headers, body, contentType, isStream, requestId, boundary, model }
    const begun = response.begin(toSend)
    const sent = { provider, format: dialect.name, body, boundary }
    if (hold.countsAs !== undefined) countPromptOf({ size: request.size, hold, record }, sent, on)
    outcome = withLoggableCode(keptInside(await begun, provider, call, record, on), call.body)
  } catch (error) {
    const failure = { error: internalError(error), isStaleConnection: false, hasBegun: false }
    const failed: AttemptOutcome = { kind: 'failed', ...failure }
    on.events.emit(record.endAttempt(failed, troubleOf(failed, on.wallNow()), on.now()))
    throw error
  }
  // A server that only repeats ours has none of its own.
  const { requestId: ownId } = response
  record.providerRequestId = ownId === requestId ? undefined : ownId
  const trouble = troubleOf(outcome, on.wallNow())
  on.events.emit(record.endAttempt(outcome, trouble, on.now()))
  return outcome
}

/** What comes before an answer is counted for those who watch, and in case that the client leaves. */
function meterOf(
  { progressIn }: Translation,
  { call, hold, dialect }: { readonly call: Call; readonly hold: Hold; readonly dialect: ProviderDialect },
  { now }: Pick<Snapshot, 'now'>,
): Meter {
  const { hasOutputTokens } = call.dialect
  const estimatedPrompt = hold.promptTokens
  const reader = dialect.usage
  return new Meter({ reader, estimatedPrompt, hasOutputTokens, stripsUsage: false, progressIn, now })
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
  } else if (failureKind !== undefined) hold.report({ kind: 'failing', failureKind, retryAfterMs })
  else if (kind === 'refused') hold.report({ kind: 'healthy' })
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
