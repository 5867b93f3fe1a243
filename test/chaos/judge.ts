// How a call may end, as its client sees it: exactly one of a few ways. Anything else is a fault. Pure.
import {
  type ClientError,
  readErrorBody,
  type ReadStream,
  readStream,
  readWhole,
} from '../dialects/translate/client-rules.ts'
import type { PlannedCall } from './calls.ts'
import type { Wire } from './client-connection.ts'
import { spoken } from './configurations.ts'
import { errorAnswers } from './faults.ts'
import { countOf, upstreamFormats } from './formats.ts'
import { codeOfRefusal, piecesOf, type Sender, type Shape, type Tag, tagForm } from './responses.ts'

/** `code`: of the gateway's error, or the provider's; in a stream of Messages the type, which is all that its errors have. */
export type Verdict =
  /** A whole response of one provider. */
  | { readonly end: 'whole' | 'streamed'; readonly tag: Tag }
  /** The number of a prompt's tokens, of a provider or estimated. */
  | { readonly end: 'counted'; readonly tag: Tag | undefined }
  /** Some events of one provider, then one that says that it is broken. */
  | { readonly end: 'stream_broken'; readonly tag: Tag | undefined; readonly code: string }
  | { readonly end: 'gateway_error'; readonly code: string }
  | { readonly end: 'provider_error'; readonly tag: Tag; readonly code: string }
  | { readonly end: 'left' }
  | { readonly fault: string }

/** Those that a client's key and its budgets cause. */
export const keyErrors: Readonly<Record<string, number>> = {
  budget_exceeded: 429,
  invalid_api_key: 401,
  key_disabled: 401,
  key_expired: 401,
  key_required: 401,
  key_revoked: 401,
  model_not_allowed: 403,
}

/** Statuses of the gateway's own answers in a run. All others would be mistakes of clients, or its own. */
const gatewayErrors: Readonly<Record<string, number>> = {
  ...keyErrors,
  no_target_available: 503,
  provider_auth_failed: 502,
  provider_bad_response: 502,
  provider_timeout: 504,
  provider_unreachable: 502,
  rate_limit_exceeded: 429,
}

/** The type of such an error in Messages. */
export function typeOfCode(code: string): string | undefined {
  const status = gatewayErrors[code]
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  if (status === 504) return 'timeout_error'
  return status === undefined ? undefined : 'api_error'
}

const messagesTypes: ReadonlySet<string | undefined> = new Set(Object.keys(gatewayErrors).map(typeOfCode))

/** A provider's own errors that pass, code → status: those of its answers, and of streams that begin with one. */
const providerErrors: Readonly<Record<string, number>> = {
  gave_up: 500,
  ...Object.fromEntries(
    // A refused key and a web page are no answers for clients.
    Object.values(errorAnswers)
      .filter(({ status, type }) => status !== 401 && type === undefined)
      .map(({ code, status }) => [code, status]),
  ),
}

export function isProviderCode(code: string): boolean {
  return providerErrors[code] !== undefined
}

export function judge(call: PlannedCall, shape: Shape, wire: Wire): Verdict {
  const { ending, message } = wire
  if (ending !== 'answered' && ending !== 'left') return { fault: `the gateway's end: ${ending}` }
  if (message === undefined) {
    return ending === 'left' ? { end: 'left' } : { fault: 'no response' }
  }
  if (message.header('x-request-id') !== call.id) {
    return { fault: `the response to ${message.header('x-request-id')}` }
  }
  const status = Number(message.startLine.split(' ')[1])
  const from = message.header('x-llm-gateway-provider')
  const judged = { call, shape, text: message.body().toString(), from }
  try {
    if (ending === 'left') return judgePart(judged, status)
    if (status !== 200) return judgeError(judged, status, message.header('x-llm-gateway-error'))
    const type = message.header('content-type') ?? ''
    if (type.startsWith('text/event-stream') !== call.isStream) return { fault: `a 200 of type ${type}` }
    return judgeAnswer(judged)
  } catch (error) {
    // The rules of the client's format.
    return { fault: `${String(error)}: ${shortened(judged.text)}` }
  }
}

interface Judged {
  readonly call: PlannedCall
  readonly shape: Shape
  readonly text: string
  /** The provider that the gateway names. */
  readonly from: string | undefined
}

