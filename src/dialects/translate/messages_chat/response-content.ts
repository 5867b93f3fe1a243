// The pieces of a chat response on their way into a Messages response, and the end that they amount to.
import type { GatewayError } from '../../../errors.ts'
import type { ErrorFields } from '../../dialect.ts'
import type { ChatCall } from '../chat-calls.ts'
import type { ChatEnd, ChatSink } from '../chat-chunks.ts'
import type { ChatUsage } from '../usage.ts'
import { messagesError } from './errors.ts'
import { WholeMessage } from './message.ts'
import type { MessageEnd, MessageHead, StopReason } from './output.ts'
import type { MessageEvents } from './stream.ts'

export interface ContentOptions extends MessageHead {
  /** Of the request. */
  readonly stopSequences: ReadonlySet<string>
}

export class MessageContent implements ChatSink {
  /** The provider has reported an error, which the client has received where it receives events. */
  hasFailed = false
  readonly #options: ContentOptions
  readonly #events: MessageEvents | undefined
  readonly #output: MessageEvents | WholeMessage
  #pieces = 0
  #textLength = 0
  #hasRefused = false

  /** @param events undefined: for a whole body. */
  constructor(options: ContentOptions, events: MessageEvents | undefined) {
    this.#options = options
    this.#events = events
    this.#output = events ?? new WholeMessage(options)
  }

  reasoning(text: string): void {
    this.#count(text)
    this.#output.reasoning(text)
  }

  /** Their texts arrive as reasoning; signatures of other formats mean nothing to a client of Messages. */
  reasoningDetails(): void {}

  text(text: string): void {
    this.#count(text)
    this.#output.text(text)
  }

  refusal(text: string): void {
    this.#hasRefused = true
    this.#count(text)
    this.#output.text(text)
  }

  callStart(call: ChatCall): void {
    this.#count(call.name)
    this.#output.callStart(call)
  }

  callArguments(call: ChatCall, text: string): void {
    this.#count(text)
    this.#output.callArguments(call, text)
  }

  error(fields: ErrorFields, status: number): void {
    this.hasFailed = true
    const { type, message } = messagesError(fields, status)
    this.#events?.error(type, message)
  }

  /** @returns the body, or undefined after the last events. */
  end(end: ChatEnd, usage: ChatUsage | undefined): Buffer | GatewayError | undefined {
    return this.#output.end({ ...this.#reasonOf(end), usage: usage ?? this.#estimatedUsage() })
  }

  #reasonOf({ reason, stopText }: ChatEnd): Omit<MessageEnd, 'usage'> {
    if (reason === 'stop' && stopText !== undefined && this.#options.stopSequences.has(stopText)) {
      return { stopReason: 'stop_sequence', stopSequence: stopText }
    }
    const isRefusal = reason === 'stop' && this.#hasRefused
    return { stopReason: isRefusal ? 'refusal' : stopReasons[reason], stopSequence: null }
  }

  #estimatedUsage(): ChatUsage {
    return {
      promptTokens: this.#options.promptTokens,
      cachedTokens: 0,
      cacheWriteTokens: 0,
      completionTokens: Math.max(this.#pieces, Math.ceil(this.#textLength / lettersPerToken)),
      reasoningTokens: undefined,
    }
  }

  #count(text: string): void {
    this.#pieces += 1
    this.#textLength += text.length
  }
}

/** About what a token has, where the provider does not count. */
const lettersPerToken = 4

const stopReasons: Readonly<Record<ChatEnd['reason'], StopReason>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  filter: 'refusal',
  calls: 'tool_use',
}
