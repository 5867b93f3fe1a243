// The first event of a stream: until it is known, an error in it can still become another attempt.
import { EventSplitter, type EventSink, eventData } from '../http/sse.ts'

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
