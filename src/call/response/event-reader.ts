// The events of one response, split once: the first that tells what the response is (an answer or an error) is looked at
// before the call is answered by it.
import type { ProviderDialect } from '../../dialects/dialect.ts'
import { framingOf } from '../../dialects/framing.ts'
import { ByteCollector } from '../../bytes/byte-collector.ts'
import type { EventSink } from '../../bytes/sse.ts'
import type { Meter } from './meter.ts'

const noBytes = Buffer.alloc(0)

type EventRules = Pick<ProviderDialect, 'framing' | 'isPreamble' | 'standardEvent'>

/** Keeps what comes until a sink reads. */
export class EventReader implements EventSink {
  readonly #splitter: ReturnType<ReturnType<typeof framingOf>['newSplitter']>
  readonly #rules: EventRules
  #peeked: PeekedEvents | undefined
  #sink: EventSink

  /** @param meter of events before a sink reads them. Absent: they are not counted. */
  constructor(rules: EventRules, meter?: Pick<Meter, 'observe'>) {
    this.#rules = rules
    this.#splitter = framingOf(rules).newSplitter()
    this.#peeked = new PeekedEvents(rules, meter)
    this.#sink = this.#peeked
  }

  /**
   * Takes a piece of the stream. Returns the data of the first event with any that is no preamble, once that event is
   * whole; empty if the event is too large to be held.
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
    this.#splitter.push(chunk, this)
  }

  /** The stream is over; returns the bytes of an unfinished event, as `EventSplitter.end` does. */
  end(): Buffer | undefined {
    return this.#splitter.end(this)
  }

  /** From the splitter. */
  event(bytes: Buffer): void {
    this.#sink.event(this.#rules.standardEvent(bytes))
  }

  /** From the splitter. */
  overflow(bytes: Buffer, isLast: boolean): void {
    this.#sink.overflow(bytes, isLast)
  }
}

/** One event, or a piece of one that is too large to be held. */
interface Kept {
  length: number
  readonly hasNoData?: boolean
  readonly overflow?: 'more' | 'last'
}

/** Together in memory, because a provider decides how many events come and how small they are; so they go out in one write. */
class PeekedEvents implements EventSink {
  firstData: Buffer | undefined
  readonly #rules: EventRules
  readonly #bytes = new ByteCollector()
  readonly #kept: Kept[] = []
  readonly #meter: Pick<Meter, 'observe'> | undefined

  constructor(rules: EventRules, meter: Pick<Meter, 'observe'> | undefined) {
    this.#rules = rules
    this.#meter = meter
  }

  event(bytes: Buffer): void {
    this.#meter?.observe(bytes)
    this.#bytes.push(bytes)
    const { length } = bytes
    if (this.firstData !== undefined) {
      this.#kept.push({ length })
      return
    }
    const data = framingOf(this.#rules).dataOf(bytes)
    const last = this.#kept.at(-1)
    // What has no data (comments, mostly) counts as one event. A preamble may bring usage, so it remains one by itself.
    if (data === undefined && last?.hasNoData === true) last.length += length
    else this.#kept.push({ length, hasNoData: data === undefined })
    if (data !== undefined && !this.#rules.isPreamble(data)) this.firstData = data
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
