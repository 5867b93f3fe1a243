// Bodies that are too large to be copied, scanned or sent within one turn of the event loop, or to be left to the garbage
// collector: it counts their bytes as its own, and one body more may make it look for more in all of the heap.
import type { ScanOutcome } from './json-types.ts'

/** Longer ones are large. One piece of a connection has at most as many bytes. */
export const maxSmallBytes = 65_536

/**
 * A request's body. The next one may come to lie in its memory: whoever reads its bytes in later turns enters before and
 * leaves afterwards, and nobody holds on to parts of them.
 */
export class LargeBody {
  /** Of a JSON body that was scanned as it arrived. */
  readonly scan: ScanOutcome | undefined
  readonly #memory: BodyMemory
  #bytes: Buffer | undefined
  #isNeeded = true
  #readers = 0

  /** @param bytes of `memory`; nobody else has them. */
  constructor(bytes: Buffer, scan: ScanOutcome | undefined, memory: BodyMemory) {
    this.#bytes = bytes
    this.scan = scan
    this.#memory = memory
  }

  /** @throws Error when the memory was given back. */
  get bytes(): Buffer {
    if (this.#bytes === undefined) throw new Error('the body is gone')
    return this.#bytes
  }

  /** @throws Error when the memory was given back. */
  enter(): void {
    if (this.#bytes === undefined) throw new Error('the body is gone')
    this.#readers += 1
  }

  leave(): void {
    this.#readers -= 1
    this.#giveBack()
  }

  /** Its call needs it no longer: the memory is given back when the last reader has left. Saying so again changes nothing. */
  done(): void {
    this.#isNeeded = false
    this.#giveBack()
  }

  #giveBack(): void {
    if (this.#isNeeded || this.#readers > 0 || this.#bytes === undefined) return
    this.#memory.giveBack(this.#bytes)
    this.#bytes = undefined
  }
}

/** A large body with edits made, not copied: its parts follow each other. */
export interface SplicedBody {
  readonly of: LargeBody
  readonly parts: readonly Buffer[]
}

export function lengthOf({ parts }: SplicedBody): number {
  return parts.reduce((sum, { length }) => sum + length, 0)
}

/** Larger ones are not kept. */
const maxSpareBytes = 16_777_216
/** How long a spare that nobody takes is kept. */
const keepMs = 60_000

/**
 * Memory of large bodies. What one call gives back the next one takes: memory that comes and goes is zeroed by the
 * system page by page, and whatever comes anew looks to the garbage collector like growth.
 */
export class BodyMemory {
  readonly #setTimer: (fn: () => void, delayMs: number) => unknown
  #spare: ArrayBuffer | undefined
  #wasUsed = false
  #isTimed = false

  constructor(setTimer: (fn: () => void, delayMs: number) => unknown) {
    this.#setTimer = setTimer
  }

  /** Whatever bytes are in there, the taker must write all before anyone reads. */
  take(length: number): Buffer {
    const spare = this.#spare
    if (spare === undefined || spare.byteLength < length || spare.byteLength / 4 > length) {
      return Buffer.allocUnsafeSlow(length)
    }
    this.#spare = undefined
    return Buffer.from(spare, 0, length)
  }

  /** @param bytes of `take`, which nobody reads any more. */
  giveBack({ buffer }: Buffer): void {
    if (!(buffer instanceof ArrayBuffer)) return
    const isSpare = buffer.byteLength <= maxSpareBytes && buffer.byteLength >= (this.#spare?.byteLength ?? 0)
    ;(isSpare ? this.#spare : buffer)?.transfer(0)
    if (!isSpare) return
    this.#spare = buffer
    this.#wasUsed = true
    this.#watch()
  }

  #watch(): void {
    if (this.#isTimed) return
    this.#isTimed = true
    this.#setTimer(() => {
      this.#isTimed = false
      if (this.#wasUsed) {
        this.#wasUsed = false
        this.#watch()
      } else {
        this.#spare?.transfer(0)
        this.#spare = undefined
      }
    }, keepMs)
  }
}