function judgeAnswer(judged: Judged): Verdict {
  const { call, text, from } = judged
  if (call.isStream) return judgeStream(judged, true)
  const tag = tagIn(text)
  if (call.isCount && tag === undefined) return judgeEstimate(judged)
  if (tag === undefined) return { fault: `not a response: ${shortened(text)}` }
  if (from !== nameIn(tag)) return { fault: `a response of ${tag}, said to be from ${from}` }
  const sender: Sender = { callId: call.id, tag }
  if (call.isCount) {
    return text === countOf(sender) ? { end: 'counted', tag } : { fault: `a count: ${shortened(text)}` }
  }
  return isWhole(judged, sender) ? { end: 'whole', tag } : { fault: `not all of ${tag}: ${shortened(text)}` }
}

function judgeEstimate({ text, from }: Judged): Verdict {
  const isNumber = /^\{"input_tokens":[1-9]\d*\}$/.test(text)
  if (isNumber && from === undefined) return { end: 'counted', tag: undefined }
  return { fault: `an estimate, said to be from ${from}: ${shortened(text)}` }
}

function isWhole({ call: { dialect }, shape, text }: Judged, sender: Sender): boolean {
  if (passes(dialect, sender)) return text === upstreamFormats[dialect].whole(sender, shape)
  return readWhole(dialect, Buffer.from(text)) === piecesOf(sender, shape).join('')
}

/** Whether it speaks the client's format, so that its bytes go to the client as they are. */
function passes(dialect: PlannedCall['dialect'], { tag }: Sender): boolean {
  return spoken[nameIn(tag)]!.includes(dialect)
}

function judgeError({ call, text }: Judged, status: number, code: string | undefined): Verdict {
  const error = readErrorBody(call.dialect, Buffer.from(text))
  if (code !== undefined) {
    const isRight = gatewayErrors[code] === status && hasCode(call, error, code)
    return isRight ? { end: 'gateway_error', code } : { fault: `${status} ${code}: ${shortened(text)}` }
  }
  const tag = tagIn(text)
  if (tag === undefined) return { fault: `${status} with ${shortened(text)}` }
  const sender: Sender = { callId: call.id, tag }
  const own = codeOfRefusal(sender, error.message) ?? ''
  const sent = providerErrors[own] ?? 0
  // OpenAI's API has no status 529.
  const isRightStatus = status === sent || (sent === 529 && status === 503)
  const format = upstreamFormats[call.dialect]
  const isRightBody = !passes(call.dialect, sender) || text === format.errorBody(sender, own, sent)
  if (!isRightStatus || !isRightBody) return { fault: `${status} with ${shortened(text)}` }
  return { end: 'provider_error', tag, code: own }
}

function hasCode({ dialect }: PlannedCall, error: ClientError, code: string): boolean {
  return dialect === 'messages' ? error.type === typeOfCode(code) : error.code === code
}

/** @param isAll whether the response is complete; one that was left may end after any event, or within one. */
function judgeStream(judged: Judged, isAll: boolean): Verdict {
  const { call, text, from } = judged
  const events = /^[^]*\n\n/.exec(text)?.[0] ?? ''
  if (isAll && events !== text) return { fault: `half an event: ${shortened(text.slice(events.length))}` }
  const lastOwn = withoutHeartbeats(call, events).slice(-60)
  if (isAll && !events.endsWith(lastOwn)) return { fault: `a heartbeat at the end: ${shortened(events)}` }
  const tag = tagIn(events)
  if (tag === undefined) return judgeEmpty(call, events, isAll)
  if (from !== undefined && from !== nameIn(tag)) {
    return { fault: `events of ${tag}, said to be from ${from}` }
  }
  const sender: Sender = { callId: call.id, tag }
  if (passes(call.dialect, sender)) return judgePassed({ ...judged, text: events }, sender, isAll)
  return judgeTranslated({ ...judged, text: events }, sender, isAll)
}

/** Nothing of a provider: heartbeats, and an error of the gateway. */
function judgeEmpty(call: PlannedCall, text: string, isAll: boolean): Verdict {
  const { end, text: said } = readStream(call.dialect, withoutEarlyPings(call, text))
  if (!isAll && end === 'none') return { end: 'left' }
  if (said !== '' || typeof end === 'string') return { fault: `a stream that ends ${shortened(text)}` }
  return brokenBy(call, end, undefined, isAll) ?? { fault: `a stream with ${shortened(text)}` }
}

/** Before the first event of a response. */
function withoutEarlyPings({ dialect }: PlannedCall, text: string): string {
  const pings = dialect === 'messages' ? /^(?:event: ping\ndata: \{"type":"ping"\}\n\n)+/ : /^(?:: ping\n)+/
  return text.replace(pings, '')
}

