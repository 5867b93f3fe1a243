// One request that passes to its provider, and the response on its way back: as it is, except that a list of several clients'
// objects is reduced to the client's own, that a member may be withheld, and that the gateway remembers which client owns the
// objects that it creates.
import { nativeDialect } from '../../dialects/native/format.ts'
import { withoutMember } from '../../dialects/native/withheld.ts'
import type { ProviderDialect } from '../../dialects/dialect.ts'
import { apiDialect, ownApiEvents } from '../../dialects/openai/api-format.ts'
import { createdObjectsIn } from '../../dialects/openai/created-objects.ts'
import { emptyList, goesBackwards, queryAfter } from '../../dialects/openai/object-list.ts'
import { eventData } from '../../bytes/sse.ts'
import { isObject, parseJson } from '../../bytes/json/parse.ts'
import type { ResponseHead } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { mediaTypeOf, passedResponseHeaders } from '../../http/headers.ts'
import type { PassedRequest, Provider } from '../../upstream/provider.ts'
import type { AnsweringResponse, AttemptOutcome } from '../attempt-outcome.ts'
import type { Snapshot } from '../call.ts'
import { withTrace } from '../carried-headers.ts'
import { exchange } from '../exchange.ts'
import type { CallEnd, CallRecord } from '../record.ts'
import { Meter } from '../response/meter.ts'
import { collectingError, holdingWhole, peekingStream, type Phase, tooLong } from '../response/phases.ts'
import { relay } from '../response/relay.ts'
import { maskedEvent } from '../response/relay-stream.ts'
import { type Passing, UpstreamResponse } from '../response/upstream-response.ts'
import type { IncomingUpload, RestCall } from './request.ts'
import { type OwnList, ownListOf } from './own-lists.ts'
import { addCallHeaders, endGone, sendError } from './respond.ts'

export interface Passage {
  readonly call: RestCall
  readonly provider: Provider
  readonly model: PassedRequest['model']
  readonly body: PassedRequest['body']
  readonly record: CallRecord
}

/** Responses that show new objects, or tokens, are held until they are whole; larger ones pass unread. */
const maxReadBytes = 1_048_576
/** A list from which others' objects are taken has to be whole. */
const maxListBytes = 16_777_216
/** How many pages of a list are asked for until one has an object of the client's own. */
const maxPages = 50

/** Asks the provider and answers the client. Rejects only with a bug. */
export async function passOn(passage: Passage, on: Snapshot): Promise<CallEnd> {
  const { call, record, provider } = passage
  const { route, client } = call
  const isReduced = route.lists !== undefined && on.hasSeveralClients
  if (isReduced && !(await on.owners.hasAny(client.id, route.lists))) {
    record.provider = provider.name
    return sendWhole({ status: 200, headers: json }, emptyList, passage, on)
  }
  let query = call.query
  for (let page = 1; ; page += 1) {
    const outcome = await attempt(passage, query, isReduced, on)
    if (outcome.kind === 'gone') return endGone(call, on, record) // 499, 503 shutting_down
    if (outcome.kind !== 'answered') return sendFailure(outcome, passage, on) // the provider's status; 502, 503, 504
    const { response } = outcome
    const withheld = call.native?.withheld
    if (withheld !== undefined) return deliverWithout(withheld, response, passage, on)
    if (!isReduced) return deliver(response, passage, on)
    const list = response.whole && (await ownListOf(response.whole.bytes, client.id, on.owners))
    if (list === undefined) return sendError(notReducible(provider.name), call, on, record) // 502
    if (!needsNextPage(list, query) || page === maxPages) {
      return sendWhole(response.head, list.body, passage, on)
    }
    query = queryAfter(query, list.nextAfter!)
  }
}

