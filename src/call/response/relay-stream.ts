// A stream of events, forwarded at event boundaries and at once. It ends as the provider ended it, or with an event
// that reports that it is broken; never silently, because the SDKs take a silent end for success.
import type { ProviderDialect } from '../../dialects/dialect.ts'
import { mayReportError } from '../../dialects/event-bytes.ts'
import { framingOf } from '../../dialects/framing.ts'
import { StreamTail } from '../../dialects/stream-tail.ts'
import { GatewayError } from '../../errors.ts'
import { ByteCollector } from '../../bytes/byte-collector.ts'
import { type EventSink, isComment } from '../../bytes/sse.ts'
import { maskBytes, unmasked } from '../../upstream/mask.ts'
import { streamHeaders } from '../heartbeat.ts'
import type { EventReader } from './event-reader.ts'
import type { Relay, RelayInput, RelayResult } from './relay-types.ts'

/** A stream that takes more than was reserved is charged ahead of what is seen by a quarter: in few steps, not at each event. */
const growth = 1.25

export function growHold({ meter, hold }: Pick<RelayInput, 'meter' | 'hold'>): void {
  const seenTokens = meter.seenTokens()
  if (seenTokens > hold.tokens) hold.grow(Math.ceil(seenTokens * growth))
}

/** How long a body may go on after the stream's end mark while nothing comes. */
export const maxLingerMs = 5_000

/** An event that reports an error may repeat the gateway's key. Others are not searched. */
export function maskedEvent(event: Buffer, { mask }: Pick<RelayInput, 'mask'>): Buffer {
  return mask !== unmasked && mayReportError(event) ? maskBytes(event, mask) : event
}

/** How a stream ended that is not complete. */
export const endingErrors = {
  cut: () =>
    new GatewayError('provider_bad_response', "The provider's stream ended without its final event."),
  error: () => new GatewayError('provider_bad_response', 'The provider ended its stream with an error.'),
} as const

/**
 * The event of a stream's last bytes: some servers forget the blank line after it. Undefined for half an event, which is
 * of no use to anybody.
 */
export function lastEvent(rest: Buffer | undefined, dialect: ProviderDialect): Buffer | undefined {
  if (rest === undefined) return undefined
  const event = dialect.standardEvent(Buffer.concat([rest, framingOf(dialect).end]))
  return dialect.ending([event]) === 'cut' ? undefined : event
}

export class StreamRelay implements Relay, EventSink {
  readonly #input: RelayInput
  readonly #events: EventReader
  readonly #resolve: (result: RelayResult) => void
  /** The last events, for the judgement of the end. */
  readonly #tail = new StreamTail()
  /** Events that came together go out in one write; those that lie side by side in one chunk are not copied for it. */
  #pending: Buffer | undefined
  /** Bytes were taken out of the last one of them. */
  #isShortened = false
  /** What goes out before them in that write: what came in other chunks of the same read, or before bytes that were taken out. */
  #earlier: ByteCollector | undefined
  /** Inside of an event that is too large to be held: nothing of our own may go out. */
  #isInsideEvent = false
  #hasWritten = true
  #lastWriteMs = 0
  /** The client has left, and the count of the tokens is awaited. */
  #isLeft = false
  #leftAtMs: number | undefined
  /** Whether the last event ends the stream; undefined until it is looked for. */
  #isOver: boolean | undefined

  constructor(input: RelayInput, events: EventReader, resolve: (result: RelayResult) => void) {
    this.#input = input
    this.#events = events
    this.#resolve = resolve
  }

  begin(): void {
    const { reply, response, headers } = this.#input
    reply.start(response.head.status, [...headers, ...streamHeaders])
    this.#events.readTo(this)
    this.#flush()
  }

