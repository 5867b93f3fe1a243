// The events of one response, split once: the first that carries data is looked at before the call is answered by it.
import { ByteCollector } from '../../http/byte-collector.ts'
import { eventData, type EventSink, EventSplitter } from '../../http/sse.ts'

const noBytes = Buffer.alloc(0)

/** Keeps what comes until a sink reads. */
export class EventReader {
  readonly #splitter = new EventSplitter()
  #peeked: PeekedEvents | undefined = new PeekedEvents()
  #sink: EventSink = this.#peeked!

  /**
   * Takes a piece of the stream. Returns the data of the first event that has any, once that event is whole; empty if
   * the event is too large to be held.
   */
  peek(chunk: Buffer): Buffer | undefined {
    this.push(chunk)
    return this.#peeked?.firstData
  }

  /** All events go to the sink: those that were kept, now, and then those of each `push`. */
  readTo(sink: EventSink): void {
    this.#peeked?.replayTo(sink)
    this.#peeked = undefined
    this.#sink = sink
  }

  push(chunk: Buffer): void {
    this.#splitter.push(chunk, this.#sink)
  }

  /** The stream is over; returns the bytes of an unfinished event, as `EventSplitter.end` does. */
  end(): Buffer | undefined {
    return this.#splitter.end(this.#sink)
  }
}

/** One event, or a piece of one that is too large to be held. */
interface Kept {
  length: number
  readonly overflow?: 'more' | 'last'
}

/** Together in memory, because a provider decides how many events come and how small they are; so they go out in one write. */
class PeekedEvents implements EventSink {
  firstData: Buffer | undefined
  readonly #bytes = new ByteCollector()
  readonly #kept: Kept[] = []

  event(bytes: Buffer): void {
    this.#bytes.push(bytes)
    const isPreamble = this.firstData === undefined
    this.firstData ??= eventData(bytes)
    const [preamble] = this.#kept
    // What comes before the first data (comments, mostly) counts as one event.
    if (isPreamble && this.firstData === undefined && preamble !== undefined) preamble.length += bytes.length
    else this.#kept.push({ length: bytes.length })
  }

  overflow(bytes: Buffer, isLast: boolean): void {
    this.firstData ??= noBytes
    this.#bytes.push(bytes)
    this.#kept.push({ length: bytes.length, overflow: isLast ? 'last' : 'more' })
  }

  replayTo(sink: EventSink): void {
    const bytes = this.#bytes.take()
    let end = 0
    for (const { length, overflow } of this.#kept) {
      const piece = bytes.subarray(end, (end += length))
      if (overflow === undefined) sink.event(piece)
      else sink.overflow(piece, overflow === 'last')
    }
  }
}
