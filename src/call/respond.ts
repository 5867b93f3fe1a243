// The end of every call. Here, and nowhere else, the client gets its response and the call its status, the heartbeat
// stops, the body's memory is released, an answer's hold is settled, and the end is reported.
import type { Outcome } from '../admission/outcome.ts'
import { contextTooLong, hasOverflowCode } from '../dialects/context-overflow.ts'
import type { ErrorFields, OwnEvents } from '../dialects/dialect.ts'
import type { ModelRequest } from '../dialects/request.ts'
import { framingOf } from '../dialects/framing.ts'
import type { ResponseHead, Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { mediaTypeOf, responseHeaders } from '../http/headers.ts'
import { LargeBody } from '../bytes/large-body.ts'
import type { Limited } from './admit.ts'
import type { AdmittedCall } from './attempt.ts'
import type { AnsweringResponse, AttemptFailure } from './attempt-outcome.ts'
import { type Call, clientGoneStatus, type Snapshot } from './call.ts'
import { carryResponseHeaders } from './carried-headers.ts'
import { type Heartbeat, setProvider } from './heartbeat.ts'
import { boundaryOfAnswer } from './kept-inside.ts'
import type { CallEnd, CallRecord } from './record.ts'
import { Meter, type Metered } from './response/meter.ts'
import { relay } from './response/relay.ts'
import { StoredObject } from './response/stored-object.ts'
import { retryAfterOf } from './retry-rule.ts'

/** What becomes of a call. */
export type CallResult =
  | Answered
  /** No target answers; the last failure, or one that names all. */
  | {
      readonly kind: 'failed'
      readonly target: Target
      readonly failure: AttemptFailure
      /** The client may do what the gateway has not: ask again, or wait for longer. */
      readonly isWorthRepeating: boolean
    }
  | Limited
  | Counted
  /** A request that only loads a model, to servers that load theirs by themselves. */
  | { readonly kind: 'loaded'; readonly body: Buffer }
  | { readonly kind: 'client-gone' }
  /** The gateway refuses the call, or fails on it. */
  | { readonly kind: 'refused'; readonly error: GatewayError }

/** The number of a prompt's tokens. `provided`: by which target; undefined for an estimate. */
interface Counted {
  readonly kind: 'counted'
  readonly body: Buffer
  readonly provided: { readonly target: Target; readonly head: ResponseHead } | undefined
}

/** It lasts as long as the response, and so has of the request only what is needed until then. */
interface Answered
  extends Pick<AdmittedCall, 'hold' | 'price'>, Pick<ModelRequest, 'isStream' | 'serviceTier' | 'storedAs'> {
  readonly kind: 'answered'
  readonly target: Target
  readonly response: AnsweringResponse
}

/** A call that has not ended yet. */
export interface OpenCall {
  readonly call: Call
  readonly record: CallRecord
  readonly heartbeat: Heartbeat
  /** For its stream, if it is to have one. */
  readonly own: OwnEvents
}

/** Resolves when the client has its response, or has left. Rejects only with a bug, before the end is reported. */
export async function respond(result: CallResult, open: OpenCall, on: Snapshot): Promise<void> {
  const { call, record, heartbeat } = open
  heartbeat.stop()
  // The body may be large, and the response last for minutes.
  if (call.body instanceof LargeBody) call.body.dispose()
  let end: CallEnd
  try {
    end = await deliver(result, open, on)
  } finally {
    // A small one is kept by the connection to the provider until the response has ended.
    if (!(call.body instanceof LargeBody)) call.bodyShare.release()
  }
  emitEnd(record, end, on)
}

/** The end of a call whose error can't be written either: only its connection shows the client that it has failed. */
export function giveUp(error: GatewayError, { call, record }: OpenCall, on: Snapshot): void {
  const { reply } = call
  const status = reply.isStarted ? 200 : error.status
  reply.cut()
  emitEnd(record, { status, error }, on)
}

function emitEnd(record: CallRecord, end: CallEnd, on: Pick<Snapshot, 'events' | 'now'>): void {
  on.events.emit({
    kind: 'call_ended',
    call: record.facts(on.now(), end),
    counted_model: record.countedModel,
    trace: record.trace,
  })
}

function deliver(result: CallResult, open: OpenCall, on: Snapshot): CallEnd | Promise<CallEnd> {
  switch (result.kind) {
    case 'answered':
      return passAnswer(result, open, on) // the provider's own status; 499
    case 'failed':
      return sendFailure(result, open, on) // the provider's own status; 502, 503 no_target_available, 504
    case 'limited':
    case 'refused':
      return sendError(result.error, open, on) // the error's status
    case 'counted':
      return sendCount(result, open, on) // 200
    case 'loaded':
      return sendBody(result.body, open, on) // 200
    case 'client-gone':
      return endGone(open, on) // 499
    default:
      return result satisfies never
  }
}

async function passAnswer(answered: Answered, open: OpenCall, on: Snapshot): Promise<CallEnd> {
  const { call, record } = open
  const { dialect, reply } = call
  const { hold, target, response, isStream } = answered
  // Should anything below throw, the call is charged as it stands by then.
  let charge: Outcome = { kind: 'cut', tokens: 0 }
  let usage: Metered | undefined
  try {
    const { head, stripsUsage, translation } = response
    if (reply.isStarted && response.events === undefined && translation === undefined) {
      response.abort()
      charge = { kind: 'failed', tokens: 0 }
      return sendError(lateError(record, 'returned no event stream'), open, on)
    }
    const { reshapedInto } = response
    if (reshapedInto !== undefined) record.way = reshapedInto === 'whole' ? 'assembled' : 'split'
    const mask = maskOf(target, on)
    if (!reply.isStarted && response.dialect === dialect.native) carryResponseHeaders(call, head, mask)
    addCallHeaders(open, on)
    const { hasOutputTokens } = dialect
    // A translation reads the whole of an event, including the usage that was requested.
    const isStripped = stripsUsage && translation === undefined
    const reader = response.dialect.usage
    const estimatedPrompt = hold.promptTokens
    const { now } = on
    const { progressIn } = response
    const options = { reader, estimatedPrompt, hasOutputTokens, stripsUsage: isStripped, progressIn, now }
    const meter = response.meter ?? new Meter(options)
    record.meter = meter
    const contentType = translation?.head(head) ?? contentTypeOfEvents(response)
    const headers = headersOf({ head, contentType }, mask)
    const stored = storedObject(answered, call, on)
    if (response.whole !== undefined) stored?.readWhole(response.whole)
    const relaying = relay({
      response,
      reply,
      own: open.own,
      isStream,
      headers,
      meter,
      mask,
      watcher: stored,
      hold,
      heartbeatAfterMs: on.heartbeatAfterMs,
    })
    const relayed = relaying instanceof Promise ? await relaying : relaying

    const isCut = relayed.kind !== 'complete'
    usage = meter.result(meteredEnds[relayed.kind])
    record.addUsage(usage)
    // A translation does not carry the tier.
    const requestedTier = response.dialect === dialect.native ? answered.serviceTier : undefined
    const pricing = { ofModel: answered.price, requestedTier, hasOutputTokens }
    record.addCost(on.prices.charge(usage, target, pricing))
    if (meter.isUsageUnrequested && response.meter === undefined) hold.reportUselessUsageWish('unneeded')
    charge = { kind: isCut ? 'cut' : 'used', tokens: usage.totalTokens }
    if (relayed.kind === 'gone') return endGone(open, on)
    const { status } = head
    if (relayed.kind === 'complete') return { status }
    const { error } = relayed
    if (relayed.kind === 'broken' && !response.isStalled) {
      const failureKind = error.code === 'provider_timeout' ? 'timeout' : 'broken'
      hold.report({ kind: 'failing', failureKind, retryAfterMs: undefined })
    }
    if (!relayed.isReported) return sendError(error, open, on)
    return { status, error }
  } catch (error) {
    response.abort()
    throw error
  } finally {
    hold.settle(charge, usage, hold.isBudgeted ? record.takeSpent() : undefined)
  }
}

/** How an answer ended for its meter, by the end of the way back. */
const meteredEnds = { complete: 'complete', failed: 'failed', gone: 'left', broken: 'cut' } as const

/** Of a response that its client can fetch again. */
function storedObject(
  { storedAs: kind, target: { provider }, response }: Answered,
  call: Call,
  { rest, owners }: Pick<Snapshot, 'rest' | 'owners'>,
): StoredObject | undefined {
  if (rest === undefined || kind === undefined || response.dialect !== call.dialect.native) return undefined
  return new StoredObject(owners, { kind, provider, client: call.client.id })
}

/** The provider's own error response, as it is or as an event; or else the gateway's error about it. */
function sendFailure(
  { target, failure, isWorthRepeating }: CallResult & { kind: 'failed' },
  open: OpenCall,
  on: Snapshot,
): CallEnd {
  const { call, record } = open
  const { reply, dialect } = call
  record.providerCode = failure.providerCode
  if (failure.kind === 'failed') {
    record.providerStatus = failure.providerStatus
    if (!isWorthRepeating && !reply.isStarted) reply.set(...noRetry)
    return sendError(failure.error, open, on)
  }
  const { translation } = failure
  const unclear = translation === undefined ? unclearOverflow(failure, dialect) : undefined
  if (unclear !== undefined) {
    record.providerStatus = failure.head.status
    return sendError(unclear, open, on)
  }
  const head = isWorthRepeating ? failure.head : withoutRetry(failure.head)
  const body = translation?.error(head, failure.body, call.requestId) ?? failure.body
  record.providerStatus = head.status
  const status = translation?.errorStatus?.(head.status) ?? head.status
  if (reply.isStarted) {
    const retryAfterMs = retryAfterOf(head.headers, on.wallNow())
    const error = lateError(record, `returned status ${status}`, retryAfterMs)
    const words = dialect.native.readErrorFields(body)
    return sendErrorEvent(error, open, words && { ...words, retryAfterMs })
  }
  const mask = maskOf(target, on)
  if (translation === undefined) carryResponseHeaders(call, head, mask)
  addCallHeaders(open, on)
  const contentType = translation && 'application/json'
  const headers = headersOf({ head, contentType }, mask)
  reply.start(status, [...headers, 'content-length', String(body.length)])
  reply.end(body)
  return { status }
}

/**
 * Clients shorten a conversation that is too long, but only if they recognize the error. Undefined: they do, or it is about
 * something else.
 */
function unclearOverflow(
  { overflow, body }: AttemptFailure & { kind: 'refused' },
  { native, recognizesOverflow = hasOverflowCode }: Call['dialect'],
): GatewayError | undefined {
  const fields = overflow && native.readErrorFields(body)
  if (overflow === undefined || fields === undefined || recognizesOverflow(fields)) return undefined
  return contextTooLong(overflow)
}

/** OpenAI's and Anthropic's SDKs obey it; they repeat a 429 and every 5xx otherwise. */
const noRetry = ['x-should-retry', 'false'] as const

function withoutRetry(head: ResponseHead): ResponseHead {
  const [name, value] = noRetry
  return { ...head, headers: { ...head.headers, [name]: value } }
}

function sendCount({ body, provided }: Counted, open: OpenCall, on: Snapshot): CallEnd {
  if (provided !== undefined) carryResponseHeaders(open.call, provided.head, maskOf(provided.target, on))
  return sendBody(body, open, on)
}

function sendBody(body: Buffer, open: OpenCall, on: Snapshot): CallEnd {
  const { reply } = open.call
  addCallHeaders(open, on)
  reply.start(200, ['content-type', 'application/json', 'content-length', String(body.length)])
  reply.end(body)
  return { status: 200 }
}

/** The error as a response, or as the last event of a stream that has begun. */
function sendError(error: GatewayError, open: OpenCall, on: Pick<Snapshot, 'now' | 'providers'>): CallEnd {
  const { reply } = open.call
  if (reply.isStarted) return sendErrorEvent(error, open)
  addCallHeaders(open, on)
  reply.fail(error)
  return { status: error.status, error }
}

/** The client has status 200 already. @param words for the client, if they are not the error's own. */
function sendErrorEvent(
  error: GatewayError,
  { call: { reply }, own }: OpenCall,
  words: GatewayError | ErrorFields = error,
): CallEnd {
  reply.end(own.error(words))
  return { status: 200, error }
}

/** A client that the gateway has interrupted is still there. */
function endGone(open: OpenCall, on: Pick<Snapshot, 'now' | 'providers'>): CallEnd {
  const { interruption } = open.call.reply
  if (interruption !== undefined) return sendError(interruption, open, on) // 503 shutting_down
  return { status: clientGoneStatus }
}

/** After a heartbeat the client has its status already, so what comes can only be an event. */
function lateError({ provider }: CallRecord, what: string, retryAfterMs?: number): GatewayError {
  const headers = retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }
  return new GatewayError('provider_bad_response', `Provider "${provider}" ${what}.`, { headers })
}

