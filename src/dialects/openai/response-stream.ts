// Streams of the Responses API, in which each event has a number and an error is a failed response.
// https://platform.openai.com/docs/api-reference/responses-streaming
import { encodeEvent, isComment } from '../../bytes/sse.ts'
import type { GatewayError } from '../../errors.ts'
import type { ErrorFields, OwnEvents } from '../dialect.ts'
import type { StreamFormat } from './chat-stream.ts'
import { commentHeartbeat, fieldsOf, retryMember } from './errors.ts'
import { typedStream } from './typed-stream.ts'

export const responseStream: StreamFormat = {
  ...typedStream({
    preambleTypes: ['response.created', 'response.queued', 'response.in_progress'],
    finalTypes: new Set(['response.completed', 'response.incomplete', 'response.cancelled']),
  }),
  ownEvents: (requestId) => new ResponseEvents(requestId),
}

/** Of the first event, which names the response. It may hold instructions and tools behind the names. */
const headBytes = 2_048

/** Codex gives a stream up after 300 s without an event, and comments are none to it. */
const maxCommentsMs = 240_000

const numberKey = Buffer.from('"sequence_number"')

class ResponseEvents implements OwnEvents {
  readonly #requestId: string
  #head: Buffer | undefined
  #last: Buffer | undefined
  /** Heartbeats that were events, before the first event of the response. */
  #earlyEvents = 0

  constructor(requestId: string) {
    this.#requestId = requestId
  }

  sent(bytes: Buffer): void {
    if (isComment(bytes)) return
    // A copy, so that the chunk that it came in is released.
    this.#head ??= Buffer.from(bytes.subarray(0, headBytes))
    this.#last = bytes
  }

  /**
   * OpenAI's own event for this, of a type that nobody acts on. Before the first event it is a comment for as long as
   * possible, because helpers of the SDKs expect `response.created` first. The number is repeated, not taken from the
   * provider's next event.
   */
  heartbeat(silentMs: number): Buffer {
    if (this.#head === undefined) {
      const due = Math.floor(silentMs / maxCommentsMs)
      if (due <= this.#earlyEvents) return commentHeartbeat
      this.#earlyEvents = due
    }
    return encode({ type: 'keepalive', sequence_number: Math.max(0, this.#lastNumber()) })
  }

  error(error: GatewayError | ErrorFields): Buffer {
    return failureEvents(fieldsOf(error), this.#lastNumber() + 1, this.#identity())
  }

  #identity(): ResponseIdentity {
    const head = this.#head?.toString() ?? ''
    const id = textIn(head, 'id') ?? `resp_${this.#requestId}`
    const createdAt = Number(/"created_at"\s*:\s*(\d+)/.exec(head)?.[1] ?? 0)
    return { id, createdAt, model: textIn(head, 'model') ?? '' }
  }

  /** -1 before the first. */
  #lastNumber(): number {
    const at = this.#last?.lastIndexOf(numberKey) ?? -1
    if (at < 0) return -1
    const digits = /^\s*:\s*(\d{1,15})/.exec(this.#last!.toString('latin1', at + numberKey.length, at + 64))
    return Number(digits?.[1] ?? -1)
  }
}

/** What names a response in all events of its stream. */
export interface ResponseIdentity {
  readonly id: string
  /** Unix time in seconds. */
  readonly createdAt: number
  /** As the client requested it. */
  readonly model: string
}

/**
 * The two events that end a stream with an error. Codex and others read the failed response, some SDKs the error: its members
 * where OpenAI documents them, and below `error`, where its server sends them and opencode looks (openai-dotnet#881).
 * @param number of the first of them.
 * @param output the items that are done.
 */
export function failureEvents(
  fields: ErrorFields,
  number: number,
  { id, createdAt, model }: ResponseIdentity,
  output: readonly object[] = [],
): Buffer {
  const { code, message, param, type } = fields
  const failure = { code: String(code ?? type ?? 'server_error'), message }
  const response = {
    id,
    object: 'response',
    created_at: createdAt,
    status: 'failed',
    error: failure,
    incomplete_details: null,
    model,
    output,
    usage: null,
  }
  const error = { type: type ?? failure.code, ...failure, param }
  return Buffer.concat([
    encode({
      type: 'error',
      sequence_number: number,
      code,
      message,
      param,
      error,
      ...retryMember(fields),
    }),
    encode({ type: 'response.failed', sequence_number: number + 1, response }),
  ])
}

/** The first text member of this name. */
function textIn(json: string, name: string): string | undefined {
  const text = new RegExp(`"${name}"\\s*:\\s*("(?:[^"\\\\]|\\\\.)*")`).exec(json)?.[1]
  return text === undefined ? undefined : (JSON.parse(text) as string)
}

function encode(data: { readonly type: string; readonly [member: string]: unknown }): Buffer {
  return encodeEvent({ event: data.type, data: JSON.stringify(data) })
}
