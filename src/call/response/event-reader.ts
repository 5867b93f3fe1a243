// The events of one response, split once: the first that carries data is looked at before the call is answered by it.
import { ByteCollector } from '../../http/byte-collector.ts'
import { eventData, type EventSink, EventSplitter } from '../../http/sse.ts'

const noBytes = Buffer.alloc(0)

/** Keeps the events that `peek` finds until a sink reads on. */
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

class PeekedEvents implements EventSink {
  firstData: Buffer | undefined
  /** The events before it, such as comments: together, because a provider may send any number of them. */
  readonly #preamble = new ByteCollector()
  readonly #replays: ((sink: EventSink) => void)[] = []

  event(bytes: Buffer): void {
    this.firstData ??= eventData(bytes)
    if (this.firstData === undefined) this.#preamble.push(bytes)
    else this.#replays.push((sink) => sink.event(bytes))
  }

  overflow(bytes: Buffer, isLast: boolean): void {
    this.firstData ??= noBytes
    this.#replays.push((sink) => sink.overflow(bytes, isLast))
  }

  replayTo(sink: EventSink): void {
    if (this.#preamble.length > 0) sink.event(this.#preamble.take())
    for (const replay of this.#replays) replay(sink)
  }
}
