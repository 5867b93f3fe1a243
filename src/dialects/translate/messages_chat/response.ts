// A chat response as a Messages response: events or a whole body, from either of the two.
import { eventData } from '../../../bytes/sse.ts'
import type { ResponseHead } from '../../../domain.ts'
import { GatewayError } from '../../../errors.ts'
import { errorBody } from '../../anthropic/errors.ts'
import { isEndMark } from '../../openai/chat-stream.ts'
import { readErrorFields } from '../../openai/errors.ts'
import type { ResponseTranslation, TranslatedEnd, TranslatedStep, Write } from '../../translator.ts'
import { ChatReader } from '../chat-chunks.ts'
import { messagesError } from './errors.ts'
import { type ContentOptions, MessageContent } from './response-content.ts'
import { MessageEvents } from './stream.ts'

export interface ResponseOptions extends ContentOptions {
  /** Whether the client wants events. */
  readonly isStream: boolean
  readonly hasThinkTags: boolean
}

/** Longer errors that are not JSON are cut. */
const maxErrorText = 4_096

/** One response. */
export class MessagesResponse implements ResponseTranslation {
  readonly #isStream: boolean
  readonly #reader: ChatReader
  readonly #content: MessageContent
  /** Undefined: the client wants a whole body. */
  readonly #events: MessageEvents | undefined
  #isOver = false
  #result: TranslatedEnd

  constructor(options: ResponseOptions) {
    const { isStream, hasThinkTags } = options
    const events = isStream ? new MessageEvents(options) : undefined
    this.#isStream = isStream
    this.#events = events
    this.#content = new MessageContent(options, events)
    this.#reader = new ChatReader(this.#content, hasThinkTags)
  }

  head(): string {
    return this.#isStream ? 'text/event-stream; charset=utf-8' : 'application/json'
  }

  event(event: Buffer, write: Write): TranslatedStep {
    const data = eventData(event)
    if (data === undefined) return undefined
    const reader = this.#reader
    if (isEndMark(data)) {
      reader.readDone()
      this.#finish()
    } else {
      const { hasFinished, usage } = reader
      reader.readChunk(data)
      // Usage after the finish reason is the last that a stream has.
      if (hasFinished && reader.usage !== usage) this.#finish()
      // Without anything written, an error still has its status.
      else if (reader.problem === undefined && !this.#content.hasFailed) this.#events?.start()
    }
    this.#flush(write)
    if (this.#content.hasFailed) return 'failed'
    if (this.#isOver) return 'over'
    return reader.problem ?? this.#events?.problem
  }

  end(write: Write): TranslatedEnd {
    this.#finish()
    this.#flush(write)
    return this.#result
  }

  whole(body: Buffer, value: unknown, write: Write): TranslatedEnd {
    this.#reader.readWhole(body, value)
    return this.end(write)
  }

  error({ status }: ResponseHead, body: Buffer, requestId: string): Buffer {
    const text = body.toString('utf8', 0, maxErrorText).trim()
    const message = text === '' ? `The provider returned status ${status} without a message.` : text
    const fields = readErrorFields(body) ?? { message, type: null, param: null, code: null }
    return Buffer.from(JSON.stringify(errorBody(messagesError(fields, status), requestId)))
  }

  heartbeat(): Buffer {
    return this.#events?.heartbeat() ?? Buffer.alloc(0)
  }

  #finish(): void {
    if (this.#isOver || this.#content.hasFailed) return
    this.#isOver = true
    const end = this.#reader.end()
    const problem = this.#events?.problem ?? end
    this.#result = problem instanceof GatewayError ? problem : this.#content.end(problem, this.#reader.usage)
  }

  #flush(write: Write): void {
    const bytes = this.#events?.take()
    if (bytes !== undefined) write(bytes)
  }
}
