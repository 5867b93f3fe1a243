// The pieces of a chat response on their way to a client of Ollama's API: as lines, or as one object.
import type { GatewayError } from '../../../errors.ts'
import { viewObject } from '../../../bytes/json/view.ts'
import type { ErrorFields } from '../../dialect.ts'
import { errorLine } from '../../ollama/stream.ts'
import type { ChatCall } from '../chat-calls.ts'
import type { ChatEnd, ChatSink } from '../chat-chunks.ts'
import { badResponse } from '../errors.ts'
import type { ToolNames } from '../tool-names.ts'
import type { ChatUsage } from '../usage.ts'

/** `chat`: texts stand in a message. `generate`: they are members of the object itself. */
export type AnswerForm = 'chat' | 'generate'

/** What all lines of an answer have, and what they are measured by. */
export interface AnswerOptions {
  readonly form: AnswerForm
  /** As the client named it. */
  readonly model: string
  /** Unix time in seconds. */
  readonly created: number
  /** Whether the client wants lines. */
  readonly isStream: boolean
  /** As the request has shortened them. */
  readonly names: ToolNames
  /** Milliseconds of the monotonic clock. */
  readonly now: () => number
}

interface OpenCall {
  readonly call: ChatCall
  text: string
}

/** The members of a message, or of an answer to a prompt. */
interface Piece {
  readonly text?: string
  readonly thinking?: string
  readonly calls?: readonly string[]
}

/** Milliseconds in nanoseconds, as all durations are reported. */
const nsPerMs = 1_000_000

const doneReasons: Readonly<Record<ChatEnd['reason'], string>> = {
  stop: 'stop',
  length: 'length',
  filter: 'content_filter',
  // Ollama knows no reason of their own.
  calls: 'stop',
}

/** Of one response. */
export class OllamaAnswer implements ChatSink {
  /** The provider has reported an error, which the client has received where it receives lines. */
  hasFailed = false
  /** Why the response cannot be written; what came before it was. */
  problem: GatewayError | undefined
  readonly #options: AnswerOptions
  /** Begins each line. */
  readonly #start: string
  readonly #begunAtMs: number
  #firstPieceAtMs: number | undefined
  /** Lines for the client, since the last `take`. */
  #written = ''
  /** Of an answer that is sent whole. */
  readonly #texts: string[] = []
  readonly #thinking: string[] = []
  readonly #calls: string[] = []
  /** In the order of their names; a call goes out with its arguments, once those before it have. */
  readonly #open: OpenCall[] = []
  /** Of the text that follows. */
  #logprobs: readonly unknown[] = []

  constructor(options: AnswerOptions) {
    const { model, created, now } = options
    const createdAt = new Date(created * 1000).toISOString().replace('.000', '')
    this.#options = options
    this.#start = `{"model":${JSON.stringify(model)},"created_at":"${createdAt}",`
    this.#begunAtMs = now()
  }

