// A response on a translated way: metered in the provider's format, sent in the client's. What a translation writes in one
// turn goes out in one piece; the head goes out with the first of it, so that an error before it has a status. The
// translation decides where the response ends, because it knows what the client has; the provider's last events count only
// where its body ends before that.
import { StreamTail } from '../../dialects/stream-tail.ts'
import type { ResponseTranslation, TranslatedEnd, TranslatedStep } from '../../dialects/translator.ts'
import { GatewayError } from '../../errors.ts'
import { ByteCollector } from '../../bytes/byte-collector.ts'
import { isTooDeep, maxNesting } from '../../bytes/json/nesting.ts'
import { eventData, type EventSink, isComment } from '../../bytes/sse.ts'
import type { WholeBody } from '../attempt-outcome.ts'
import { streamHeaders } from '../heartbeat.ts'
import type { EventReader } from './event-reader.ts'
import { endingErrors, growHold, lastEvent, maskedEvent, maxLingerMs } from './relay-stream.ts'
import type { Relay, RelayInput, RelayResult } from './relay-types.ts'

/** The longest stream that becomes a whole body. Its events are several times as long as what they bring. */
const maxStreamBytes = 67_108_864

/** A body that was held. */
export function translateWhole(
  input: RelayInput,
  translation: ResponseTranslation,
  { bytes, value }: WholeBody,
): RelayResult {
  input.meter.readWhole(bytes, value)
  const written = new ByteCollector()
  const end = translation.whole(bytes, value, (piece) => written.push(piece))
  return finish(input, end, written)
}

interface TranslatedInput extends RelayInput {
  readonly events: EventReader
  readonly translation: ResponseTranslation
}

/** A stream of events. */
export class TranslatedRelay implements Relay, EventSink {
  /** Only whole events go out, or a whole body. */
  readonly mayEndHere = true
  readonly #input: TranslatedInput
  readonly #resolve: (result: RelayResult) => void
  /** The provider's last events, for the judgement of the end. */
  readonly #tail = new StreamTail()
  /** For the client, since the last flush. */
  readonly #written = new ByteCollector()
  readonly #write: (bytes: Buffer) => void
  #readBytes = 0
  /** What follows the last event that was translated; once it is the end, further events of the chunk are only metered. */
  #step: TranslatedStep
  #isOver = false
  /** The client has left, and the count of the tokens is awaited. */
  #isLeft = false
  #leftAtMs: number | undefined
  #hasBegun = false
  #isQuiet = false
  #lastWriteMs = 0

  constructor(input: TranslatedInput, resolve: (result: RelayResult) => void) {
    this.#input = input
    this.#resolve = resolve
    const write = (bytes: Buffer) => this.#written.push(bytes)
    this.#write = write
  }

  begin(): void {
    this.#input.events.readTo(this)
    this.#proceed()
  }

