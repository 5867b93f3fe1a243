// Buffers bytes that arrive in pieces. The sender decides how small the pieces are, and an object for each could cost
// hundreds of times its bytes, so small pieces are copied together.

/** Smaller pieces are copied together. */
const minOwnBytes = 4_096
/** How long a run of small pieces becomes. */
const maxRunBytes = 65_536
const minRunBytes = 1_024

const nothing = Buffer.alloc(0)

/**
 * Holds bytes in at most about twice as much memory, however small the pieces are. A single piece is not copied, nor is a
 * large one; the caller must not write to a piece after it was pushed.
 */
export class ByteCollector {
  #length = 0
  /** The first piece while it is the only one. */
  #only: Buffer | undefined
  /** The bytes before the run. */
  #pieces: Buffer[] = []
  /** Small pieces, one after the other, in memory of its own. */
  #run: Buffer<ArrayBuffer> | undefined
  #runLength = 0

  /** How many bytes are held. */
  get length(): number {
    return this.#length
  }

  push(piece: Buffer): void {
    if (piece.length === 0) return
    this.#length += piece.length
    if (this.#length === piece.length) {
      this.#only = piece
      return
    }
    if (this.#only !== undefined) {
      this.#add(this.#only)
      this.#only = undefined
    }
    this.#add(piece)
  }

  /** All bytes in order, in pieces of which each is large or stands between large ones. Holds nothing afterwards. */
  takePieces(): Buffer[] {
    const { pieces, run } = this.#close()
    if (run !== undefined) pieces.push(run)
    return pieces
  }

  /** All bytes as one buffer. Holds nothing afterwards. */
  take(): Buffer {
    const only = this.#only
    if (only !== undefined) {
      this.#only = undefined
      this.#length = 0
      return only
    }
    const { pieces, run } = this.#close()
    if (pieces.length === 0) return run ?? nothing
    if (run === undefined && pieces.length === 1) return pieces[0]!
    return Buffer.concat(run === undefined ? pieces : [...pieces, run])
  }

  #close(): { pieces: Buffer[]; run: Buffer | undefined } {
    const pieces = this.#only === undefined ? this.#pieces : [this.#only]
    const run = this.#run?.subarray(0, this.#runLength)
    this.#length = 0
    this.#only = undefined
    this.#pieces = []
    this.#run = undefined
    this.#runLength = 0
    return { pieces, run }
  }

  #add(piece: Buffer): void {
    // A view would keep all of its underlying memory alive.
    const isLarge = piece.length >= minOwnBytes && piece.length >= piece.buffer.byteLength / 2
    if (isLarge) {
      this.#endRun()
      this.#pieces.push(piece)
      return
    }
    if (this.#runLength + piece.length > maxRunBytes) this.#endRun()
    const run = this.#runOf(this.#runLength + piece.length)
    piece.copy(run, this.#runLength)
    this.#runLength += piece.length
  }

  /** The run with room for so many bytes. */
  #runOf(length: number): Buffer<ArrayBuffer> {
    const run = this.#run
    if (run !== undefined && run.length >= length) return run
    const wanted = Math.min(Math.max(2 * length, minRunBytes), maxRunBytes)
    const larger = resized(run, Math.max(length, wanted))
    this.#run = larger
    return larger
  }

  #endRun(): void {
    if (this.#run === undefined) return
    this.#pieces.push(this.#runLength === this.#run.length ? this.#run : resized(this.#run, this.#runLength))
    this.#run = undefined
    this.#runLength = 0
  }
}

/**
 * The bytes in memory of another length. The old memory is released at once, without waiting for the garbage collector.
 * @param run a view on all of its memory, which nothing else references.
 */
export function resized(run: Buffer<ArrayBuffer> | undefined, length: number): Buffer<ArrayBuffer> {
  return run === undefined ? Buffer.allocUnsafeSlow(length) : Buffer.from(run.buffer.transfer(length))
}
