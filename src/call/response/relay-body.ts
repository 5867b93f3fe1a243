// A body that is not a stream of events and was not held until its end: passed on as it arrives.
import { LineSplitter } from '../../bytes/lines.ts'
import type { EventSink } from '../../bytes/sse.ts'
import { framingOf } from '../../dialects/framing.ts'
import { mayBeWhole } from '../../dialects/whole-response.ts'
import type { ResponseHead } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { mediaTypeOf } from '../../http/headers.ts'
import { maskBytes, unmasked } from '../../upstream/mask.ts'
import { type Meter, usageWindowBytes } from './meter.ts'
import { maskedEvent } from './relay-stream.ts'
import type { Relay, RelayInput, RelayResult } from './relay-types.ts'

export class BodyRelay implements Relay, EventSink {
  /** Half a body is of no use. */
  readonly mayEndHere = false
  readonly #input: RelayInput
  readonly #meter: Meter
  readonly #resolve: (result: RelayResult) => void
  readonly #isJson: boolean
  /** The first and the last bytes of JSON, where large responses report their usage. */
  #opening: Buffer = Buffer.alloc(0)
  readonly #tail = new LastBytes(usageWindowBytes)
  /** Of lines of JSON, each of which may report an error that repeats a key. Undefined: the body passes unread. */
  readonly #lines: LineSplitter | undefined

  constructor(input: RelayInput, resolve: (result: RelayResult) => void) {
    this.#input = input
    this.#meter = input.meter
    this.#resolve = resolve
    const { head } = input.response
    this.#isJson = mediaTypeOf(head) === 'application/json'
    const isMasked = input.mask !== unmasked && hasLines(head)
    this.#lines = isMasked ? new LineSplitter() : undefined
  }

  /** With the provider's own length, where it sent one: the client sees for itself when bytes are missing. */
  begin(): void {
    const { reply, headers, response } = this.#input
    const length = response.head.headers['content-length']
    // A masked body may have another length.
    const framing = typeof length === 'string' && this.#lines === undefined ? ['content-length', length] : []
    reply.start(response.head.status, [...headers, ...framing])
  }

  /** Only the end of the provider's body shows that all of it was sent. */
  reachedEnd(): undefined {}

  onData(chunk: Buffer): void {
    if (this.#isJson) this.#readOpening(chunk)
    this.#meter.countBytes(chunk.length)
    this.#tail.push(chunk)
    if (this.#lines === undefined) this.#write(chunk)
    else this.#lines.push(chunk, this)
  }

  /** From the splitter: a line. */
  event(line: Buffer): void {
    this.#write(maskedEvent(line, this.#input))
  }

  /** From the splitter: a piece of a line that is too long to be held. A key across two pieces is not found. */
  overflow(bytes: Buffer): void {
    this.#write(maskBytes(bytes, this.#input.mask))
  }

  onEnd(): void {
    this.#meter.readPart(this.#tail.bytes)
    if (this.#isCut()) {
      const message = "The provider's response ended in the middle of its JSON."
      return this.onBroken(new GatewayError('provider_bad_response', message))
    }
    const rest = this.#lines?.end(this)
    if (rest !== undefined) this.event(rest)
    this.#input.reply.end()
    this.#resolve({ kind: 'complete' })
  }

  onBroken(error: GatewayError): void {
    this.#input.reply.cut()
    this.#resolve({ kind: 'broken', error, isReported: true })
  }

  #write(bytes: Buffer): void {
    if (!this.#input.reply.write(bytes)) this.#input.response.pause()
  }

  #readOpening(chunk: Buffer): void {
    const missing = usageWindowBytes - this.#opening.length
    if (missing === 0) return
    this.#opening = Buffer.concat([this.#opening, chunk.subarray(0, missing)])
    if (this.#opening.length === usageWindowBytes) this.#meter.readPart(this.#opening)
  }

  /** A body of the length that its head announced is not cut. */
  #isCut(): boolean {
    const { headers } = this.#input.response.head
    if (!this.#isJson || headers['content-length'] !== undefined) return false
    return !mayBeWhole(this.#opening, this.#tail.bytes)
  }
}

/** Whether a body consists of lines of JSON that are readable as they are. */
function hasLines(head: ResponseHead): boolean {
  const isPlain = (head.headers['content-encoding'] ?? 'identity') === 'identity'
  return isPlain && framingOf({ framing: 'ndjson' }).mediaTypes.includes(mediaTypeOf(head))
}

/** The end of what has passed, however small its pieces were. */
class LastBytes {
  readonly #length: number
  #store = Buffer.alloc(0)
  #filled = 0

  constructor(length: number) {
    this.#length = length
  }

  /** As many as there are, up to the length. */
  get bytes(): Buffer {
    return this.#store.subarray(Math.max(0, this.#filled - this.#length), this.#filled)
  }

  push(chunk: Buffer): void {
    const last = chunk.subarray(-this.#length)
    if (this.#store.length === 0) this.#store = Buffer.allocUnsafeSlow(2 * this.#length)
    if (this.#filled + last.length > this.#store.length) this.#filled = this.bytes.copy(this.#store)
    this.#filled += last.copy(this.#store, this.#filled)
  }
}
