// A response of Anthropic's Messages API for a chat client, in all four combinations of streams and whole bodies.
import type { ResponseHead } from '../../../domain.ts'
import { encodeEvent, eventData } from '../../../bytes/sse.ts'
import { isContextOverflow, overflowCode } from '../../context-overflow.ts'
import type { ErrorFields, ProviderDialect } from '../../dialect.ts'
import { commentHeartbeat } from '../../openai/errors.ts'
import type { ResponseTranslation, TranslatedEnd, TranslatedStep, Write } from '../../translator.ts'
import { openAiErrorType } from '../errors.ts'
import { type AnswerEnd, type AnswerFacts, ChunkWriter, CompletionBuilder } from './chat-answer.ts'
import { MessagesReader } from './messages-reader.ts'
import { chatUsageOf } from './usage.ts'

export interface ResponseSettings extends AnswerFacts {
  /** The client wants a stream. */
  readonly isStream: boolean
  /** The client requested the usage of its stream. */
  readonly wantsUsage: boolean
}

/** One response. */
export class ChatFromMessages implements ResponseTranslation {
  readonly #settings: ResponseSettings
  readonly #provider: ProviderDialect
  readonly #reader: MessagesReader
  readonly #chunks: ChunkWriter | undefined
  readonly #completion: CompletionBuilder | undefined

  constructor(settings: ResponseSettings, provider: ProviderDialect) {
    this.#settings = settings
    this.#provider = provider
    if (settings.isStream) this.#chunks = new ChunkWriter(settings)
    else this.#completion = new CompletionBuilder(settings)
    this.#reader = new MessagesReader((this.#chunks ?? this.#completion)!)
  }

  head(): string {
    return this.#chunks === undefined ? 'application/json' : 'text/event-stream; charset=utf-8'
  }

  event(event: Buffer, write: Write): TranslatedStep {
    const data = eventData(event)
    if (data === undefined) return undefined
    this.#chunks?.writeTo(write)
    const found = this.#reader.readEvent(data)
    switch (found) {
      case 'piece':
        return undefined
      case 'error':
        if (this.#chunks !== undefined) write(this.#errorEvent(data))
        return 'failed'
      case 'end':
        this.#chunks?.end(this.#end(), this.#settings.wantsUsage)
        return 'over'
      default:
        return found
    }
  }

  end(): TranslatedEnd {
    return this.#reader.problem ?? this.#completion?.body(this.#end())
  }

  whole(body: Buffer, value: unknown, write: Write): TranslatedEnd {
    this.#chunks?.writeTo(write)
    this.#reader.readWhole(body, value)
    if (this.#reader.problem === undefined) this.#chunks?.end(this.#end(), this.#settings.wantsUsage)
    return this.end()
  }

  error({ status }: ResponseHead, body: Buffer): Buffer {
    return Buffer.from(JSON.stringify(this.#errorBody(status, body)))
  }

  /** OpenAI's API has no status 529 for overload. */
  errorStatus(status: number): number {
    return status === 529 ? 503 : status
  }

  heartbeat(): Buffer {
    return commentHeartbeat
  }

  #end(): AnswerEnd {
    const { stopReason, hasCalls, counts } = this.#reader
    return {
      finishReason: finishReasonOf(stopReason, hasCalls, this.#settings.isLegacy),
      usage: chatUsageOf(counts),
    }
  }

  #errorEvent(data: Buffer): Buffer {
    const status = this.#provider.errorHeadOf(data)?.status ?? 500
    return encodeEvent({ data: JSON.stringify(this.#errorBody(status, data)) })
  }

  /** The provider's message word for word, in OpenAI's envelope. */
  #errorBody(status: number, body: Buffer): object {
    const fields = this.#provider.readErrorFields(body)
    const message = fields?.message ?? `The provider returned status ${status}.`
    const type = openAiErrorType(status)
    return { error: { message, type, param: null, code: codeOf(fields, type) } }
  }
}

/** Reasons that are not listed become `stop`, which is the only one that promises nothing. */
const finishReasons: ReadonlyMap<string | undefined, string> = new Map([
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['refusal', 'content_filter'],
])

/** Clients run tool calls only if the reason says so. */
function finishReasonOf(stopReason: string | undefined, hasCalls: boolean, isLegacy: boolean): string {
  const reason = finishReasons.get(stopReason)
  if (reason !== undefined) return reason
  if (!hasCalls) return 'stop'
  return isLegacy ? 'function_call' : 'tool_calls'
}

/** OpenAI's code for a type of Anthropic's. */
const codes: ReadonlyMap<string | null, string> = new Map([
  ['authentication_error', 'invalid_api_key'],
  ['billing_error', 'insufficient_quota'],
  ['not_found_error', 'model_not_found'],
  ['rate_limit_error', 'rate_limit_exceeded'],
])

function codeOf(fields: ErrorFields | undefined, type: string): string | null {
  if (fields === undefined) return null
  if (isContextOverflow(fields)) return overflowCode
  return codes.get(fields.type) ?? (fields.type === type ? null : fields.type)
}