  /** The lines since the last call; undefined if there are none. */
  take(): Buffer | undefined {
    if (this.#written === '') return undefined
    const bytes = Buffer.from(this.#written)
    this.#written = ''
    return bytes
  }

  reasoning(text: string): void {
    this.#notice()
    if (this.#options.isStream) this.#line({ thinking: text })
    else this.#thinking.push(text)
  }

  /** Their texts arrive as reasoning. */
  reasoningDetails(): void {}

  text(text: string): void {
    this.#notice()
    if (this.#options.isStream) this.#line({ text })
    else this.#texts.push(text)
  }

  /** Ollama knows no refusals. */
  refusal(text: string): void {
    this.text(text)
  }

  logprobs(tokens: readonly unknown[]): void {
    this.#logprobs = this.#logprobs.concat(tokens)
  }

  callStart(call: ChatCall): void {
    this.#notice()
    this.#open.push({ call, text: '' })
  }

  callArguments(call: ChatCall, text: string): void {
    const open = this.#open.find((each) => each.call === call)
    if (open === undefined) {
      // It has gone out because its arguments were whole.
      if (text.trim() !== '') {
        this.problem ??= badResponse("The provider's stream has arguments of a tool call after their end.")
      }
      return
    }
    open.text += text
    while (this.#open[0]?.call.args.isComplete === true) this.#endCall()
  }

  error({ message }: ErrorFields): void {
    this.hasFailed = true
    if (this.#options.isStream) this.#written += errorLine(message).toString()
  }

  /** @returns the body for a client that wants one, or an error if a tool call has arguments that are no object. */
  end({ reason }: ChatEnd, usage: ChatUsage | undefined): Buffer | GatewayError | undefined {
    const isCut = reason === 'length' || reason === 'filter'
    while (this.#open.length > 0) {
      // A call without all of its arguments cannot run; the reason shows that something is missing.
      if (isCut && !this.#open[0]!.call.args.isComplete) this.#open.shift()
      else this.#endCall()
    }
    if (this.problem !== undefined) return this.problem
    const { isStream } = this.#options
    const piece = isStream ? { text: '' } : this.#whole()
    const line = `${this.#start}${this.#members(piece)}${this.#logprobsMember()},${this.#endMembers(reason, usage)}}`
    if (!isStream) return Buffer.from(line)
    this.#written += `${line}\n`
    return undefined
  }

  #whole(): Piece {
    return {
      text: this.#texts.join(''),
      ...(this.#thinking.length > 0 && { thinking: this.#thinking.join('') }),
      ...(this.#calls.length > 0 && { calls: this.#calls }),
    }
  }

  #endCall(): void {
    const { call, text } = this.#open.shift()!
    const { id, name, position } = call
    const args = text.trim() === '' ? '{}' : text.trim()
    if (viewObject(args) === undefined) {
      const problem = 'has a tool call whose arguments are not a JSON object'
      this.problem ??= badResponse(`The provider's response ${problem}.`)
      return
    }
    const own = id === undefined ? '' : `"id":${JSON.stringify(id)},`
    const named = `"index":${position},"name":${JSON.stringify(this.#options.names.toClient(name))}`
    // A line end within JSON is white space.
    const written = `{${own}"function":{${named},"arguments":${args.replaceAll(/[\r\n]/g, ' ')}}}`
    if (this.#options.isStream) this.#line({ calls: [written] })
    else this.#calls.push(written)
  }

  #line(piece: Piece): void {
    this.#written += `${this.#start}${this.#members(piece)}${this.#logprobsMember()},"done":false}\n`
  }

  #members({ text = '', thinking, calls }: Piece): string {
    const isChat = this.#options.form === 'chat'
    const thought = thinking === undefined ? '' : `,"thinking":${JSON.stringify(thinking)}`
    const called = calls === undefined ? '' : `,"tool_calls":[${calls.join(',')}]`
    const content = JSON.stringify(text)
    return isChat
      ? `"message":{"role":"assistant","content":${content}${thought}${called}}`
      : `"response":${content}${thought}${called}`
  }

  /** They come before their text, so that they stand in its line. */
  #logprobsMember(): string {
    if (this.#logprobs.length === 0) return ''
    const member = `,"logprobs":${JSON.stringify(this.#logprobs)}`
    this.#logprobs = []
    return member
  }

  /** What has not been counted or measured is left out. */
  #endMembers(reason: ChatEnd['reason'], usage: ChatUsage | undefined): string {
    const { now, isStream } = this.#options
    const endMs = now()
    const first = isStream ? this.#firstPieceAtMs : undefined
    const members = {
      done: true,
      done_reason: doneReasons[reason],
      total_duration: nsOf(endMs - this.#begunAtMs),
      prompt_eval_count: usage?.promptTokens,
      prompt_eval_duration: first === undefined ? undefined : nsOf(first - this.#begunAtMs),
      eval_count: usage?.completionTokens,
      eval_duration: first === undefined ? undefined : nsOf(endMs - first),
    }
    return JSON.stringify(members).slice(1, -1)
  }

  #notice(): void {
    this.#firstPieceAtMs ??= this.#options.now()
  }
}

function nsOf(ms: number): number {
  return Math.round(ms * nsPerMs)
}
