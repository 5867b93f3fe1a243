// An answer as chat clients receive it: as chunks, or as one completion.
// https://platform.openai.com/docs/api-reference/chat-streaming
import type { JsonObject } from '../../../bytes/json/parse.ts'
import { doneEvent } from '../../openai/reshape/forms.ts'
import { encodeEvent } from '../../../bytes/sse.ts'
import type { ToolNames } from '../tool-names.ts'
import type { Write } from '../../translator.ts'
import type { MessagesSink } from './messages-reader.ts'
import { encrypted, type ReasoningDetail, signedText } from './signatures.ts'

/** What all parts of an answer carry. */
export interface AnswerFacts {
  readonly id: string
  /** Unix time in seconds. */
  readonly created: number
  readonly model: string
  /** The client knows only `function_call`, the form before `tool_calls`. */
  readonly isLegacy: boolean
  /** Of the tools. */
  readonly names: ToolNames
}

/** How an answer has ended. */
export interface AnswerEnd {
  readonly finishReason: string
  readonly usage: JsonObject | undefined
}

/** Writes chunks while the pieces arrive. */
export class ChunkWriter implements MessagesSink {
  readonly #isLegacy: boolean
  readonly #names: ToolNames
  /** Of a chunk: before its delta, and after the delta of an open answer. */
  readonly #before: string
  readonly #envelope: object
  #write: Write = ignore
  #hasBegun = false
  #calls = 0
  #details = 0

  constructor({ id, created, model, isLegacy, names }: AnswerFacts) {
    this.#isLegacy = isLegacy
    this.#names = names
    this.#envelope = { id, object: 'chat.completion.chunk', created, model }
    this.#before = `data: ${JSON.stringify(this.#envelope).slice(0, -1)},"choices":[{"index":0,"delta":`
  }

  /** To be called before pieces are handed on. */
  writeTo(write: Write): void {
    this.#write = write
  }

  begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#delta('{"role":"assistant","content":""}')
  }

  text(text: string): void {
    this.begin()
    this.#delta(`{"content":${JSON.stringify(text)}}`)
  }

  reasoning(text: string): void {
    this.begin()
    this.#delta(`{"reasoning_content":${JSON.stringify(text)}}`)
  }

  signature(text: string, signature: string): void {
    this.#detail(signedText(text, signature, this.#details))
  }

  redactedReasoning(data: string): void {
    this.#detail(encrypted(data, this.#details))
  }

  callStart(id: string, name: string): void {
    this.begin()
    const called = { name: this.#names.toClient(name), arguments: '' }
    const index = this.#calls
    this.#calls += 1
    const delta = this.#isLegacy
      ? { function_call: called }
      : { tool_calls: [{ index, id, type: 'function', function: called }] }
    this.#delta(JSON.stringify(delta))
  }

  callArguments(text: string): void {
    const called = `{"arguments":${JSON.stringify(text)}}`
    const call = `{"tool_calls":[{"index":${this.#calls - 1},"function":${called}}]}`
    this.#delta(this.#isLegacy ? `{"function_call":${called}}` : call)
  }

  /** @param wantsUsage the client requested a chunk with the usage. */
  end({ finishReason, usage }: AnswerEnd, wantsUsage: boolean): void {
    this.begin()
    this.#delta('{}', finishReason)
    if (wantsUsage && usage !== undefined) {
      this.#write(encodeEvent({ data: JSON.stringify({ ...this.#envelope, choices: [], usage }) }))
    }
    this.#write(encodeEvent(doneEvent))
  }

  #detail(detail: ReasoningDetail): void {
    this.begin()
    this.#details += 1
    this.#delta(JSON.stringify({ reasoning_details: [detail] }))
  }

  #delta(delta: string, finishReason?: string): void {
    const reason = finishReason === undefined ? 'null' : JSON.stringify(finishReason)
    this.#write(Buffer.from(`${this.#before}${delta},"logprobs":null,"finish_reason":${reason}}]}\n\n`))
  }
}

function ignore(): void {}

interface Call {
  readonly id: string
  readonly name: string
  args: string
}

/** Collects the pieces for a client that wants a whole body. */
export class CompletionBuilder implements MessagesSink {
  readonly #facts: AnswerFacts
  #text = ''
  #reasoning = ''
  readonly #details: ReasoningDetail[] = []
  readonly #calls: Call[] = []

  constructor(facts: AnswerFacts) {
    this.#facts = facts
  }

  text(text: string): void {
    this.#text += text
  }

  reasoning(text: string): void {
    this.#reasoning += text
  }

  signature(text: string, signature: string): void {
    this.#details.push(signedText(text, signature, this.#details.length))
  }

  redactedReasoning(data: string): void {
    this.#details.push(encrypted(data, this.#details.length))
  }

  callStart(id: string, name: string): void {
    this.#calls.push({ id, name: this.#facts.names.toClient(name), args: '' })
  }

  callArguments(text: string): void {
    this.#calls.at(-1)!.args += text
  }

  body({ finishReason, usage }: AnswerEnd): Buffer {
    const { id, created, model } = this.#facts
    const choice = { index: 0, message: this.#message(), logprobs: null, finish_reason: finishReason }
    const completion = { id, object: 'chat.completion', created, model, choices: [choice], usage }
    return Buffer.from(JSON.stringify(completion))
  }

  #message(): object {
    const hasText = this.#text !== '' || this.#calls.length === 0
    return {
      role: 'assistant',
      content: hasText ? this.#text : null,
      refusal: null,
      ...(this.#reasoning !== '' && { reasoning_content: this.#reasoning }),
      ...(this.#details.length > 0 && { reasoning_details: this.#details }),
      ...this.#callMembers(),
    }
  }

  #callMembers(): object {
    const functions = this.#calls.map(({ name, args }) => ({ name, arguments: args }))
    if (functions.length === 0) return {}
    if (this.#facts.isLegacy) return { function_call: functions[0] }
    return {
      tool_calls: this.#calls.map(({ id }, at) => ({ id, type: 'function', function: functions[at] })),
    }
  }
}
