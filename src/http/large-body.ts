// Bodies that are too large to be copied, scanned or sent within one turn of the event loop, or to be left to the garbage
// collector: it counts their bytes as its own, and the memory of a few of them makes it stop everything to look for more.
import type { ScanOutcome } from './json-scan.ts'

/** Longer ones are large. One piece of a connection has at most as many bytes. */
export const maxSmallBytes = 65_536

/** A request's body. Whoever reads its bytes in later turns enters before and leaves afterwards. */
export class LargeBody {
  readonly bytes: Buffer
  /** Of a JSON body that was scanned as it arrived. */
  readonly scan: ScanOutcome | undefined
  #readers = 1

  /** Entered once, for the call that it belongs to. @param bytes memory of their own. */
  constructor(bytes: Buffer, scan: ScanOutcome | undefined) {
    this.bytes = bytes
    this.scan = scan
  }

  enter(): void {
    this.#readers += 1
  }

  /** The last one to leave gives the memory back. */
  leave(): void {
    this.#readers -= 1
    if (this.#readers === 0) giveBack(this.bytes)
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

/** Frees the memory of `bytes` at once, which must not be read any more: they are empty then. A pool's stays. */
export function giveBack({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
