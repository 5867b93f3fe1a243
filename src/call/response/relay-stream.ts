// A stream of events, forwarded at event boundaries and at once. It ends as the provider ended it, or with an event
// that says that it is broken; never silently, because the SDKs take a silent end for a good one.
import type { ProviderDialect } from '../../dialects/dialect.ts'
import { StreamTail } from '../../dialects/stream-tail.ts'
import { GatewayError } from '../../errors.ts'
import type { EventSink } from '../../bytes/sse.ts'
import { heartbeatMs, streamHeaders } from '../heartbeat.ts'
import type { EventReader } from './event-reader.ts'
import type { Relay, RelayInput, RelayResult } from './relay-types.ts'

/** A stream that takes more than was reserved is charged ahead of what is seen by a quarter: in few steps, not at each event. */
const growth = 1.25

export function growHold({ meter, hold }: Pick<RelayInput, 'meter' | 'hold'>): void {
  const seenTokens = meter.seenTokens()
  if (seenTokens > hold.tokens) hold.grow(Math.ceil(seenTokens * growth))
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
export function lastEvent(rest: Buffer | undefined, { ending }: ProviderDialect): Buffer | undefined {
  if (rest === undefined) return undefined
  const event = Buffer.concat([rest, Buffer.from('\n\n')])
  return ending([event]) === 'cut' ? undefined : event
}

export class StreamRelay implements Relay, EventSink {
  readonly #input: RelayInput
  readonly #events: EventReader
  readonly #resolve: (result: RelayResult) => void
  /** The last events, for the judgement of the end. */
  readonly #tail = new StreamTail()
  /** Events that lie side by side in one chunk go out in one write. */
  #pending: Buffer | undefined
  /** Inside of an event that is too large to be held: nothing of our own may go out. */
  #isInsideEvent = false
  #hasWritten = true
  #lastWriteMs = 0

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
    if (this.#hasWritten) {
      this.#hasWritten = false
      this.#lastWriteMs = nowMs
    } else if (nowMs - this.#lastWriteMs >= heartbeatMs && !this.#isInsideEvent) {
      // Only whole events have gone out, so this can't fall into the middle of one.
      this.#write(this.#input.dialect.heartbeat)
    }
  }

  onData(chunk: Buffer): void {
    this.#events.push(chunk)
    this.#flush()
  }

  /** From the splitter. */
  event(event: Buffer): void {
    if (this.#input.meter.observe(event) === 'drop') return
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
    const { reply, response } = this.#input
    const last = lastEvent(this.#events.end(), response.dialect)
    if (last !== undefined) this.event(last)
    this.#flush()
    const ending = response.dialect.ending(this.#tail.events)
    if (ending === 'cut') return this.onBroken(endingErrors.cut())
    reply.end()
    if (ending === 'complete') return this.#resolve({ kind: 'complete' })
    this.#resolve({ kind: 'failed', error: endingErrors.error(), isReported: true })
  }

  onBroken(error: GatewayError): void {
    this.#flush()
    const { reply, dialect } = this.#input
    if (this.#isInsideEvent) reply.cut()
    else reply.end(dialect.errorEvent(error))
    this.#resolve({ kind: 'broken', error, isReported: true })
  }

  /** Only whole events have gone out. */
  get mayEndHere(): boolean {
    return !this.#isInsideEvent
  }

  #flush(): void {
    if (this.#pending === undefined) return
    this.#write(this.#pending)
    this.#pending = undefined
  }

  #write(bytes: Buffer): void {
    this.#hasWritten = true
    if (!this.#input.reply.write(bytes)) this.#input.response.pause()
  }
}

function areNeighbours(first: Buffer, second: Buffer): boolean {
  return first.buffer === second.buffer && first.byteOffset + first.length === second.byteOffset
}
