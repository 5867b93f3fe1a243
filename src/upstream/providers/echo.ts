// The built-in provider: returns the last message, streamed word by word where a stream is requested, with usage. It
// opens no connection, so it shows that clients reach the gateway before any model works.
import { kindsWith } from './native-formats.ts'
import { openServerTraits } from './traits.ts'
import { unmasked } from '../mask.ts'
import type { ResponseHandler, Exchange, Provider, ProviderRequest } from '../provider.ts'

const noTimeouts = { connectMs: 0, firstByteMs: 0, idleMs: 0, totalMs: 0 }

export function createEcho(name: string): Provider {
  return {
    name,
    kind: 'echo',
    allowsManagement: false,
    host: 'built in',
    boundary: 'local',
    staysIn: 'local',
    timeouts: noTimeouts,
    isLocal: true,
    hasService: false,
    traceContext: 'never',
    includeUsage: 'auto',
    maxParallelRequests: undefined,
    speaks: echoSpeaks,
    traitsOf: () => openServerTraits,
    meaningOf: () => undefined,
    mask: unmasked,
    send(request, handler) {
      const exchange = new EchoExchange(handler, responseTo(request))
      setImmediate(() => exchange.begin())
      return exchange
    },
    pass({ path }, handler) {
      const exchange = new EchoExchange(handler, noPage(path))
      setImmediate(() => exchange.begin())
      return exchange
    },
    get(path, handler) {
      const exchange = new EchoExchange(handler, noPage(path))
      setImmediate(() => exchange.begin())
      return exchange
    },
    close: () => Promise.resolve(),
  }
}

/** Formats that it lacks are refused by name, but for one that is translated. */
export function echoSpeaks(format: string): boolean {
  return format !== 'messages' && !format.startsWith('ollama_') && kindsWith(format) === undefined
}

interface EchoResponse {
  readonly status: number
  readonly contentType: string
  readonly pieces: readonly Buffer[]
}

/** Sends one piece per turn of the event loop; `pause` and `abort` take effect between two pieces. */
class EchoExchange implements Exchange {
  readonly wasSent = true
  readonly #handler: ResponseHandler
  readonly #response: EchoResponse
  #next = 0
  #state: 'open' | 'paused' | 'over' = 'open'

  constructor(handler: ResponseHandler, response: EchoResponse) {
    this.#handler = handler
    this.#response = response
  }

  begin(): void {
    if (this.#state === 'over') return
    this.#handler.onHead({
      status: this.#response.status,
      headers: { 'content-type': this.#response.contentType },
    })
    this.#step()
  }

