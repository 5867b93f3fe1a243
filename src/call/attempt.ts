// One attempt of a call at a target: which way the request goes there, what the server gets, and another try where it turns out
// to lack the format, or refuses what the gateway has added.
import type { ModelConfig } from '../config/types.ts'
import type { ModelRequest } from '../dialects/request.ts'
import type { ProviderDialect } from '../dialects/dialect.ts'
import type { Translation, Translator } from '../dialects/translator.ts'
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { randomId } from '../platform/random-id.ts'
import type { Boundary } from '../platform/boundary.ts'
import type { Provider, WholeAsStream } from '../upstream/provider.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import type { Call, Snapshot } from './call.ts'
import { isDoubtful, isKnownWay, wayTo } from './choose-way.ts'
import { carriedRequestHeaders, withTrace } from './carried-headers.ts'
import type { Hold } from './coordinator.ts'
import { countPromptOf, type CountingParts } from './count-prompt.ts'
import { entered } from './enter-service.ts'
import { exchange } from './exchange.ts'
import type { Failure } from './failures.ts'
import { withModelMembers } from './model-members.ts'
import { providerOf } from './next-target.ts'
import type { CallRecord } from './record.ts'
import { Meter } from './response/meter.ts'
import { UpstreamResponse } from './response/upstream-response.ts'
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

/** One attempt, once the server runs where it is started on demand. */
export function tryTarget(
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
    return sendOrWithout(admitted, attempt, { wholeAsStream: undefined }, on, record)
  }
  return asksUsage
    ? sendOrWithout(admitted, attempt, { asksUsage: false }, on, record)
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
async function sendOrWithout(
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

/** One request. A client that leaves ends it, and so does a bug, with which it throws or rejects. */
function send(
  { call, request, hold, boundary, traits, members }: AdmittedCall,
  { target: { model }, provider, translator, asksUsage, wholeAsStream }: AttemptInput,
  on: Pick<Snapshot, 'ticker' | 'wallNow' | 'routes' | 'routing'> & CountingParts,
  record: CallRecord,
): AttemptOutcome | Promise<AttemptOutcome> {
  const { requestId } = call
  if (call.reply.isGone) return { kind: 'gone', wasSent: false }
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
  const isStream = request.isStream || assembly !== undefined
  const { body } = changed
  record.changedMembers = 'changes' in changed ? changed.changes : request.changedMembers
  // Parameters and headers are part of the client's format.
  const query = passes ? call.query : ''
  const carried = passes ? carriedRequestHeaders(call, modelTraits) : []
  const headers = withTrace(carried, record.trace, provider)
  const { path } = dialect
  const toSend = { path, query, headers, body, contentType, isStream, requestId, boundary, model }
  const sent = { call, provider, record, searchedBody: call.body }
  const exchanging = exchange(response, toSend, sent, on)
  if (hold.countsAs !== undefined) {
    const { size } = request
    countPromptOf({ size, hold, record }, { provider, format: dialect.name, body, boundary }, on)
  }
  return exchanging
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
