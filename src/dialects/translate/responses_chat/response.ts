// A chat response as a response of the Responses API.
import type { ResponseHead } from '../../../domain.ts'
import { GatewayError } from '../../../errors.ts'
import { eventData } from '../../../bytes/sse.ts'
import { isEndMark } from '../../openai/chat-stream.ts'
import type { ResponseTranslation, TranslatedEnd, TranslatedStep, Write } from '../../translator.ts'
import { type ChatEnd, ChatReader } from '../chat-chunks.ts'
import type { ChatUsage } from '../usage.ts'
import { translateErrorBody, withResponseCode } from './errors.ts'
import { EventWriter } from './event-writer.ts'
import { type OutputOptions, type ProviderError, ResponseOutput } from './output.ts'
import type { ResponseObject, ResponseState } from './response-object.ts'

export interface ResponseOptions extends OutputOptions {
  readonly object: ResponseObject
  /** The client wants a stream. */
  readonly isStream: boolean
  readonly hasThinkTags: boolean
  /** As estimated, for providers that report no usage. */
  readonly promptTokens: number
}

/** About as many as a token has, for providers that report no usage. */
const charactersPerToken = 4

/** One response. */
export class ResponsesTranslation implements ResponseTranslation {
  readonly #options: ResponseOptions
  readonly #events = new EventWriter()
  readonly #output: ResponseOutput
  readonly #reader: ChatReader
  #hasBegun = false

  constructor(options: ResponseOptions) {
    this.#options = options
    this.#output = new ResponseOutput(options, this.#events)
    this.#reader = new ChatReader(this.#output, options.hasThinkTags)
  }

  head(): string {
    return this.#options.isStream ? 'text/event-stream; charset=utf-8' : 'application/json'
  }

  event(event: Buffer, write: Write): TranslatedStep {
    const data = eventData(event)
    if (data === undefined) return undefined
    this.#begin(write)
    if (isEndMark(data)) {
      this.#reader.readDone()
      return 'over'
    }
    this.#reader.readChunk(data)
    const { failure } = this.#output
    if (failure === undefined) return this.#reader.problem
    this.#fail(failure)
    return 'failed'
  }

  end(write: Write): TranslatedEnd {
    this.#begin(write)
    return this.#finish()
  }

  whole(body: Buffer, value: unknown, write: Write): TranslatedEnd {
    this.#begin(write)
    this.#reader.readWhole(body, value)
    return this.#finish()
  }

  error(head: ResponseHead, body: Buffer): Buffer {
    return translateErrorBody(head, body)
  }

  /** A repeated event, because comments do not count as a sign of life for Codex. */
  heartbeat(): Buffer {
    let event = nothing
    this.#events.write = (bytes) => {
      event = bytes
    }
    this.#events.emitResponse('response.in_progress', this.#options.object.encodeBrief())
    return event
  }

  #begin(write: Write): void {
    const { isStream, object } = this.#options
    this.#events.write = isStream ? write : undefined
    if (this.#hasBegun) return
    this.#hasBegun = true
    if (!isStream) return
    const response = object.encode({ status: 'in_progress' })
    this.#events.emitResponse('response.created', response)
    this.#events.emitResponse('response.in_progress', response)
  }

  #finish(): TranslatedEnd {
    const end = this.#reader.end()
    if (end instanceof GatewayError) return end
    const state = this.#stateAt(end)
    const response = this.#options.object.encode(state)
    if (!this.#options.isStream) return response
    this.#events.emitResponse(`response.${state.status}`, response)
    return undefined
  }

  #stateAt({ reason }: ChatEnd): ResponseState {
    const isCut = reason === 'length' || reason === 'filter'
    const status = isCut ? 'incomplete' : 'completed'
    this.#output.close(status)
    const state = { status, output: this.#output.items, usage: this.#usage() } as const
    if (!isCut) return state
    return { ...state, incompleteReason: reason === 'length' ? 'max_output_tokens' : 'content_filter' }
  }

  #usage(): ChatUsage {
    const { usage } = this.#reader
    if (usage !== undefined) return usage
    return {
      promptTokens: this.#options.promptTokens,
      cachedTokens: 0,
      cacheWriteTokens: 0,
      completionTokens: Math.ceil(this.#output.characters / charactersPerToken),
      reasoningTokens: undefined,
    }
  }

  /** A client that waits for a whole response gets the error from the caller. */
  #fail({ fields, status }: ProviderError): void {
    this.#events.emitFailure(
      withResponseCode(fields, status),
      this.#options.object.identity,
      this.#output.items,
    )
  }
}

const nothing: Buffer = Buffer.alloc(0)