/** The response with nothing in the member of this name. */
function deliverWithout(
  name: string,
  { whole, head }: AnsweringResponse,
  passage: Passage,
  on: Snapshot,
): CallEnd {
  const { call, provider, record } = passage
  const body = whole && withoutMember(whole.bytes, name)
  if (body !== undefined) return sendWhole(head, body, passage, on)
  const what = `Provider "${provider.name}" returned a response in a form from which "${name}" can't be removed.`
  return sendError(new GatewayError('provider_bad_response', what), call, on, record) // 502
}

/** An empty page would be taken for the end of the list. */
function needsNextPage({ isEmpty, nextAfter }: OwnList, query: string): boolean {
  return isEmpty && nextAfter !== undefined && !goesBackwards(query)
}

const json = { 'content-type': 'application/json' }

function notReducible(provider: string): GatewayError {
  const what = `Provider "${provider}" returned a list in a form from which others' objects can't be removed.`
  return new GatewayError('provider_bad_response', what)
}

/**
 * One attempt, or two: a connection that had been idle may have closed before the request was read. Only what has no effect
 * when it is sent twice is repeated (RFC 9110 §9.2.2): a second batch would cost its money.
 */
async function attempt(
  passage: Passage,
  query: string,
  isReduced: boolean,
  on: Snapshot,
): Promise<AttemptOutcome> {
  const outcome = await send(passage, query, isReduced, on)
  const isUnread = outcome.kind === 'failed' && outcome.isStaleConnection
  return isUnread && mayRepeat.has(passage.call.route.method) ? send(passage, query, isReduced, on) : outcome
}

const mayRepeat: ReadonlySet<string> = new Set(['DELETE', 'GET', 'HEAD'])

function uploadOf({ call: { body } }: Passage): IncomingUpload | undefined {
  return body !== undefined && 'pieces' in body ? body : undefined
}

async function send(
  passage: Passage,
  query: string,
  isReduced: boolean,
  on: Snapshot,
): Promise<AttemptOutcome> {
  const { call, provider, model, body, record } = passage
  const { path, headers, requestId } = call
  const dialect = dialectOf(call)
  if (call.reply.isGone) return { kind: 'gone', wasSent: false }
  record.provider = provider.name
  record.startAttempt(on.now(), 'pass', undefined)
  const upload = uploadOf(passage)
  const passing: Passing = { phaseAfter: (head) => phaseAfter(head, call, isReduced, dialect), upload }
  const response = new UpstreamResponse(
    provider,
    {
      sinceMs: record.workSinceMs,
      dialect,
      translation: undefined,
      reshape: undefined,
      stripsUsage: false,
      passing,
    },
    on,
  )
  const { method } = call.route
  const [parent, parentValue, state, stateValue] = withTrace([], record.trace, provider)
  const sent = [...headers]
  if (parentValue !== undefined) sent.push([parent!, parentValue])
  if (stateValue !== undefined) sent.push([state!, stateValue])
  const { boundary } = record
  const request = { method, path, query, headers: sent, body, requestId, boundary, model }
  const outcome = await exchange(response, request, { call, provider, record, searchedBody: undefined }, on)
  if (outcome.kind === 'failed' && outcome.error.code === 'provider_unreachable') {
    on.coordinator.reportUnreachable(provider.name)
  }
  return outcome
}

/** What a head leads to: events pass as they come, JSON that is to be read is held, all else passes. */
function phaseAfter(
  head: ResponseHead,
  { route, native }: RestCall,
  isReduced: boolean,
  dialect: ProviderDialect,
): Phase {
  if (head.status >= 300) return collectingError(head)
  const isPlain = (head.headers['content-encoding'] ?? 'identity') === 'identity'
  if (isReduced || native?.withheld !== undefined)
    return holdingWhole(head, dialect, maxListBytes, () => tooLong(maxListBytes))
  if (isPlain && mediaTypeOf(head) === 'text/event-stream') return peekingStream(dialect)
  // A model server's own answers are held for the mask, whatever they report.
  const isOfInterest = native !== undefined || mayShowObjects(route)
  const isRead = isPlain && mediaTypeOf(head) === 'application/json' && isOfInterest
  return holdingWhole(head, dialect, isRead ? maxReadBytes : 0, (held) => ({ kind: 'forward', held }))
}

