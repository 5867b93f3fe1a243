// What the chaotic upstreams answer in each format that they speak, byte by byte. The clients know it too: every piece names
// the call, who sent it and its place, so that what is missing, doubled or mixed shows.
import type { Conversation } from '../dialects/translate/client-rules.ts'
import type { Sender, Shape } from './responses.ts'
import { piecesOf, refusalOf } from './responses.ts'

/** How an upstream writes its responses. */
export interface UpstreamFormat {
  /** All events before the last ones. */
  readonly contentEvents: (sender: Sender, shape: Shape) => string[]
  /** After the content. @param hasUsage whether the client asked for the event with the usage, where a format has one. */
  readonly lastEvents: (sender: Sender, shape: Shape, hasUsage: boolean) => string[]
  readonly whole: (sender: Sender, shape: Shape) => string
  /** A provider's own error, as a body. */
  readonly errorBody: (sender: Sender, code: string, status: number) => string
  /** The same in a stream. */
  readonly errorEvent: (sender: Sender) => string
  /** An event whose data is not JSON. */
  readonly oddEvent: (sender: Sender) => string
}

// ── Chat ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const chatUsage = { prompt_tokens: 20, completion_tokens: 30, total_tokens: 50 }

function chunk({ callId }: Sender, rest: object): string {
  return `data: ${JSON.stringify({ id: callId, object: 'chat.completion.chunk', created: 1, model: 'deep', ...rest })}\n\n`
}

const chat: UpstreamFormat = {
  contentEvents: (sender, shape) =>
    piecesOf(sender, shape).map((content) =>
      chunk(sender, { choices: [{ index: 0, delta: { content }, finish_reason: null }] }),
    ),
  lastEvents: (sender, _, hasUsage) => [
    chunk(sender, { choices: [{ index: 0, delta: {}, finish_reason: 'stop', from: sender.tag }] }),
    ...(hasUsage ? [chunk(sender, { choices: [], usage: chatUsage })] : []),
    'data: [DONE]\n\n',
  ],
  whole(sender, shape) {
    const message = { role: 'assistant', content: piecesOf(sender, shape).join('') }
    const choices = [{ index: 0, message, finish_reason: 'stop' }]
    return JSON.stringify({ id: sender.callId, object: 'chat.completion', choices, usage: chatUsage })
  },
  errorBody: openAiError,
  errorEvent: (sender) => `data: ${openAiError(sender, 'gave_up')}\n\n`,
  oddEvent: ({ tag }) => `data: {"choices":[{"index":0,"delta":{"content":"${tag}\n\n`,
}

function openAiError(sender: Sender, code: string): string {
  return JSON.stringify({
    error: { message: refusalOf(sender, code), type: 'upstream_error', param: null, code },
  })
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

const messagesUsage = { input_tokens: 20, output_tokens: 30 }

function named(event: { readonly type: string; readonly [member: string]: unknown }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

function message({ callId, tag }: Sender, content: readonly object[], stopReason: string | null): object {
  const id = `msg_${callId}.${tag}`
  const end = { stop_reason: stopReason, stop_sequence: null, usage: messagesUsage }
  return { id, type: 'message', role: 'assistant', model: 'deep', content, ...end }
}

/** Types by status, as Anthropic has them. */
const errorTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}

function messagesError(sender: Sender, code: string, status: number): object {
  const error = { type: errorTypes[status] ?? 'api_error', message: refusalOf(sender, code) }
  return { type: 'error', error, request_id: sender.callId }
}

function textDelta(text: string): string {
  return named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })
}

const messages: UpstreamFormat = {
  contentEvents: (sender, shape) => [
    named({ type: 'message_start', message: message(sender, [], null) }),
    named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    ...piecesOf(sender, shape).map((text) => textDelta(text)),
  ],
  lastEvents: () => [
    named({ type: 'content_block_stop', index: 0 }),
    named({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 30 },
    }),
    named({ type: 'message_stop' }),
  ],
  whole: (sender, shape) =>
    JSON.stringify(message(sender, [{ type: 'text', text: piecesOf(sender, shape).join('') }], 'end_turn')),
  errorBody: (sender, code, status) => JSON.stringify(messagesError(sender, code, status)),
  errorEvent: (sender) => `event: error\ndata: ${JSON.stringify(messagesError(sender, 'gave_up', 500))}\n\n`,
  oddEvent: ({ tag }) =>
    `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":"${tag}\n\n`,
}

// ── Responses ───────────────────────────────────────────────────────────────────────────────────────────────────────

const responsesUsage = {
  input_tokens: 20,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 30,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 50,
}

function response({ callId, tag }: Sender, status: string, more: object): object {
  const known = { object: 'response', created_at: 1, model: 'deep', incomplete_details: null }
  return { id: `resp_${callId}.${tag}`, ...known, status, error: null, output: [], usage: null, ...more }
}

function item({ callId }: Sender, text: string | undefined): object {
  const content = text === undefined ? [] : [{ type: 'output_text', text, annotations: [] }]
  const status = text === undefined ? 'in_progress' : 'completed'
  return { id: `msg_${callId}`, type: 'message', status, role: 'assistant', content }
}

type Unnumbered = { readonly type: string; readonly [member: string]: unknown }

/** @param first the number of the first of them. */
function numbered(first: number, events: readonly Unnumbered[]): string[] {
  return events.map(({ type, ...rest }, at) => named({ type, sequence_number: first + at, ...rest }))
}

const preambleCount = 4

const responses: UpstreamFormat = {
  contentEvents(sender, shape) {
    const place = { item_id: `msg_${sender.callId}`, output_index: 0, content_index: 0 }
    const begun = { response: response(sender, 'in_progress', {}) }
    return numbered(0, [
      { type: 'response.created', ...begun },
      { type: 'response.in_progress', ...begun },
      { type: 'response.output_item.added', output_index: 0, item: item(sender, undefined) },
      {
        type: 'response.content_part.added',
        ...place,
        part: { type: 'output_text', text: '', annotations: [] },
      },
      ...piecesOf(sender, shape).map((delta) => ({ type: 'response.output_text.delta', ...place, delta })),
    ])
  },
  lastEvents(sender, shape) {
    const place = { item_id: `msg_${sender.callId}`, output_index: 0, content_index: 0 }
    const text = piecesOf(sender, shape).join('')
    const done = item(sender, text)
    return numbered(preambleCount + shape.events, [
      { type: 'response.output_text.done', ...place, text },
      { type: 'response.content_part.done', ...place, part: { type: 'output_text', text, annotations: [] } },
      { type: 'response.output_item.done', output_index: 0, item: done },
      {
        type: 'response.completed',
        response: response(sender, 'completed', { output: [done], usage: responsesUsage }),
      },
    ])
  },
  whole: (sender, shape) =>
    JSON.stringify(
      response(sender, 'completed', {
        output: [item(sender, piecesOf(sender, shape).join(''))],
        usage: responsesUsage,
      }),
    ),
  errorBody: openAiError,
  errorEvent(sender) {
    const error = { code: 'gave_up', message: refusalOf(sender, 'gave_up') }
    return named({
      type: 'response.failed',
      sequence_number: 99,
      response: response(sender, 'failed', { error }),
    })
  },
  oddEvent: ({ tag }) =>
    `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"${tag}\n\n`,
}

export const upstreamFormats: Readonly<Record<Conversation, UpstreamFormat>> = {
  chat,
  messages,
  response: responses,
}

/** The response to a count, with who gave it. */
export function countOf({ tag }: Sender): string {
  return JSON.stringify({ input_tokens: 20, from: tag })
}