function brokenBy(
  { dialect }: PlannedCall,
  { code, type, message }: ClientError,
  sender: Sender | undefined,
  isAll: boolean,
): Verdict | undefined {
  if (!isAll) return { end: 'left' }
  const tag = sender?.tag
  // After a heartbeat an error response is an event, too.
  const own = sender && codeOfRefusal(sender, message)
  if (own !== undefined && isProviderCode(own)) return { end: 'stream_broken', tag, code: own }
  if (dialect === 'messages') {
    return messagesTypes.has(type) ? { end: 'stream_broken', tag, code: type! } : undefined
  }
  return code !== undefined && gatewayErrors[code] !== undefined
    ? { end: 'stream_broken', tag, code }
    : undefined
}

/** In the client's format, which has to be kept strictly, with what the provider has said. */
function judgeTranslated({ call, shape, text }: Judged, sender: Sender, isAll: boolean): Verdict {
  const { tag } = sender
  const { text: said, end }: ReadStream = readStream(call.dialect, withoutEarlyPings(call, text))
  const all = piecesOf(sender, shape).join('')
  if (!all.startsWith(said)) return { fault: `${tag} has not said ${shortened(said)}` }
  if (end === 'whole') {
    return said === all ? { end: 'streamed', tag } : { fault: `only a part of ${tag}: ${shortened(said)}` }
  }
  if (end === 'none') return isAll ? { fault: `${tag} without an end: ${shortened(text)}` } : { end: 'left' }
  return brokenBy(call, end, sender, isAll) ?? { fault: `${tag} with ${JSON.stringify(end)}` }
}

/** As the provider wrote it, an event that breaks the format included, or as far as it came, with one error behind it. */
function judgePassed({ call, shape, text }: Judged, sender: Sender, isAll: boolean): Verdict {
  const { dialect } = call
  const { tag } = sender
  const format = upstreamFormats[dialect]
  const events = withoutHeartbeats(call, text)
    .split(/(?<=\n\n)/)
    .filter((event) => event !== '')
  const content = format.contentEvents(sender, shape)
  const whole = [...content, ...format.lastEvents(sender, shape, call.wantsUsage)]
  const odd = format.oddEvent(sender)
  const oddAt = events.indexOf(odd)
  if (oddAt >= 0 && oddAt < content.length) whole[oddAt] = odd
  const differsAt = events.findIndex((event, index) => event !== whole[index])
  const right = differsAt < 0 ? events.length : differsAt
  if (!isAll && right === events.length) return { end: 'left' }
  if (right === events.length && right === whole.length) return { end: 'streamed', tag }
  const rest = events.slice(right).join('')
  const where = `event ${right} of ${whole.length} of ${tag}`
  if (rest === format.errorEvent(sender) && right <= content.length) {
    return { end: 'stream_broken', tag, code: 'gave_up' }
  }
  const error = right < events.length && lastError(call, rest)
  const verdict = error ? brokenBy(call, error, sender, isAll) : undefined
  return verdict ?? { fault: `${where}: ${shortened(rest) || 'nothing'}` }
}

/** The gateway's error, of which nothing but the end of a stream may consist. */
function lastError({ dialect }: PlannedCall, events: string): ClientError | undefined {
  // Numbers go on from the provider's; alone they begin with 0.
  let number = 0
  const renumbered = events.replaceAll(/"sequence_number":\d+/g, () => `"sequence_number":${number++}`)
  const { text, end } = readStream(dialect, renumbered)
  return text === '' && typeof end === 'object' ? end : undefined
}

/** What the gateway adds while a provider that it passes is silent: comments; pings, and deltas of nothing; keepalives. */
function withoutHeartbeats({ dialect }: PlannedCall, text: string): string {
  const forms = {
    chat: /^: ping\n/gm,
    messages:
      /event: ping\ndata: \{"type":"ping"\}\n\n(?:event: content_block_delta\ndata: \{"type":"content_block_delta","index":0,"delta":\{"type":"text_delta","text":""\}\}\n\n)?/g,
    response: /^: ping\n|event: keepalive\ndata: \{"type":"keepalive","sequence_number":\d+\}\n\n/gm,
  }
  return text.replaceAll(forms[dialect], '')
}

/** The client has left: what it got until then has to be the beginning of a response. */
function judgePart(judged: Judged, status: number): Verdict {
  if (!judged.call.isStream || status !== 200) return { end: 'left' }
  const verdict = judgeStream(judged, false)
  return 'fault' in verdict ? verdict : { end: 'left' }
}

function shortened(text: string): string {
  return text.length <= 600 ? text : `${text.slice(0, 300)} … ${text.slice(-300)}`
}

function tagIn(text: string): Tag | undefined {
  return tagForm.exec(text)?.[0] as Tag | undefined
}

/** The upstream's name. */
export function nameIn(tag: Tag): string {
  return tag.split('.')[0]!
}