  pause(): void {
    if (this.#state === 'open') this.#state = 'paused'
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'open'
    setImmediate(() => this.#step())
  }

  abort(): void {
    this.#state = 'over'
  }

  #step(): void {
    if (this.#state !== 'open') return
    const piece = this.#response.pieces[this.#next++]
    if (piece === undefined) {
      this.#state = 'over'
      this.#handler.onEnd()
      return
    }
    this.#handler.onData(piece)
    setImmediate(() => this.#step())
  }
}

/** The members that the echo reads. */
interface EchoRequest {
  readonly model?: unknown
  readonly messages?: unknown
  readonly prompt?: unknown
  readonly input?: unknown
  readonly stream_options?: { readonly include_usage?: unknown }
}

function noPage(path: string): EchoResponse {
  const message = `The echo provider does not support ${path}.`
  return json(404, { error: { message, type: 'invalid_request_error', param: null, code: 'not_an_echo' } })
}

function responseTo(request: ProviderRequest): EchoResponse {
  const form = forms.get(request.path)
  if (form === undefined) {
    const message = `The echo provider does not support ${request.path}; it supports ${[...forms.keys()].join(', ')}.`
    return json(400, {
      error: { message, type: 'invalid_request_error', param: 'model', code: 'not_an_echo' },
    })
  }
  const body = JSON.parse(textOf(request.body)) as EchoRequest
  const text = lastText(lastMessage(body.messages)?.content ?? body.prompt ?? body.input)
  const echo = {
    id: request.requestId,
    model: String(body.model),
    text,
    words: text.match(/\s*\S+|\s+$/g) ?? [],
  }
  if (!request.isStream || form.events === undefined) return json(200, form.whole(echo))
  return sse(form.events(echo, body))
}

function textOf(body: ProviderRequest['body']): string {
  return (Buffer.isBuffer(body) ? body : Buffer.concat(body.parts)).toString()
}

/** A client may write any JSON value: `messages` need not be a list. */
function lastMessage(messages: unknown): { readonly content?: unknown } | undefined {
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined
  return typeof last === 'object' && last !== null ? last : undefined
}

/** The text of a message's content, of a prompt, or of the last of several inputs. */
function lastText(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  const parts: unknown[] = content
  const texts = parts.map((part) => {
    if (typeof part === 'string') return part
    const { text, content: nested } = (part ?? {}) as { text?: unknown; content?: unknown }
    return typeof text === 'string' ? text : lastText(nested)
  })
  return texts.filter((text) => text !== '').join('\n')
}

interface Echo {
  readonly id: string
  readonly model: string
  readonly text: string
  readonly words: readonly string[]
}

interface Form {
  whole(echo: Echo): object
  /** Absent where nothing streams: `stream: true` is then ignored, as providers do. */
  events?(echo: Echo, body: EchoRequest): string[]
}

/** A word is a token here: good enough to watch limits work. */
function chatUsage({ words }: Echo): object {
  return { prompt_tokens: words.length, completion_tokens: words.length, total_tokens: 2 * words.length }
}

function responsesUsage({ words }: Echo): object {
  return { input_tokens: words.length, output_tokens: words.length, total_tokens: 2 * words.length }
}

const created = 0

const chat: Form = {
  whole: (echo) => ({
    id: echo.id,
    object: 'chat.completion',
    created,
    model: echo.model,
    choices: [{ index: 0, message: { role: 'assistant', content: echo.text }, finish_reason: 'stop' }],
    usage: chatUsage(echo),
  }),
  events(echo, body) {
    const chunk = (delta: object, finish_reason: string | null) => ({
      id: echo.id,
      object: 'chat.completion.chunk',
      created,
      model: echo.model,
      choices: [{ index: 0, delta, finish_reason }],
    })
    const chunks = echo.words.map((content) => chunk({ content }, null))
    return chunkEvents(
      [chunk({ role: 'assistant', content: '' }, null), ...chunks, chunk({}, 'stop')],
      echo,
      body,
    )
  },
}

const completion: Form = {
  whole: (echo) => ({
    id: echo.id,
    object: 'text_completion',
    created,
    model: echo.model,
    choices: [{ index: 0, text: echo.text, finish_reason: 'stop' }],
    usage: chatUsage(echo),
  }),
  events(echo, body) {
    const chunk = (text: string, finish_reason: string | null) => ({
      id: echo.id,
      object: 'text_completion',
      created,
      model: echo.model,
      choices: [{ index: 0, text, finish_reason }],
    })
    return chunkEvents([...echo.words.map((word) => chunk(word, null)), chunk('', 'stop')], echo, body)
  },
}

function chunkEvents(chunks: readonly object[], echo: Echo, body: EchoRequest): string[] {
  const isUsageAsked = body.stream_options?.include_usage === true
  const usage = isUsageAsked ? [{ ...chunks[0], choices: [], usage: chatUsage(echo) }] : []
  return [...chunks, ...usage].map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).concat('data: [DONE]\n\n')
}

/** The only item of a response. */
function messageOf({ id, text }: Echo) {
  const part = { type: 'output_text', text, annotations: [], logprobs: [] }
  return { id: `msg_${id}`, type: 'message', role: 'assistant', status: 'completed', content: [part] }
}

const response: Form = {
  whole: (echo) => ({
    id: echo.id,
    object: 'response',
    created_at: created,
    status: 'completed',
    error: null,
    incomplete_details: null,
    model: echo.model,
    output: [messageOf(echo)],
    usage: responsesUsage(echo),
  }),
  // Codex shows a text only within an item, and takes the item from its last event.
  events(echo) {
    const whole = response.whole(echo)
    const begun = { ...whole, status: 'in_progress', output: [], usage: null }
    const item = messageOf(echo)
    const [part] = item.content
    const [inItem, inPart] = [{ output_index: 0 }, { item_id: item.id, output_index: 0, content_index: 0 }]
    const events = [
      { type: 'response.created', response: begun },
      { type: 'response.in_progress', response: begun },
      {
        type: 'response.output_item.added',
        ...inItem,
        item: { ...item, status: 'in_progress', content: [] },
      },
      { type: 'response.content_part.added', ...inPart, part: { ...part, text: '' } },
      ...echo.words.map((delta) => ({ type: 'response.output_text.delta', ...inPart, delta, logprobs: [] })),
      { type: 'response.output_text.done', ...inPart, text: echo.text, logprobs: [] },
      { type: 'response.content_part.done', ...inPart, part },
      { type: 'response.output_item.done', ...inItem, item },
      { type: 'response.completed', response: whole },
    ]
    return events.map(
      (event, index) =>
        `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: index })}\n\n`,
    )
  },
}

/** One number, the input's length in words: enough to see that input and response belong together. */
const embedding: Form = {
  whole: (echo) => ({
    object: 'list',
    model: echo.model,
    data: [{ object: 'embedding', index: 0, embedding: [echo.words.length] }],
    usage: { prompt_tokens: echo.words.length, total_tokens: echo.words.length },
  }),
}

const promptCount: Form = {
  whole: ({ words }) => ({ object: 'response.input_tokens', input_tokens: words.length }),
}

const forms: ReadonlyMap<string, Form> = new Map([
  ['/chat/completions', chat],
  ['/completions', completion],
  ['/embeddings', embedding],
  ['/responses', response],
  ['/responses/input_tokens', promptCount],
])

function json(status: number, body: object): EchoResponse {
  return { status, contentType: 'application/json', pieces: [Buffer.from(JSON.stringify(body))] }
}

function sse(events: readonly string[]): EchoResponse {
  return { status: 200, contentType: 'text/event-stream', pieces: events.map((event) => Buffer.from(event)) }
}
