// A stream of events, forwarded at event boundaries and at once. It ends as the provider ended it, or with an event
// that says that it is broken; never silently, because the SDKs take a silent end for a good one.
import { type ClientDialect, tailLength } from '../dialects/dialect.ts'
import { GatewayError } from '../errors.ts'
import { EventSplitter, type EventSink } from '../http/sse.ts'
import type { Answer, AnswerReader } from './answer.ts'
import type { Reply, Snapshot } from './call.ts'
import type { Meter } from './meter.ts'
import type { Ending, Relayed } from './relay.ts'
import type { Timed } from './ticker.ts'

/** Silence after which a comment keeps the connection alive. */
export const heartbeatMs = 15_000

/** Nothing on the way may hold events back, and nothing may keep them. */
export const streamHeaders = ['cache-control', 'no-cache, no-transform', 'x-accel-buffering', 'no']

/** A stream that takes more than was reserved is charged ahead of what is seen by a quarter: in few steps, not at each event. */
const growth = 1.25

export class StreamRelay implements AnswerReader, EventSink, Timed {
  index = -1
  readonly #answer: Answer
  readonly #reply: Reply
  readonly #dialect: ClientDialect
  readonly #meter: Meter
  readonly #hold: Relayed['hold']
  readonly #ticker: Snapshot['ticker']
  readonly #resolve: (ending: Ending) => void
  readonly #splitter = new EventSplitter()
  /** The last events, for the judgement of the end. */
  readonly #tail: Buffer[] = []
  /** Events that lie side by side in one chunk go out in one write. */
  #pending: Buffer | undefined
  /** Inside of an event that is too large to be held: nothing of our own may go out. */
  #isInsideEvent = false
  #hasWritten = true
  #lastWriteMs = 0

  constructor(
    { answer, reply, headers, meter, hold }: Relayed,
    dialect: ClientDialect,
    ticker: Snapshot['ticker'],
    resolve: (ending: Ending) => void,
  ) {
    this.#answer = answer
    this.#reply = reply
    this.#dialect = dialect
    this.#meter = meter
    this.#hold = hold
    this.#ticker = ticker
    this.#resolve = resolve
    reply.start(answer.head.status, [...headers, ...streamHeaders])
    ticker.add(this)
  }

  onTick(nowMs: number): void {
    const seenTokens = this.#meter.seenTokens()
    if (seenTokens > this.#hold.tokens) this.#hold.grow(Math.ceil(seenTokens * growth))
    if (this.#hasWritten) {
      this.#hasWritten = false
      this.#lastWriteMs = nowMs
    } else if (nowMs - this.#lastWriteMs >= heartbeatMs && !this.#isInsideEvent) {
      // Only whole events have gone out, so this can't fall into the middle of one.
      this.#write(this.#dialect.heartbeat)
    }
  }

  onData(chunk: Buffer): void {
    this.#splitter.push(chunk, this)
    this.#flush()
  }

  /** From the splitter. */
  event(event: Buffer): void {
    if (!this.#meter.passes(event)) return
    if (this.#tail.length === tailLength) this.#tail.shift()
    this.#tail.push(event)
    const pending = this.#pending
    if (pending !== undefined && areNeighbours(pending, event)) {
      this.#pending = Buffer.from(pending.buffer, pending.byteOffset, pending.length + event.length)
    } else {
      this.#flush()
      this.#pending = event
    }
  }

  /** From the splitter: a piece of an event that is too large to be held. */
  overflow(bytes: Buffer, isLast: boolean): void {
    this.#flush()
    this.#isInsideEvent = !isLast
    this.#write(bytes)
  }

  onEnd(): void {
    this.stop()
    this.#takeUnfinished(this.#splitter.end(this))
    this.#flush()
    const ending = this.#answer.dialect.ending(this.#tail)
    if (ending === 'cut') {
      const message = 'The provider ended its stream without saying that the answer is whole.'
      return this.#endBroken(new GatewayError('provider_bad_response', message))
    }
    this.#reply.end()
    if (ending === 'complete') return this.#resolve({ kind: 'complete' })
    const message = 'The provider ended its stream with an error.'
    this.#resolve({ kind: 'failed', error: new GatewayError('provider_bad_response', message) })
  }

  onBroken(error: GatewayError): void {
    this.stop()
    this.#endBroken(error)
  }

  /** Only whole events have gone out. */
  get mayEndHere(): boolean {
    return !this.#isInsideEvent
  }

  /** No more ticks; for the end, and for a client that has left. */
  stop(): void {
    this.#ticker.delete(this)
  }

  /** Some servers forget the blank line after their last event; half an event is of no use to anybody. */
  #takeUnfinished(bytes: Buffer | undefined): void {
    if (bytes === undefined) return
    const event = Buffer.concat([bytes, Buffer.from('\n\n')])
    if (this.#answer.dialect.ending([event]) !== 'cut') this.event(event)
  }

  #endBroken(error: GatewayError): void {
    this.#flush()
    if (this.#isInsideEvent) this.#reply.cut()
    else this.#reply.end(this.#dialect.errorEvent(error))
    this.#resolve({ kind: 'broken', error })
  }

  #flush(): void {
    if (this.#pending === undefined) return
    this.#write(this.#pending)
    this.#pending = undefined
  }

  #write(bytes: Buffer): void {
    this.#hasWritten = true
    if (!this.#reply.write(bytes)) this.#answer.pause()
  }
}

function areNeighbours(first: Buffer, second: Buffer): boolean {
  return first.buffer === second.buffer && first.byteOffset + first.length === second.byteOffset
}