  onTick(nowMs: number): void {
    growHold(this.#input)
    if (this.#isLeft) {
      this.#leftAtMs ??= nowMs
      if (nowMs - this.#leftAtMs < maxLingerMs) return
      this.#input.response.abort()
      return this.#resolve({ kind: 'gone' })
    }
    if (this.#hasWritten) {
      this.#hasWritten = false
      this.#isOver = undefined
      this.#lastWriteMs = nowMs
      return
    }
    const silentMs = nowMs - this.#lastWriteMs
    const { heartbeatAfterMs, response, own } = this.#input
    if (silentMs < Math.min(maxLingerMs, heartbeatAfterMs)) return
    this.#isOver ??= this.reachedEnd() !== undefined
    // Clients must see nothing behind the end.
    if (this.#isOver) {
      if (silentMs >= maxLingerMs && this.#endAtMark()) response.abort()
      return
    }
    // Only whole events have gone out, so this can't fall into the middle of one.
    if (silentMs >= heartbeatAfterMs && !this.#isInsideEvent) this.#send(own.heartbeat(silentMs))
  }

  onData(chunk: Buffer): void {
    this.#events.push(chunk)
    if (this.#input.response.isReading !== true) this.#flush()
  }

  onRest(): void {
    this.#flush()
  }

  /** From the splitter. */
  event(received: Buffer): void {
    this.#input.watcher?.onEvent(received)
    const observed = this.#input.meter.observe(received)
    if (observed === undefined) return
    const event = maskedEvent(observed, this.#input)
    if (!isComment(event)) this.#tail.push(event)
    if (this.#isLeft) return this.#countUntilEnd()
    this.#join(event)
    this.#isShortened = event.length < received.length
  }

  /** From the splitter: a piece of an event that is too large to be held. */
  overflow(bytes: Buffer, isLast: boolean): void {
    this.#flush()
    this.#isInsideEvent = !isLast
    // What says that it is an error may be in another piece. A key across two pieces is not found.
    this.#write(maskBytes(bytes, this.#input.mask))
  }

  onEnd(): void {
    const { reply, response } = this.#input
    const last = lastEvent(this.#events.end(), response.dialect)
    if (last !== undefined) this.event(last)
    if (this.#isLeft) return this.#resolve({ kind: 'gone' })
    const ending = response.dialect.ending(this.#tail.events)
    if (ending === 'cut') return this.onBroken(endingErrors.cut())
    const bytes = this.#takePending()
    if (bytes !== undefined) this.#input.own.sent(bytes)
    reply.end(bytes)
    this.#resolve(ending === 'error' ? failedByProvider() : { kind: 'complete' })
  }

  reachedEnd(): RelayResult | undefined {
    const ending = this.#input.response.dialect.ending(this.#tail.events)
    if (ending === 'over') return { kind: 'complete' }
    // Clients leave at an error, whatever is to follow.
    return ending === 'error' ? failedByProvider() : undefined
  }

  awaitsCount(): boolean {
    this.#isLeft = this.#input.response.dialect.ending(this.#tail.events) === 'complete'
    return this.#isLeft
  }

  onBroken(error: GatewayError): void {
    if (this.#isLeft) return this.#resolve({ kind: 'gone' })
    this.#flush()
    if (this.#endAtMark()) return
    const { reply, own } = this.#input
    if (this.#isInsideEvent) reply.cut()
    else reply.end(own.error(error))
    this.#resolve({ kind: 'broken', error, isReported: true })
  }

  /** Only whole events have gone out. */
  get mayEndHere(): boolean {
    return !this.#isInsideEvent
  }

  /** Ends the response if its end mark has gone out. */
  #endAtMark(): boolean {
    const end = this.reachedEnd()
    if (end === undefined) return false
    this.#input.reply.end()
    this.#resolve(end)
    return true
  }

  #countUntilEnd(): void {
    if (this.reachedEnd() === undefined) return
    this.#input.response.drain()
    this.#resolve({ kind: 'gone' })
  }

  #join(event: Buffer): void {
    const pending = this.#pending
    if (pending !== undefined && isNextAfter(pending, event)) {
      this.#pending = Buffer.from(pending.buffer, pending.byteOffset, pending.length + event.length)
      return
    }
    // Events are copied, not moved in place: the tail and the meter still look at them where they are.
    if (pending !== undefined && (this.#isShortened || this.#input.response.isReading === true)) {
      this.#earlier ??= new ByteCollector()
      this.#earlier.push(pending)
    } else this.#flush()
    this.#pending = event
  }

  #flush(): void {
    const bytes = this.#takePending()
    if (bytes !== undefined) this.#write(bytes)
  }

  #takePending(): Buffer | undefined {
    const pending = this.#pending
    this.#pending = undefined
    const earlier = this.#earlier
    if (earlier === undefined || pending === undefined) return pending
    this.#earlier = undefined
    earlier.push(pending)
    return earlier.take()
  }

  #write(bytes: Buffer): void {
    this.#input.own.sent(bytes)
    this.#send(bytes)
  }

  #send(bytes: Buffer): void {
    this.#hasWritten = true
    if (!this.#input.reply.write(bytes)) this.#input.response.pause()
  }
}

function failedByProvider(): RelayResult {
  return { kind: 'failed', error: endingErrors.error(), isReported: true }
}

/** Whether the second lies right behind the first in one memory. */
function isNextAfter(first: Buffer, second: Buffer): boolean {
  return first.buffer === second.buffer && first.byteOffset + first.length === second.byteOffset
}
