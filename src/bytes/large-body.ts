// Bodies that are too large to be copied, scanned or sent within one iteration of the event loop, or to be left to the
// garbage collector: external memory counts towards its pressure, and one more large body can trigger a full collection.
import type { ScanOutcome } from './json/types.ts'

/** Longer bodies are large. A chunk that a socket delivers has at most this many bytes. */
export const maxSmallBytes = 65_536

/** Where the memory of a large body comes from, and goes to. */
export interface MemorySource {
  /** Holds arbitrary bytes: the caller writes all of them before any is read. */
  allocate(length: number): Buffer
  /** @param bytes of `allocate`, which are no longer read. */
  release(bytes: Buffer): void
}

/** What a body counts for in the memory of all bodies. */
export interface MemoryShare {
  /** Calling it again has no effect. */
  release(): void
}

/**
 * A request's body. Its memory is reused for the next one: a reader of its bytes in later iterations of the event loop
 * retains it before and releases it afterwards, and nothing keeps parts of them.
 */
export class LargeBody {
  /** Of a JSON body that was scanned as it arrived. */
  readonly scan: ScanOutcome | undefined
  readonly #memory: Pick<MemorySource, 'release'>
  readonly #share: MemoryShare
  #bytes: Buffer | undefined
  #isNeeded = true
  #readers = 0

  /**
   * @param bytes of `memory`, which nothing else has.
   * @param share is released with them.
   */
  constructor(
    bytes: Buffer,
    scan: ScanOutcome | undefined,
    memory: Pick<MemorySource, 'release'>,
    share: MemoryShare,
  ) {
    this.#bytes = bytes
    this.#share = share
    this.scan = scan
    this.#memory = memory
  }

  /** @throws Error when the memory was released. */
  get bytes(): Buffer {
    if (this.#bytes === undefined) throw new Error('the body is gone')
    return this.#bytes
  }

  /** @throws Error when the memory was released. */
  retain(): void {
    if (this.#bytes === undefined) throw new Error('the body is gone')
    this.#readers += 1
  }

  release(): void {
    this.#readers -= 1
    this.#releaseMemory()
  }

  /** Its call no longer needs it: the memory is released with the last reader. Calling it again has no effect. */
  dispose(): void {
    this.#isNeeded = false
    this.#releaseMemory()
  }

  #releaseMemory(): void {
    if (this.#isNeeded || this.#readers > 0 || this.#bytes === undefined) return
    this.#memory.release(this.#bytes)
    this.#bytes = undefined
    this.#share.release()
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
/** How long a spare that is not used is kept. */
const keepMs = 60_000

/**
 * Memory of large bodies. What one call releases is handed to the next one: the system zeroes new memory page by page, and
 * the garbage collector counts it as growth.
 */
export class BodyMemory implements MemorySource {
  readonly #setTimer: (fn: () => void, delayMs: number) => unknown
  #spare: ArrayBuffer | undefined
  #wasUsed = false
  #isTimed = false

  constructor(setTimer: (fn: () => void, delayMs: number) => unknown) {
    this.#setTimer = setTimer
  }

  allocate(length: number): Buffer {
    const spare = this.#spare
    if (spare === undefined || spare.byteLength < length || spare.byteLength / 4 > length) {
      return Buffer.allocUnsafeSlow(length)
    }
    this.#spare = undefined
    return Buffer.from(spare, 0, length)
  }

  release({ buffer }: Buffer): void {
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
