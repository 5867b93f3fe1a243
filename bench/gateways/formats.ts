// The formats of calls and of the scripted answers to them. An answer is as short as a server's can be, and has all that
// a translation looks at.
import {
  chatBody,
  eventText,
  type Format,
  instructions,
  isStreamed,
  marker,
  messagesBody,
  promptOf,
  type Script,
} from './wire.ts'

/** A format as clients send it, and as the scripted upstream answers. */
export interface WireFormat {
  /** At a client's end and at the upstream's. */
  readonly path: string
  readonly body: (model: string, script: Script, bulkBytes?: number) => string
  /** The whole answer as JSON, with this text in it. */
  readonly whole: (text: string) => string
  readonly streamed?: Streamed
}

interface Streamed {
  readonly mediaType: string
  /** What comes before the first numbered event, in one write with it. */
  readonly start: string
  /** The event with this number, from 0 on. */
  readonly event: (index: number) => string
  /** What follows the last one. @param withUsage where the request asked for the count of tokens. */
  readonly end: (withUsage: boolean) => string
}

const [prompt, completion] = [74, 23]
const usage = { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
const counts = { input_tokens: prompt, output_tokens: completion }
const created = 1_700_000_000
const model = 'bench'
const eventStream = 'text/event-stream'

const chat: WireFormat = {
  path: '/v1/chat/completions',
  body: chatBody,
  whole: wholeAnswer,
  streamed: { mediaType: eventStream, start: '', event: streamEvent, end: streamEnd },
}

/** A whole answer as JSON. */
export function wholeAnswer(content: string): string {
  const choice = { index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }
  return JSON.stringify({ ...chatEnvelope(), object: 'chat.completion', choices: [choice], usage })
}

/** The event of a chat's stream with this number, from 0 on. */
export function streamEvent(index: number): string {
  return chunkEvent({ choices: [{ index: 0, delta: { content: eventText(index) }, finish_reason: null }] })
}

/** What follows the last numbered event of a chat's stream. */
export function streamEnd(withUsage: boolean): string {
  const finish = chunkEvent({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
  return `${finish}${withUsage ? chunkEvent({ choices: [], usage }) : ''}data: [DONE]\n\n`
}

function chunkEvent(rest: object): string {
  return `data: ${JSON.stringify({ ...chatEnvelope(), object: 'chat.completion.chunk', ...rest })}\n\n`
}

function chatEnvelope() {
  return { id: 'chatcmpl-bench', created, model }
}

const completionEnvelope = { id: 'cmpl-bench', object: 'text_completion', created, model }

const completions: WireFormat = {
  path: '/v1/completions',
  body: (of, script) =>
    JSON.stringify({ model: of, prompt: promptOf(script), ...streamOf(script), max_tokens: 1024 }),
  whole: (text) =>
    JSON.stringify({ ...completionEnvelope, choices: [completionChoice(text, 'stop')], usage }),
  streamed: {
    mediaType: eventStream,
    start: '',
    event: (index) => completionEvent([completionChoice(eventText(index), null)]),
    end: (withUsage) => {
      const finish = completionEvent([completionChoice('', 'stop')])
      return `${finish}${withUsage ? completionEvent([], { usage }) : ''}data: [DONE]\n\n`
    },
  },
}

function completionChoice(text: string, finish_reason: string | null) {
  return { index: 0, text, finish_reason }
}

function completionEvent(choices: readonly object[], rest: object = {}): string {
  return `data: ${JSON.stringify({ ...completionEnvelope, choices, ...rest })}\n\n`
}

const embeddings: WireFormat = {
  path: '/v1/embeddings',
  body: (of, script) => JSON.stringify({ model: of, input: promptOf(script) }),
  // The marker stands beside the numbers, which have no room for it.
  whole: (text) => {
    const embedding = Array.from({ length: 64 }, (_, index) => Math.sin(index))
    const data = [{ object: 'embedding', index: 0, embedding }]
    const counted = { prompt_tokens: prompt, total_tokens: prompt }
    return JSON.stringify({ object: 'list', model, data, usage: counted, note: text })
  },
}

const messageEnvelope = { id: 'msg_01', type: 'message', role: 'assistant', model, stop_sequence: null }

const messages: WireFormat = {
  path: '/v1/messages',
  body: messagesBody,
  whole: (text) =>
    JSON.stringify({
      ...messageEnvelope,
      content: [{ type: 'text', text }],
      stop_reason: 'end_turn',
      usage: counts,
    }),
  streamed: {
    mediaType: eventStream,
    start: [
      typedEvent({
        type: 'message_start',
        message: {
          ...messageEnvelope,
          content: [],
          stop_reason: null,
          usage: { ...counts, output_tokens: 1 },
        },
      }),
      typedEvent({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    ].join(''),
    event: (index) => {
      const delta = { type: 'text_delta', text: eventText(index) }
      return typedEvent({ type: 'content_block_delta', index: 0, delta })
    },
    end: () => {
      const delta = { stop_reason: 'end_turn', stop_sequence: null }
      return [
        typedEvent({ type: 'content_block_stop', index: 0 }),
        typedEvent({ type: 'message_delta', delta, usage: { output_tokens: completion } }),
        typedEvent({ type: 'message_stop' }),
      ].join('')
    },
  },
}

const responseUsage = {
  ...counts,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: prompt + completion,
}
const outputPlace = { item_id: 'msg_01', output_index: 0, content_index: 0 }

const responses: WireFormat = {
  path: '/v1/responses',
  body: (of, script) =>
    JSON.stringify({
      model: of,
      instructions,
      // As agents send it; a plain text is not translated by every gateway.
      input: [{ role: 'user', content: [{ type: 'input_text', text: promptOf(script) }] }],
      ...streamOf(script),
      max_output_tokens: 1024,
    }),
  whole: (text) => JSON.stringify(response('completed', [outputItem('completed', [outputText(text)])])),
  streamed: {
    mediaType: eventStream,
    start: [
      typedEvent({ type: 'response.created', sequence_number: 0, response: response('in_progress', []) }),
      typedEvent({
        type: 'response.output_item.added',
        sequence_number: 1,
        output_index: 0,
        item: outputItem('in_progress', []),
      }),
      typedEvent({
        type: 'response.content_part.added',
        sequence_number: 2,
        ...outputPlace,
        part: outputText(''),
      }),
    ].join(''),
    event: (index) => {
      const place = { sequence_number: index + 3, ...outputPlace }
      return typedEvent({ type: 'response.output_text.delta', ...place, delta: eventText(index) })
    },
    end: () => {
      const item = outputItem('completed', [outputText('all of it')])
      return [
        typedEvent({ type: 'response.output_text.done', ...outputPlace, text: 'all of it' }),
        typedEvent({ type: 'response.output_item.done', output_index: 0, item }),
        typedEvent({ type: 'response.completed', response: response('completed', [item]) }),
      ].join('')
    },
  },
}

function outputText(text: string) {
  return { type: 'output_text', text, annotations: [] }
}

function outputItem(status: string, content: readonly object[]) {
  return { type: 'message', id: 'msg_01', role: 'assistant', status, content }
}

function response(status: string, output: readonly object[]) {
  const counted = status === 'completed' ? { usage: responseUsage } : { usage: null }
  return { id: 'resp_bench', object: 'response', created_at: created, status, model, output, ...counted }
}

const ollamaEnvelope = { model, created_at: '2026-01-02T03:04:05.678Z' }
const ollamaEnd = {
  done: true,
  done_reason: 'stop',
  total_duration: 5_000_000,
  load_duration: 1_000_000,
  prompt_eval_count: prompt,
  prompt_eval_duration: 1_000_000,
  eval_count: completion,
  eval_duration: 3_000_000,
}

const ollamaChat: WireFormat = {
  path: '/api/chat',
  // Absent, `stream` means true there.
  body: (of, script) =>
    JSON.stringify({
      model: of,
      messages: [{ role: 'user', content: promptOf(script) }],
      stream: isStreamed(script),
    }),
  whole: (text) => JSON.stringify({ ...ollamaEnvelope, message: ollamaMessage(text), ...ollamaEnd }),
  streamed: {
    mediaType: 'application/x-ndjson',
    start: '',
    event: (index) =>
      `${JSON.stringify({ ...ollamaEnvelope, message: ollamaMessage(eventText(index)), done: false })}\n`,
    end: () => `${JSON.stringify({ ...ollamaEnvelope, message: ollamaMessage(''), ...ollamaEnd })}\n`,
  },
}

function ollamaMessage(content: string) {
  return { role: 'assistant', content }
}

function streamOf(script: Script): { stream?: true } {
  return isStreamed(script) ? { stream: true } : {}
}

/** An event whose name is its type. */
function typedEvent(event: { readonly type: string; readonly [member: string]: unknown }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

export const formats: Readonly<Record<Format, WireFormat>> = {
  chat,
  completions,
  embeddings,
  messages,
  ollama_chat: ollamaChat,
  responses,
}

/** What the scripted upstream needs for an answer, made before it is asked for. */
export interface Answers {
  /** Head and body. */
  readonly plain: Buffer
  /** In chunks. */
  readonly stream?: {
    /** The head. */
    readonly head: string
    /** The first one has what comes before it. */
    readonly events: readonly string[]
    readonly ends: { readonly withUsage: string; readonly withoutUsage: string }
  }
}

/** @param count of the numbered events of the longest stream */
export function answersOf({ whole, streamed }: WireFormat, count: number): Answers {
  const plain = scriptedResponse(200, whole(marker))
  if (streamed === undefined) return { plain }
  const { mediaType, start, event, end } = streamed
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${mediaType}\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n`
  const events = Array.from({ length: count }, (_, index) =>
    chunk(index === 0 ? start + event(0) : event(index)),
  )
  const last = (withUsage: boolean) => `${chunk(end(withUsage))}0\r\n\r\n`
  return { plain, stream: { head, events, ends: { withUsage: last(true), withoutUsage: last(false) } } }
}

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`
}

/** Head and body of a response in JSON. @param body ASCII */
export function scriptedResponse(status: number, body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 ${status} Scripted\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
}
