// Bodies that are too large to be copied, scanned or sent within one turn of the event loop, or to be left to the garbage
// collector: it counts their bytes as its own, and one body more may make it look for more in all of the heap.
import type { ScanOutcome } from './json-scan.ts'

/** Longer ones are large. One piece of a connection has at most as many bytes. */
export const maxSmallBytes = 65_536

/** A request's body. Whoever reads its bytes in later turns enters before and leaves afterwards. */
export class LargeBody {
  readonly bytes: Buffer
  /** Of a JSON body that was scanned as it arrived. */
  readonly scan: ScanOutcome | undefined
  readonly #memory: BodyMemory
  #isNeeded = true
  #readers = 0

  /** @param bytes of `memory`; nobody else has them. */
  constructor(bytes: Buffer, scan: ScanOutcome | undefined, memory: BodyMemory) {
    this.bytes = bytes
    this.scan = scan
    this.#memory = memory
  }

  enter(): void {
    this.#readers += 1
  }

  leave(): void {
    this.#readers -= 1
    this.#giveBack()
  }

  /** Its call needs it no longer: the bytes are gone as soon as the last reader has left. Saying so again changes nothing. */
  done(): void {
    if (!this.#isNeeded) return
    this.#isNeeded = false
    this.#giveBack()
  }

  #giveBack(): void {
    if (!this.#isNeeded && this.#readers === 0) this.#memory.giveBack(this.bytes)
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
const keepMs = 5_000

/**
 * Memory of large bodies. What one call gives back the next one takes: memory that comes and goes is zeroed by the
 * system page by page, and looks to the garbage collector like growth. Buffers of a call that is over are empty, so
 * that nobody can read there what is of another.
 */
export class BodyMemory {
  readonly #setTimer: (fn: () => void, delayMs: number) => unknown
  #spare = new ArrayBuffer(0)
  #wasUsed = false
  #isTimed = false

  constructor(setTimer: (fn: () => void, delayMs: number) => unknown) {
    this.#setTimer = setTimer
  }

  /** Whatever bytes are in there, the taker must write all before anyone reads. */
  take(length: number): Buffer {
    const spare = this.#spare
    const isFitting = spare.byteLength >= length && spare.byteLength / 4 <= length
    if (!isFitting) return Buffer.allocUnsafeSlow(length)
    this.#spare = new ArrayBuffer(0)
    return Buffer.from(spare, 0, length)
  }

  /** @param bytes of `take`; empty afterwards. */
  giveBack({ buffer }: Buffer): void {
    if (!(buffer instanceof ArrayBuffer)) return
    if (buffer.byteLength > maxSpareBytes || buffer.byteLength < this.#spare.byteLength) {
      buffer.transfer(0)
      return
    }
    this.#spare.transfer(0)
    this.#spare = buffer.transfer()
    this.#wasUsed = true
    this.#watch()
  }

  #watch(): void {
    if (this.#isTimed) return
    this.#isTimed = true
    this.#setTimer(() => {
      this.#isTimed = false
      if (!this.#wasUsed) this.#spare = this.#spare.transfer(0)
      else {
        this.#wasUsed = false
        this.#watch()
      }
    }, keepMs)
  }
}

/** Frees a piece of a connection's bytes, which nobody else has, at once. It is empty then. One of a pool stays. */
export function freePiece({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
