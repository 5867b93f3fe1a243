// Memory that the threads of this process use one at a time: a lock, and room that is handed out and taken back.
//
// A thread that is ended while it holds the lock leaves it locked and what it changed half done. Only the thread that
// sees the end (the coordinator) can help: `takeOver` opens the lock and says whether there is something to mend.

/** Words at the front: the lock, how many threads sleep before it, the first byte never handed out, free blocks by size. */
const lockWord = 0
const sleepersWord = 1
const topWord = 2
const firstFreeWord = 8

/** Blocks have sizes of 2^n bytes, from this n on. */
const smallestBlockBits = 6
const headerBytes = 256
const maxBytes = 2 ** 30

const spins = 64

export class SharedMemory {
  /** What another thread is given to use the same memory. Grows as needed, also for those who have it. */
  readonly buffer: SharedArrayBuffer
  /** Of this thread, from 0 on. */
  readonly thread: number
  readonly #words: Int32Array
  readonly #maxWaitMs: number

  /**
   * @param thread number of this thread, which no other one has.
   * @param maxWaitMs how long `lock` waits; finite for the coordinator, who is needed when a thread ends with the lock.
   */
  constructor(buffer: SharedArrayBuffer, thread: number, maxWaitMs = Infinity) {
    this.buffer = buffer
    this.thread = thread
    this.#maxWaitMs = maxWaitMs
    this.#words = new Int32Array(buffer, 0, headerBytes / 4)
  }

  /** New memory, all zeros. Of the maximum only what is handed out takes room. */
  static create(maxByteLength: number = maxBytes): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(Math.min(65_536, maxByteLength), { maxByteLength })
    new Int32Array(buffer)[topWord] = headerBytes / 8
    return buffer
  }

  /**
   * Waits until no other thread is between here and `unlock`. Not to be called twice.
   * @throws Error when that takes longer than this thread may wait.
   */
  lock(): void {
    const words = this.#words
    const own = this.thread + 1
    for (let spin = 0; spin < spins; spin++) {
      if (Atomics.compareExchange(words, lockWord, 0, own) === 0) return
    }
    const untilMs = performance.now() + this.#maxWaitMs
    Atomics.add(words, sleepersWord, 1)
    try {
      for (;;) {
        const owner = Atomics.compareExchange(words, lockWord, 0, own)
        if (owner === 0) return
        const leftMs = untilMs - performance.now()
        if (leftMs <= 0) throw new Error(`the shared counters are in use by worker ${owner - 1}`)
        Atomics.wait(words, lockWord, owner, leftMs)
      }
    } finally {
      Atomics.sub(words, sleepersWord, 1)
    }
  }

  unlock(): void {
    Atomics.store(this.#words, lockWord, 0)
    if (Atomics.load(this.#words, sleepersWord) > 0) Atomics.notify(this.#words, lockWord, 1)
  }

  /**
   * After the end of a thread: opens the lock if it had it.
   * @returns true if it had: what the lock protects may be half changed.
   */
  takeOver(endedThread: number): boolean {
    const hadLock = Atomics.compareExchange(this.#words, lockWord, endedThread + 1, 0) === endedThread + 1
    // It may also have been the one that was woken when the lock was opened last.
    Atomics.notify(this.#words, lockWord)
    return hadLock
  }

  /**
   * Room for this many bytes, all zeros, at a multiple of 8; undefined when there is none. Only with the lock, as `free`.
   * A thread that ends on the way may lose a block, nothing else.
   */
  allocate(bytes: number): number | undefined {
    const bits = blockBits(bytes)
    const words = this.#words
    const freeWord = firstFreeWord + bits - smallestBlockBits
    const free = words[freeWord]!
    if (free !== 0) {
      const block = new Int32Array(this.buffer, free * 8, 2 ** bits / 4)
      words[freeWord] = block[0]!
      block.fill(0)
      return free * 8
    }
    const start = words[topWord]! * 8
    const end = start + 2 ** bits
    if (end > this.buffer.maxByteLength) return undefined
    if (end > this.buffer.byteLength) {
      this.buffer.grow(Math.min(this.buffer.maxByteLength, Math.max(end, 2 * this.buffer.byteLength)))
    }
    words[topWord] = end / 8
    return start
  }

  /** Takes back what `allocate` gave for this many bytes. */
  free(offset: number, bytes: number): void {
    const freeWord = firstFreeWord + blockBits(bytes) - smallestBlockBits
    new Int32Array(this.buffer, offset, 1)[0] = this.#words[freeWord]!
    this.#words[freeWord] = offset / 8
  }
}

function blockBits(bytes: number): number {
  return Math.max(smallestBlockBits, Math.ceil(Math.log2(bytes)))
}