  onTick(nowMs: number): void {
    growHold(this.#input)
    if (this.#isLeft) {
      this.#leftAtMs ??= nowMs
      if (nowMs - this.#leftAtMs < maxLingerMs) return
      this.#input.response.abort()
      return this.#end({ kind: 'gone' })
    }
    if (!this.#isQuiet) {
      this.#isQuiet = true
      this.#lastWriteMs = nowMs
      return
    }
    const silentMs = nowMs - this.#lastWriteMs
    if (this.#input.isStream && silentMs >= this.#input.heartbeatAfterMs) this.#beat(silentMs)
  }

  onData(chunk: Buffer): void {
    this.#input.events.push(chunk)
    this.#proceed()
  }

  onRest(): void {
    if (!this.#isOver) this.#flush()
  }

  /** From the splitter. */
  event(event: Buffer): void {
    const { meter, isStream, translation } = this.#input
    // Usage that the gateway asked for is translated too: the client's format has a place for it, or none.
    const observed = meter.observe(event)
    if (this.#step !== undefined || observed === undefined) return
    this.#readBytes += event.length
    if (!isStream && this.#readBytes > maxStreamBytes) this.#step = tooLong()
    else if (isTooDeepEvent(event)) this.#step = tooDeep()
    if (this.#step !== undefined || isComment(event)) return
    this.#tail.push(event)
    this.#step = translation.event(maskedEvent(event, this.#input), this.#write)
  }

  /** From the splitter: a piece of an event that is too large to be held. */
  overflow(): void {
    this.#step ??= tooLong()
  }

  onEnd(): void {
    if (this.#isOver) return
    const { response, events } = this.#input
    const last = lastEvent(events.end(), response.dialect)
    if (last !== undefined) this.event(last)
    this.#proceed()
    if (this.#isOver) return
    const ending = response.dialect.ending(this.#tail.events)
    if (ending === 'complete' || ending === 'over') return this.#complete()
    if (ending === 'cut') return this.onBroken(endingErrors.cut())
    this.#end({ kind: 'failed', error: endingErrors.error(), isReported: false })
  }

  onBroken(error: GatewayError): void {
    if (this.#isOver) return
    this.#flush()
    this.#end({ kind: 'broken', error, isReported: false })
  }

  /** With the response's end the call has ended, too. */
  reachedEnd(): undefined {}

  awaitsCount(): boolean {
    const { response } = this.#input
    this.#isLeft = !this.#isOver && response.dialect.ending(this.#tail.events) === 'complete'
    return this.#isLeft
  }

  #beat(silentMs: number): void {
    const { translation, own } = this.#input
    if (!this.#hasBegun) return this.#send(own.heartbeat(silentMs))
    const event = translation.heartbeat()
    // It may carry a number, from which an error of the gateway goes on.
    own.sent(event)
    this.#send(event)
  }

  /** Sends what was written, and ends the response after the last step. */
  #proceed(): void {
    const step = this.#step
    const { response, reply, isStream } = this.#input
    if (step === 'over') {
      this.#complete()
      return response.drain()
    }
    if (step === undefined && response.isReading === true) return
    this.#flush()
    if (step === undefined) return
    if (step === 'failed') {
      // The translation has written the error, where it writes events.
      if (isStream) reply.end()
      this.#end({ kind: 'failed', error: endingErrors.error(), isReported: isStream })
      return response.drain()
    }
    // Nothing that the provider still sends can become a part of the response.
    response.abort()
    this.#end({ kind: 'broken', error: step, isReported: false })
  }

  #complete(): void {
    const { translation } = this.#input
    this.#end(finish(this.#input, translation.end(this.#write), this.#written))
  }

  #end(result: RelayResult): void {
    this.#isOver = true
    this.#resolve(this.#isLeft ? { kind: 'gone' } : result)
  }

  #flush(): void {
    if (this.#written.length === 0) return
    this.#hasBegun = true
    const bytes = this.#written.take()
    this.#input.own.sent(bytes)
    this.#send(bytes)
  }

  #send(bytes: Buffer): void {
    this.#isQuiet = false
    if (!send(this.#input, bytes)) this.#input.response.pause()
  }
}

function tooLong(): GatewayError {
  const message = "The provider's stream has an event or a body that is too long to be translated."
  return new GatewayError('provider_bad_response', message)
}

function isTooDeepEvent(event: Buffer): boolean {
  if (event.length <= maxNesting) return false
  const data = eventData(event)
  return data !== undefined && isTooDeep(data)
}

function tooDeep(): GatewayError {
  const message = `The provider's stream has an event that is nested deeper than ${maxNesting} levels.`
  return new GatewayError('provider_bad_response', message)
}

/** Sends a piece of a translated stream. */
function send({ reply, response, headers }: RelayInput, bytes: Buffer): boolean {
  if (!reply.isStarted) reply.start(response.head.status, [...headers, ...streamHeaders])
  return reply.write(bytes)
}

function finish(input: RelayInput, end: TranslatedEnd, written: ByteCollector): RelayResult {
  const { reply, response, headers } = input
  if (end instanceof GatewayError) {
    if (written.length > 0) {
      const bytes = written.take()
      input.own.sent(bytes)
      send(input, bytes)
    }
    return { kind: 'failed', error: end, isReported: false }
  }
  // An error in the middle of a stream of which nothing becomes a whole body.
  if (end === undefined && !input.isStream) {
    return { kind: 'failed', error: endingErrors.error(), isReported: false }
  }
  const { status } = response.head
  if (end === undefined) {
    if (!reply.isStarted) reply.start(status, [...headers, ...streamHeaders])
    reply.end(written.length > 0 ? written.take() : undefined)
  } else {
    reply.start(status, [...headers, 'content-length', String(end.length)])
    reply.end(end)
  }
  return { kind: 'complete' }
}