function dialectOf({ native, path }: RestCall): ProviderDialect {
  return native === undefined ? apiDialect(path) : nativeDialect(path)
}

function mayShowObjects({ lists, path, creates, hasUsage }: RestCall['route']): boolean {
  return lists === undefined && (creates !== undefined || hasUsage === true || path.includes('{'))
}

async function deliver(response: AnsweringResponse, passage: Passage, on: Snapshot): Promise<CallEnd> {
  const { call, provider, record } = passage
  const { route, client } = call
  const { head, whole } = response
  const owner = { client: client.id, provider: provider.name }
  const learn = (value: unknown) => {
    const created = createdObjectsIn(value, route)
    on.owners.remember(created.map((object) => ({ ...owner, ...object })))
  }
  const meter = new Meter({
    reader: response.dialect.usage,
    estimatedPrompt: 0,
    hasOutputTokens: false,
    stripsUsage: false,
    now: on.now,
  })
  record.meter = meter
  const takeUsage = () => {
    const usage = meter.result('complete')
    if (route.hasUsage === true && usage.totalTokens > 0) record.addUsage(usage)
  }
  if (whole !== undefined) {
    const value = mediaTypeOf(head) === 'application/json' ? parseJson(whole.bytes) : undefined
    if (value !== undefined && call.native !== undefined) {
      meter.readWhole(whole.bytes, value)
      takeUsage()
    } else if (isObject(value)) {
      learn(value)
      meter.readWhole(whole.bytes, value)
      takeUsage()
    }
    return sendWhole(head, whole.bytes, passage, on)
  }
  addCallHeaders(call, on, record)
  const { mask } = provider
  const relayed = await relay({
    response,
    reply: call.reply,
    own: ownApiEvents(call.requestId),
    isStream: response.events !== undefined,
    headers: passedResponseHeaders(head.headers, mask),
    meter,
    mask,
    ...(call.native === undefined && { watcher: { onEvent: (event) => learn(objectOf(event)) } }),
    hold: unlimited,
    heartbeatAfterMs: Infinity,
  })
  if (response.events !== undefined || call.native !== undefined) takeUsage()
  if (relayed.kind === 'gone') return endGone(call, on, record) // 499
  if (relayed.kind === 'complete') return { status: head.status }
  return { status: head.status, error: relayed.error }
}

const unlimited = { tokens: Infinity, grow() {} }

/** The data of an event, as far as it is short enough to be read. */
function objectOf(event: Buffer): unknown {
  const data = eventData(event)
  return data === undefined || data.length > maxReadBytes ? undefined : parseJson(data)
}

function sendWhole(
  head: ResponseHead,
  received: Buffer,
  { call, provider, record }: Passage,
  on: Snapshot,
): CallEnd {
  const { reply } = call
  addCallHeaders(call, on, record)
  const { mask } = provider
  const headers = passedResponseHeaders(head.headers, mask)
  // A good status may carry an error, too.
  const body = maskedEvent(received, { mask })
  const { status } = head
  // Not even a length (RFC 9110 §8.6).
  if (status !== 204) headers.push('content-length', String(body.length))
  reply.start(status, headers)
  reply.end(body)
  return { status }
}

function sendFailure(
  outcome: Exclude<AttemptOutcome, { kind: 'answered' | 'gone' }>,
  passage: Passage,
  on: Snapshot,
): CallEnd {
  const { call, record } = passage
  record.providerCode = outcome.providerCode
  const upload = uploadOf(passage)
  if (outcome.kind === 'failed') {
    record.providerStatus = outcome.providerStatus
    return sendError(upload?.problem ?? outcome.error, call, on, record) // 408, 413; 502, 503, 504
  }
  record.providerStatus = outcome.head.status
  return sendWhole(outcome.head, outcome.body, passage, on)
}
