// An answer that is no stream of events, passed on as it comes; a small one in one piece.
import { GatewayError } from '../errors.ts'
import { ByteCollector } from '../http/byte-collector.ts'
import { type Answer, type AnswerReader, maxHeldAnswerBytes } from './answer.ts'
import type { Reply } from './call.ts'
import { type Meter, usageWindowBytes } from './meter.ts'
import type { Ending, Relayed } from './relay.ts'
import { mayBeWhole } from '../dialects/whole-response.ts'

export class WholeRelay implements AnswerReader {
  /** Half a body is none. */
  readonly mayEndHere = false
  readonly #answer: Answer
  readonly #reply: Reply
  readonly #headers: readonly string[]
  readonly #meter: Meter
  readonly #resolve: (ending: Ending) => void
  #held: ByteCollector | undefined
  /** The end of what has been passed on, where large answers tell of their usage. */
  readonly #tail = new LastBytes(usageWindowBytes)
  /** Its first bytes. */
  #opening: Buffer = Buffer.alloc(0)

  constructor({ answer, reply, headers, meter }: Relayed, resolve: (ending: Ending) => void) {
    this.#answer = answer
    this.#reply = reply
    this.#headers = headers
    this.#meter = meter
    this.#resolve = resolve
    this.#held = answer.mediaType === 'application/json' ? new ByteCollector() : undefined
    if (this.#held === undefined) this.#start()
  }

  onData(chunk: Buffer): void {
    if (this.#held === undefined) {
      this.#write(chunk)
      return
    }
    this.#held.push(chunk)
    if (this.#held.length <= maxHeldAnswerBytes) return
    const held = this.#held.takePieces()
    this.#held = undefined
    this.#start()
    const window = Buffer.concat(held, usageWindowBytes)
    this.#opening = window
    this.#meter.readPart(window)
    for (const each of held) this.#write(each)
  }

  onEnd(): void {
    if (this.#held === undefined) {
      this.#meter.readPart(this.#tail.bytes)
      if (this.#isCut()) {
        const message = 'The provider ended its answer in the middle of its JSON.'
        return this.onBroken(new GatewayError('provider_bad_response', message))
      }
      this.#reply.end()
    } else {
      const body = this.#held.take()
      this.#meter.readWhole(body, this.#answer.value)
      this.#reply.start(this.#answer.head.status, [...this.#headers, 'content-length', String(body.length)])
      this.#reply.end(body)
    }
    this.#resolve({ kind: 'complete' })
  }

  onBroken(error: GatewayError): void {
    if (this.#reply.isStarted) this.#reply.cut()
    this.#resolve({ kind: 'broken', error })
  }

  stop(): void {
    this.#held = undefined
  }

  /** A body that came to the length that was said for it is not cut. */
  #isCut(): boolean {
    const { mediaType, head } = this.#answer
    if (mediaType !== 'application/json' || head.headers['content-length'] !== undefined) return false
    const encoding = head.headers['content-encoding'] ?? 'identity'
    return encoding === 'identity' && !mayBeWhole(this.#opening, this.#tail.bytes)
  }

  /** With the provider's own length, where it gave one: the client sees for itself when bytes are missing. */
  #start(): void {
    const length = this.#answer.head.headers['content-length']
    const framing = typeof length === 'string' ? ['content-length', length] : []
    this.#reply.start(this.#answer.head.status, [...this.#headers, ...framing])
  }

  #write(chunk: Buffer): void {
    this.#meter.countBytes(chunk.length)
    this.#tail.push(chunk)
    if (!this.#reply.write(chunk)) this.#answer.pause()
  }
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
