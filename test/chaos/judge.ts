// How a call may end, as its client sees it: exactly one of a few ways. Anything else is a fault. Pure.
import {
  contentEvents,
  errorBody,
  errorEvent,
  lastEvents,
  tagForm,
  wholeResponse,
  type Sender,
  type Shape,
  type Tag,
} from './responses.ts'
import type { PlannedCall } from './calls.ts'
import type { Wire } from './client-connection.ts'
import { errorAnswers } from './faults.ts'

/** `code`: of the gateway's error, or the provider's. */
export type Verdict =
  /** A whole response of one provider. */
  | { readonly end: 'whole' | 'streamed'; readonly tag: Tag }
  /** Some events of one provider, then one that says that it is broken. */
  | { readonly end: 'stream_broken'; readonly tag: Tag | undefined; readonly code: string }
  | { readonly end: 'gateway_error'; readonly code: string }
  | { readonly end: 'provider_error'; readonly tag: Tag; readonly code: string }
  | { readonly end: 'left' }
  | { readonly fault: string }

/** Statuses of the gateway's own answers in a run. All others would be mistakes of clients, or its own. */
const gatewayErrors: Readonly<Record<string, number>> = {
  no_target_available: 503,
  provider_auth_failed: 502,
  provider_bad_response: 502,
  provider_timeout: 504,
  provider_unreachable: 502,
  rate_limit_exceeded: 429,
}

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
  const text = message.body().toString()
  const from = message.header('x-llm-gateway-provider')
  if (ending === 'left') return judgePart({ call, shape, text, from }, status)
  if (status !== 200) return judgeError(call, status, { text, code: message.header('x-llm-gateway-error') })
  const type = message.header('content-type') ?? ''
  if (type.startsWith('text/event-stream') !== call.isStream) return { fault: `a 200 of type ${type}` }
  const judged = { call, shape, text, from }
  return call.isStream ? judgeStream(judged, true) : judgeWhole(judged)
}

interface Judged {
  readonly call: PlannedCall
  readonly shape: Shape
  readonly text: string
  /** The provider that the gateway names. */
  readonly from: string | undefined
}

function judgeWhole({ call, shape, text, from }: Judged): Verdict {
  const tag = tagIn(text)
  if (tag === undefined) return { fault: `not a response: ${text.slice(0, 300)}` }
  if (from !== nameIn(tag)) return { fault: `a response of ${tag}, said to be from ${from}` }
  if (text === wholeResponse({ callId: call.id, tag }, shape)) return { end: 'whole', tag }
  return { fault: `not the whole response of ${tag}: ${text.slice(0, 300)}` }
}

function judgeError(
  call: PlannedCall,
  status: number,
  { text, code }: { text: string; code: string | undefined },
): Verdict {
  if (code !== undefined) {
    if (gatewayErrors[code] !== status) return { fault: `${status} ${code}: ${text.slice(0, 300)}` }
    return codeIn(text) === code ? { end: 'gateway_error', code } : { fault: `${code} with ${text}` }
  }
  const tag = tagIn(text)
  const own = codeIn(text) ?? ''
  const isRight = tag !== undefined && text === errorBody({ callId: call.id, tag }, own)
  if (!isRight || providerErrors[own] !== status) return { fault: `${status} with ${text.slice(0, 300)}` }
  return { end: 'provider_error', tag, code: own }
}

/** @param isAll whether the response is complete; one that was left may end after any event, or within one. */
function judgeStream({ call, shape, text, from }: Judged, isAll: boolean): Verdict {
  const blocks = text.split('\n\n')
  const rest = blocks.pop()!
  if (isAll && rest !== '') return { fault: `half an event: ${rest.slice(-300)}` }
  // Comments are heartbeats.
  const uncommented = blocks.map((block) => block.replace(/^(?::.*(?:\n|$))+/, ''))
  const events = uncommented.filter((block) => block !== '').map((block) => `${block}\n\n`)
  const tag = tagIn(events[0] ?? '')
  const sender: Sender | undefined = tag && { callId: call.id, tag }
  if (tag !== undefined && from !== undefined && from !== nameIn(tag)) {
    return { fault: `events of ${tag}, said to be from ${from}` }
  }
  const content = sender === undefined ? [] : contentEvents(sender, shape)
  const whole = sender === undefined ? [] : [...content, ...lastEvents(sender, call.wantsUsage)]
  const differsAt = events.findIndex((event, index) => event !== whole[index])
  const right = differsAt < 0 ? events.length : differsAt
  if (!isAll && right === events.length) return { end: 'left' }
  if (tag !== undefined && right === events.length && right === whole.length) return { end: 'streamed', tag }
  const odd = events[right] ?? ''
  const where = `event ${right} of ${whole.length} of ${tag}`
  if (right < events.length - 1) return { fault: `${where}, with more behind it: ${odd.slice(0, 300)}` }
  if (sender !== undefined && odd === errorEvent(sender) && right <= content.length) {
    return { end: 'stream_broken', tag, code: 'gave_up' }
  }
  const code = codeIn(odd.slice('data: '.length)) ?? ''
  if (gatewayErrors[code] !== undefined) return { end: 'stream_broken', tag, code }
  return { fault: `${where}: ${odd.slice(0, 300) || 'nothing'}` }
}

/** The client has left: what it got until then has to be the beginning of a response. */
function judgePart({ call, shape, text, from }: Judged, status: number): Verdict {
  if (!call.isStream || status !== 200) return { end: 'left' }
  const verdict = judgeStream({ call, shape, text, from }, false)
  return 'fault' in verdict ? verdict : { end: 'left' }
}

function tagIn(text: string): Tag | undefined {
  return tagForm.exec(text)?.[0] as Tag | undefined
}

/** The upstream's name. */
export function nameIn(tag: Tag): string {
  return tag.split('.')[0]!
}

function codeIn(json: string): string | undefined {
  try {
    const { error } = JSON.parse(json) as { error?: { code?: unknown } }
    return typeof error?.code === 'string' ? error.code : undefined
  } catch {
    // Not JSON: no error that a client would understand.
    return undefined
  }
}
