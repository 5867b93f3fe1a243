// A chat response for a client of Ollama's API: lines or a whole body, from either of the two.
import { eventData } from '../../../bytes/sse.ts'
import type { ResponseHead } from '../../../domain.ts'
import { GatewayError } from '../../../errors.ts'
import { framingOf } from '../../framing.ts'
import { errorBody } from '../../ollama/errors.ts'
import { heartbeat } from '../../ollama/stream.ts'
import { isEndMark } from '../../openai/chat-stream.ts'
import { readErrorFields } from '../../openai/errors.ts'
import type { ResponseTranslation, TranslatedEnd, TranslatedStep, Write } from '../../translator.ts'
import { ChatReader } from '../chat-chunks.ts'
import { type AnswerOptions, OllamaAnswer } from './answer.ts'

export interface ResponseOptions extends AnswerOptions {
  readonly hasThinkTags: boolean
}

/** Longer errors that are not JSON are cut. */
const maxErrorText = 4_096

/** One response. */
export class OllamaResponse implements ResponseTranslation {
  readonly #isStream: boolean
  readonly #answer: OllamaAnswer
  readonly #reader: ChatReader
  #isOver = false
  #result: TranslatedEnd

  constructor(options: ResponseOptions) {
    this.#isStream = options.isStream
    this.#answer = new OllamaAnswer(options)
    this.#reader = new ChatReader(this.#answer, options.hasThinkTags)
  }

  head(): string {
    return this.#isStream ? framingOf({ framing: 'ndjson' }).contentType : 'application/json'
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
    }
    this.#flush(write)
    if (this.#answer.hasFailed) return 'failed'
    if (this.#isOver) return 'over'
    return reader.problem ?? this.#answer.problem
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

  error({ status }: ResponseHead, body: Buffer): Buffer {
    return translateError(status, body)
  }

  heartbeat(): Buffer {
    return heartbeat()
  }

  #finish(): void {
    if (this.#isOver || this.#answer.hasFailed) return
    this.#isOver = true
    const end = this.#reader.end()
    const problem = this.#answer.problem ?? end
    this.#result = problem instanceof GatewayError ? problem : this.#answer.end(problem, this.#reader.usage)
  }

  #flush(write: Write): void {
    const bytes = this.#answer.take()
    if (bytes !== undefined) write(bytes)
  }
}

/** A provider's error in Ollama's form: its message alone. */
export function translateError(status: number, body: Buffer): Buffer {
  const text = body.toString('utf8', 0, maxErrorText).trim()
  const message = text === '' ? `The provider returned status ${status} without a message.` : text
  return errorBody(readErrorFields(body)?.message ?? message)
}