/** What every response to a call carries, a provider's or an error. */
function addCallHeaders(
  { call: { reply }, record }: OpenCall,
  on: Pick<Snapshot, 'now' | 'providers'>,
): void {
  if (reply.isStarted) return
  if (record.provider !== undefined) {
    setProvider(reply, record.provider, boundaryOfAnswer(record.provider, record, on))
  }
  if (record.providerRequestId !== undefined) {
    reply.set('x-llm-gateway-provider-request-id', record.providerRequestId)
  }
  const way = record.isAssembled ? 'assembled' : record.way
  if (way !== undefined) reply.set('x-llm-gateway-way', way)
  reply.set('server-timing', record.serverTiming(on.now()))
}

/** For events that came under another media type. */
function contentTypeOfEvents({ head, events, dialect }: AnsweringResponse): string | undefined {
  if (events === undefined) return undefined
  const { mediaTypes, contentType } = framingOf(dialect)
  return mediaTypes.includes(mediaTypeOf(head)) ? undefined : contentType
}

/** A provider's headers for the client, without its key. @param contentType of a translated body. */
function headersOf(
  {
    head: { headers },
    contentType,
  }: { readonly head: ResponseHead; readonly contentType: string | undefined },
  mask: (text: string) => string,
): string[] {
  const ofClient = responseHeaders(headers, mask)
  if (contentType === undefined) return ofClient
  const at = ofClient.indexOf('content-type')
  if (at < 0) ofClient.push('content-type', contentType)
  else ofClient[at + 1] = contentType
  return ofClient
}

function maskOf({ provider }: Target, on: Pick<Snapshot, 'providers'>): (text: string) => string {
  return on.providers.get(provider)!.mask
}
