// Bodies that are too large to be copied, scanned or sent within one turn of the event loop, or to be left to the garbage
// collector: external memory counts towards its limits, so that one more body may trigger a collection of the whole heap.
import type { ScanOutcome } from './json-types.ts'

/** Longer bodies are large. A chunk that a socket delivers has at most this many bytes. */
export const maxSmallBytes = 65_536

/**
 * A request's body in memory that later bodies reuse: code that reads its bytes in later turns of the event loop calls
 * `enter` before and `leave` afterwards, and keeps no views on them.
 */
export class LargeBody {
  /** Of a JSON body that was scanned as it arrived. */
  readonly scan: ScanOutcome | undefined
  readonly #memory: BodyMemory
  #bytes: Buffer | undefined
  #isNeeded = true
  #readers = 0

  /** @param bytes taken from `memory`, without other references. */
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

  /** Releases the body for its call: the memory is returned when the last reader has left. Idempotent. */
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

/** A large body with its edits applied, as a sequence of parts, without a copy. */
export interface SplicedBody {
  readonly of: LargeBody
  readonly parts: readonly Buffer[]
}

export function lengthOf({ parts }: SplicedBody): number {
  return parts.reduce((sum, { length }) => sum + length, 0)
}

/** Larger buffers are not kept. */
const maxSpareBytes = 16_777_216
/** How long an unused buffer is kept. */
const keepMs = 60_000

/**
 * Memory of large bodies. Each call reuses what an earlier one returned: the system zeroes newly allocated memory page by
 * page, and the garbage collector counts each allocation as growth.
 */
export class BodyMemory {
  readonly #setTimer: (fn: () => void, delayMs: number) => unknown
  #spare: ArrayBuffer | undefined
  #wasUsed = false
  #isTimed = false

  constructor(setTimer: (fn: () => void, delayMs: number) => unknown) {
    this.#setTimer = setTimer
  }

  /** Returns uninitialized memory: the caller must write all of it before anything reads it. */
  take(length: number): Buffer {
    const spare = this.#spare
    if (spare === undefined || spare.byteLength < length || spare.byteLength / 4 > length) {
      return Buffer.allocUnsafeSlow(length)
    }
    this.#spare = undefined
    return Buffer.from(spare, 0, length)
  }

  /** @param bytes from `take`, which nothing reads any more. */
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
