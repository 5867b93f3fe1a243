// Newline-delimited JSON as bytes: where one line ends and the next begins. https://github.com/ndjson/ndjson-spec
import { ByteCollector } from './byte-collector.ts'
import type { EventSink } from './sse.ts'

const LF = 0x0a
const defaultMaxLineBytes = 4 * 1024 * 1024

/**
 * Cuts a byte stream into lines, each with its line feed, for the sink of `EventSplitter`: a line is an event. The cuts do not
 * depend on how the stream is chunked. A chunk that holds whole lines is not copied.
 */
export class LineSplitter {
  readonly #maxLineBytes: number
  readonly #held = new ByteCollector()
  #isOversized = false

  constructor(maxLineBytes = defaultMaxLineBytes) {
    this.#maxLineBytes = maxLineBytes
  }

  push(chunk: Buffer, sink: EventSink): void {
    let start = 0
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      this.#hand(chunk.subarray(start, end + 1), sink)
      start = end + 1
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start), sink)
  }

  /** The stream is over. Returns the bytes of a line without its line feed; undefined when there are none. */
  end(_sink: EventSink): Buffer | undefined {
    return this.#held.length > 0 ? this.#held.take() : undefined
  }

  #hand(tail: Buffer, sink: EventSink): void {
    const isOversized = this.#isOversized || this.#held.length + tail.length > this.#maxLineBytes
    this.#isOversized = false
    const bytes = this.#joined(tail)
    if (isOversized) sink.overflow(bytes, true)
    else sink.event(bytes)
  }

  #keep(tail: Buffer, sink: EventSink): void {
    if (this.#isOversized) return sink.overflow(tail, false)
    if (this.#held.length + tail.length > this.#maxLineBytes) {
      this.#isOversized = true
      return sink.overflow(this.#joined(tail), false)
    }
    this.#held.push(tail)
  }

  #joined(tail: Buffer): Buffer {
    if (this.#held.length === 0) return tail
    this.#held.push(tail)
    return this.#held.take()
  }
}
