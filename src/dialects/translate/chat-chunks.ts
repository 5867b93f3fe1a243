// Reads the responses of chat servers, in all the forms in which they write them, and hands on what a response consists of:
// reasoning, text, refusal, tool calls, end and usage. https://platform.openai.com/docs/api-reference/chat-streaming
import { isObject, type JsonObject, membersOf, parseJson } from '../../bytes/json/parse.ts'
import { type JsonView, viewJson } from '../../bytes/json/view.ts'
import type { GatewayError } from '../../errors.ts'
import type { ErrorFields } from '../dialect.ts'
import { errorHeadOf, readErrorFields } from '../openai/errors.ts'
import { type CallSink, ChatCalls } from './chat-calls.ts'
import { badResponse } from './errors.ts'
import { type ThinkSink, ThinkTags } from './think-tags.ts'
import { type ChatUsage, readChatUsage } from './usage.ts'

/**
 * Receives the pieces of one response. Of what stands in one chunk, reasoning comes first, then text, refusal and tool calls.
 * No piece of text is empty.
 */
export interface ChatSink extends ThinkSink, CallSink {
  /** The items of `reasoning_details` as they came, before the reasoning that they bring as text. */
  reasoningDetails(details: readonly unknown[]): void
  refusal(text: string): void
  /** The log probabilities of the text that follows. Absent: they are left out. */
  logprobs?(tokens: readonly unknown[]): void
  /** The sources of the text so far. Absent: they are left out. */
  annotations?(annotations: readonly unknown[]): void
  /** The response is longer than the sink can hold: nothing more of it is read. Absent: there is no such length. */
  readonly isOverfull?: boolean
  /** The provider reports an error instead of the rest. Nothing follows. @param status as if it were a response of its own. */
  error(fields: ErrorFields, status: number): void
}

/** How a response has ended. */
export interface ChatEnd {
  /** `calls`: the client is to run the tool calls. `filter`: what follows was withheld. */
  readonly reason: 'stop' | 'length' | 'filter' | 'calls'
  /** The stop sequence that has ended it, where the server reports it. */
  readonly stopText: string | undefined
}

/** What is not listed counts as `stop`. */
const endReasons: ReadonlyMap<string, ChatEnd['reason']> = new Map([
  ['content_filter', 'filter'],
  ['function_call', 'calls'],
  ['length', 'length'],
  ['max_tokens', 'length'],
  ['model_length', 'length'],
  ['tool_calls', 'calls'],
])

/** Of responses that the server gave up. */
const failedReasons: ReadonlySet<string> = new Set(['abort', 'error'])

/** The reader of one response: of its chunks one by one, or of the whole. */
export class ChatReader {
  /** The newest, which are totals; undefined while the provider has reported none. */
  usage: ChatUsage | undefined
  readonly #sink: ChatSink
  readonly #calls: ChatCalls
  readonly #tags: ThinkTags | undefined
  #finish: string | undefined
  #stopText: string | undefined
  /** Another member than `reasoning_details` has brought reasoning. */
  #hasReasoning = false
  #isDone = false
  #isOver = false
  #problem: GatewayError | undefined

  /** @param hasThinkTags of the provider's traits. */
  constructor(sink: ChatSink, hasThinkTags: boolean) {
    this.#sink = sink
    this.#calls = new ChatCalls(sink)
    this.#tags = hasThinkTags ? new ThinkTags() : undefined
  }

  /** Whether a chunk has named the reason of the end; usage may still follow. */
  get hasFinished(): boolean {
    return this.#finish !== undefined
  }

  /** How the response breaks the format; `end` returns it too. */
  get problem(): GatewayError | undefined {
    return this.#problem
  }

