// The first event of a stream: until it is known, an error in it can still become another attempt.
import { EventSplitter, type EventSink, eventData } from '../http/sse.ts'
import type { AttemptOutcome } from './answer.ts'
import { errorCodeOf } from './error-answer.ts'

/** Finds the first event of a stream that carries data. */
export class FirstEvent implements EventSink {
  readonly #splitter = new EventSplitter()
  #data: Buffer | undefined

  /** The event's data as soon as it is whole; empty for an event that is too large to be an error. */
  push(chunk: Buffer): Buffer | undefined {
    this.#splitter.push(chunk, this)
    return this.#data
  }

  event(bytes: Buffer): void {
    this.#data ??= eventData(bytes)
  }

  overflow(): void {
    this.#data ??= Buffer.alloc(0)
  }
}

/** What may stand in an event that reports an error. */
interface ErrorEvent {
  readonly error?: { readonly code?: unknown; readonly status?: unknown } | string | null
  readonly type?: unknown
  readonly object?: unknown
}

/** The error answer that an event's data stands for; undefined when it reports no error. */
export function refusalIn(data: Buffer): (AttemptOutcome & { kind: 'refused' }) | undefined {
  const event = data.includes('error') ? parse(data) : undefined
  if (event === undefined) return undefined
  const hasError = event.error !== undefined && event.error !== null
  // vLLM's older form has `object`, the Responses API has `type`.
  if (!hasError && event.type !== 'error' && event.object !== 'error') return undefined
  const head = { status: statusOf(event), headers: { 'content-type': 'application/json' } }
  return { kind: 'refused', head, body: data, providerCode: errorCodeOf(data) }
}

/** Some servers give the HTTP status that they would have sent as the error's code. */
function statusOf({ error }: ErrorEvent): number {
  const code = typeof error === 'object' && error !== null ? Number(error.code ?? error.status) : Number.NaN
  return Number.isInteger(code) && code >= 400 && code <= 599 ? code : 500
}

function parse(data: Buffer): ErrorEvent | undefined {
  try {
    const event: unknown = JSON.parse(data.toString())
    return typeof event === 'object' && event !== null ? event : undefined
  } catch {
    // Not JSON: no error that a client would understand either.
    return undefined
  }
}