  /** @param data of an event, but not the end mark. */
  readChunk(data: Buffer): void {
    if (this.#isOver || data.length === 0) return
    const chunk = parseJson(data)
    if (isObject(chunk)) {
      this.#read(chunk, data)
      if (this.#sink.isOverfull === true) this.#break("The provider's response is too long to be translated.")
    } else this.#break("The provider's stream has an event that is not a JSON object.")
  }

  /** The end mark has arrived. */
  readDone(): void {
    this.#isDone = true
  }

  /** @param value of the body, if it was parsed already. */
  readWhole(body: Buffer, value: unknown = parseJson(body)): void {
    if (!isObject(value)) return this.#break("The provider's response is not a JSON object.")
    if (!Array.isArray(value['choices']) || value['choices'].length === 0) {
      return this.#break("The provider's response has no choices.")
    }
    this.#read(value, body)
    // A whole body has no open end.
    this.#finish ??= 'stop'
  }

  /** @returns an error if the response is incomplete, or breaks the format. */
  end(): ChatEnd | GatewayError {
    this.#tags?.flush(this.#sink)
    if (this.#problem !== undefined) return this.#problem
    const { count, hasNameless, areComplete } = this.#calls
    if (hasNameless) return badResponse("The provider's response has a tool call without a name.")
    const finish = this.#finish ?? (this.#isDone && count > 0 && areComplete ? 'tool_calls' : undefined)
    if (finish === undefined)
      return badResponse("The provider's stream ended before the response was complete.")
    if (failedReasons.has(finish))
      return badResponse('The provider gave up before the response was complete.')
    const reason = endReasons.get(finish) ?? 'stop'
    // Many servers write `stop` after tool calls. What was truncated within a call is no call.
    const isCut = (reason === 'length' || reason === 'filter') && !areComplete
    if (count > 0 && !isCut) return { reason: 'calls', stopText: undefined }
    return { reason: reason === 'calls' ? 'stop' : reason, stopText: this.#stopText }
  }

  #read(value: JsonObject, data: Buffer): void {
    const { choices, error, object } = value
    if (Boolean(error) || object === 'error') return this.#reportError(value, data)
    if (Array.isArray(choices)) {
      const raw = new RawArguments(data)
      for (let at = 0; at < choices.length; at += 1) this.#readChoice(membersOf(choices[at]), raw, at)
    }
    if (value['usage'] || value['x_groq'] || value['timings']) {
      this.usage = readChatUsage(value, this.usage) ?? this.usage
    }
  }

  #readChoice(choice: JsonObject, raw: RawArguments, at: number): void {
    if (choice['index'] !== undefined && choice['index'] !== 0) return
    const member = choice['delta'] ? 'delta' : 'message'
    const message = membersOf(choice[member])
    this.#readReasoning(message)
    const { content, refusal, tool_calls: calls, function_call: called } = message
    if (choice['logprobs']) this.#readLogprobs(membersOf(choice['logprobs']))
    if (typeof content === 'string') {
      if (content !== '') this.#text(content)
    } else if (Array.isArray(content)) this.#readParts(content)
    const { annotations } = message
    if (Array.isArray(annotations) && annotations.length > 0) this.#sink.annotations?.(annotations)
    if (typeof refusal === 'string' && refusal !== '') this.#sink.refusal(refusal)
    if (Array.isArray(calls)) this.#readCalls(calls, { raw, at, member })
    // The form before `tool_calls`.
    if (isObject(called)) this.#readCalls([{ function: called }], { raw, at, member })
    const { finish_reason: finish, stop_reason: stopReason, matched_stop: matched } = choice
    if (typeof finish !== 'string' || finish === '') return
    this.#finish = finish
    // vLLM and SGLang report the sequence; a number is a token.
    const stopText = stopReason ?? matched
    if (typeof stopText === 'string') this.#stopText = stopText
  }

  #readLogprobs({ content }: JsonObject): void {
    if (Array.isArray(content) && content.length > 0) this.#sink.logprobs?.(content)
  }

  #readReasoning(message: JsonObject): void {
    const details = message['reasoning_details']
    const hasDetails = Array.isArray(details) && details.length > 0
    if (hasDetails) this.#sink.reasoningDetails(details)
    // Several members bring the same text, for older clients; details may repeat it later, with its signature.
    const text = message['reasoning_content'] || message['reasoning'] || message['thinking']
    if (typeof text === 'string' && text !== '') {
      this.#hasReasoning = true
      this.#sink.reasoning(text)
    } else if (hasDetails && !this.#hasReasoning) {
      const texts = details.map((item) => textIn(item, 'text')).join('')
      if (texts !== '') this.#sink.reasoning(texts)
    }
  }

  /** Mistral writes content as parts when a model reasons. */
  #readParts(parts: readonly unknown[]): void {
    for (const part of parts) {
      const { thinking } = membersOf(part)
      const thoughts = Array.isArray(thinking)
        ? thinking.map((item) => textIn(item, 'text')).join('')
        : thinking
      if (typeof thoughts === 'string' && thoughts !== '') this.#sink.reasoning(thoughts)
      const text = textIn(part, 'text')
      if (text !== '') this.#text(text)
    }
  }

  #text(text: string): void {
    if (this.#tags === undefined) this.#sink.text(text)
    else this.#tags.push(text, this.#sink)
  }

  #readCalls(calls: readonly unknown[], place: CallPlace): void {
    this.#tags?.flush(this.#sink)
    for (let position = 0; position < calls.length; position += 1) {
      const call = membersOf(calls[position])
      const args = membersOf(call['function'])['arguments']
      const text = typeof args === 'string' ? args : isObject(args) ? place.raw.of(place, position) : ''
      this.#calls.read(call, calls.length > 1 ? position : undefined, text)
      if (this.#calls.isOverfull) {
        return this.#break(
          "The provider's response has too many tool calls, or too much of one before its name.",
        )
      }
    }
  }

  #reportError(value: JsonObject, data: Buffer): void {
    this.#isOver = true
    // vLLM's older form has the members of the error beside `object`.
    const body = value['error'] ? data : Buffer.from(JSON.stringify({ error: value }))
    const message = 'The provider reported an error without a message.'
    const fields = readErrorFields(body) ?? { message, type: null, param: null, code: null }
    this.#sink.error(fields, errorHeadOf(data)?.status ?? 500)
  }

  #break(message: string): void {
    this.#isOver = true
    this.#problem = badResponse(message)
  }
}

/** Where the tool calls of a message are in an event or a body. */
interface CallPlace {
  readonly raw: RawArguments
  /** Of the choice among the choices. */
  readonly at: number
  readonly member: 'delta' | 'message'
}

/** Arguments that are objects, as they were written: parsing would change the order of some names, and numbers. */
class RawArguments {
  readonly #data: Buffer
  /** Found once: to look for each call from the start of a body with a thousand of them would take minutes. */
  #choices: readonly JsonView[] | undefined
  #message: Located | undefined

  /** @param data of an event, or a body: valid JSON. */
  constructor(data: Buffer) {
    this.#data = data
  }

  of({ at, member }: CallPlace, position: number): string {
    const { calls, called } = this.#locate(at, member)
    const call = calls[position]?.members().get('function') ?? called
    return call?.members().get('arguments')?.raw.toString() ?? ''
  }

  #locate(at: number, member: string): Located {
    if (this.#message?.at === at) return this.#message
    this.#choices ??= viewJson(this.#data).members().get('choices')?.elements() ?? []
    const message = this.#choices[at]?.members().get(member)?.members()
    const calls = message?.get('tool_calls')?.elements() ?? []
    this.#message = { at, calls, called: message?.get('function_call') }
    return this.#message
  }
}

/** The calls of the message of one choice. */
interface Located {
  readonly at: number
  readonly calls: readonly JsonView[]
  readonly called: JsonView | undefined
}

function textIn(value: unknown, name: string): string {
  const text = membersOf(value)[name]
  return typeof text === 'string' ? text : ''
}
