// The flood limit's windows where several threads serve the same clients: in memory that they share. Clients come and
// go by the thousand, so here is a table of their own, in which the ones that sent nothing for a minute are forgotten.
import { SharedMemory } from '../shared-memory.ts'
import { floodWindowMs, type FloodWindows } from './flood-limit.ts'

/** Words of a client. References are in units of 8 bytes; 0 is nobody. */
const nextWord = 0 // of those with the same bucket
const olderWord = 1 // by newest request
const newerWord = 2
const nameBytesWord = 3
const ringWord = 4
const capacityWord = 5
const filledWord = 6 // times in the ring; once all of `rpm` are, the oldest of them decides
const oldestTimeWord = 7
const headWords = 8
const newestMsOffset = headWords * 4
const nameOffset = newestMsOffset + 8

/** Words of the table, after which the buckets come. */
const oldestWord = 0
const newestWord = 1
const firstBucketWord = 2
const buckets = 4096

const smallestRing = 14

const encoder = new TextEncoder()

/** What all threads are given; made once. */
export interface SharedWindowsPlace {
  readonly buffer: SharedArrayBuffer
  readonly table: number
}

/** @param maxBytes which the windows of 100,000 clients and more fit in; beyond that the idlest are forgotten. */
export function createSharedWindows(maxBytes: number = 2 ** 28): SharedWindowsPlace {
  const buffer = SharedMemory.create(maxBytes)
  const table = new SharedMemory(buffer, 0).allocate((firstBucketWord + buckets) * 4)
  if (table === undefined) throw new RangeError('no room for a table of clients')
  return { buffer, table }
}

export class SharedWindows implements FloodWindows {
  readonly #memory: SharedMemory
  readonly #words: Int32Array
  readonly #times: Float64Array
  readonly #bytes: Uint8Array
  readonly #table: number
  readonly #rpm: number
  readonly #now: () => number

  /**
   * @param memory over the place's buffer.
   * @param options.now milliseconds of a clock that the threads share.
   */
  constructor(
    memory: SharedMemory,
    { table }: SharedWindowsPlace,
    { rpm, now }: { rpm: number; now: () => number },
  ) {
    // These views grow with the memory.
    this.#memory = memory
    this.#words = new Int32Array(memory.buffer)
    this.#times = new Float64Array(memory.buffer)
    this.#bytes = new Uint8Array(memory.buffer)
    this.#table = table
    this.#rpm = rpm
    this.#now = now
  }

  take(client: string): number {
    const name = encoder.encode(client)
    this.#memory.lock()
    try {
      const nowMs = this.#now()
      this.#forgetIdle(nowMs)
      const at = this.#find(name) ?? this.#add(name)
      return at === undefined ? 0 : this.#count(at, nowMs)
    } finally {
      this.#memory.unlock()
    }
  }

  /** After the end of a thread. One that ended in the middle of a change leaves nothing to go by: all start anew. */
  forget(thread: number): void {
    if (!this.#memory.takeOver(thread)) return
    this.#words.fill(0, this.#table / 4, this.#table / 4 + firstBucketWord + buckets)
  }

  #count(at: number, nowMs: number): number {
    const filled = this.#get(at, filledWord)
    if (filled < this.#rpm) {
      this.#moveToNewest(at, nowMs)
      if (filled === this.#get(at, capacityWord) && !this.#growRing(at)) return 0
      this.#times[this.#get(at, ringWord) + filled] = nowMs
      this.#set(at, filledWord, filled + 1)
      return 0
    }
    const oldest = this.#get(at, oldestTimeWord)
    const time = this.#get(at, ringWord) + oldest
    const leavesAtMs = this.#times[time]! + floodWindowMs
    if (leavesAtMs > nowMs) return leavesAtMs - nowMs
    this.#times[time] = nowMs
    this.#set(at, oldestTimeWord, (oldest + 1) % this.#rpm)
    this.#moveToNewest(at, nowMs)
    return 0
  }

  /** Of the newest client. False: there is no room, however many others are forgotten. */
  #growRing(at: number): boolean {
    const before = this.#get(at, capacityWord)
    const capacity = Math.min(this.#rpm, Math.max(smallestRing, 2 * before))
    const offset = this.#allocate(capacity * 8)
    if (offset === undefined) return false
    if (before > 0) {
      const start = this.#get(at, ringWord)
      this.#times.copyWithin(offset / 8, start, start + before)
      this.#memory.free(start * 8, before * 8)
    }
    this.#set(at, ringWord, offset / 8)
    this.#set(at, capacityWord, capacity)
    return true
  }

  #find(name: Uint8Array): number | undefined {
    for (let at = this.#get(this.#table, bucketOf(name)) * 8; at !== 0; at = this.#get(at, nextWord) * 8) {
      if (this.#isNamed(at, name)) return at
    }
    return undefined
  }

  #isNamed(at: number, name: Uint8Array): boolean {
    if (this.#get(at, nameBytesWord) !== name.length) return false
    for (let index = 0; index < name.length; index++) {
      if (name[index] !== this.#bytes[at + nameOffset + index]) return false
    }
    return true
  }

  #add(name: Uint8Array): number | undefined {
    const at = this.#allocate(nameOffset + name.length)
    if (at === undefined) return undefined
    this.#set(at, nameBytesWord, name.length)
    this.#bytes.set(name, at + nameOffset)
    const bucket = bucketOf(name)
    this.#set(at, nextWord, this.#get(this.#table, bucket))
    this.#set(this.#table, bucket, at / 8)
    this.#linkNewest(at)
    return at
  }

  #allocate(bytes: number): number | undefined {
    for (;;) {
      const offset = this.#memory.allocate(bytes)
      if (offset !== undefined) return offset
      // The newest may be the one that asks.
      const oldest = this.#get(this.#table, oldestWord)
      if (oldest === this.#get(this.#table, newestWord)) return undefined
      this.#remove(oldest * 8)
    }
  }

  /** Whoever sent nothing for a window has nothing that counts. */
  #forgetIdle(nowMs: number): void {
    for (;;) {
      const at = this.#get(this.#table, oldestWord) * 8
      if (at === 0 || this.#times[(at + newestMsOffset) / 8]! + floodWindowMs > nowMs) return
      this.#remove(at)
    }
  }

  #remove(at: number): void {
    const nameStart = at + nameOffset
    const nameBytes = this.#get(at, nameBytesWord)
    const bucket = bucketOf(this.#bytes.subarray(nameStart, nameStart + nameBytes))
    let [before, word] = [this.#table, bucket]
    while (this.#get(before, word) * 8 !== at) [before, word] = [this.#get(before, word) * 8, nextWord]
    this.#set(before, word, this.#get(at, nextWord))
    this.#unlink(at)
    const capacity = this.#get(at, capacityWord)
    if (capacity > 0) this.#memory.free(this.#get(at, ringWord) * 8, capacity * 8)
    this.#memory.free(at, nameOffset + nameBytes)
  }

  #moveToNewest(at: number, nowMs: number): void {
    this.#times[(at + newestMsOffset) / 8] = nowMs
    if (this.#get(this.#table, newestWord) * 8 === at) return
    this.#unlink(at)
    this.#linkNewest(at)
  }

  #linkNewest(at: number): void {
    const newest = this.#get(this.#table, newestWord)
    this.#set(at, olderWord, newest)
    this.#set(at, newerWord, 0)
    if (newest === 0) this.#set(this.#table, oldestWord, at / 8)
    else this.#set(newest * 8, newerWord, at / 8)
    this.#set(this.#table, newestWord, at / 8)
  }

  #unlink(at: number): void {
    const older = this.#get(at, olderWord)
    const newer = this.#get(at, newerWord)
    if (older === 0) this.#set(this.#table, oldestWord, newer)
    else this.#set(older * 8, newerWord, newer)
    if (newer === 0) this.#set(this.#table, newestWord, older)
    else this.#set(newer * 8, olderWord, older)
  }

  #get(at: number, word: number): number {
    return this.#words[at / 4 + word]!
  }

  #set(at: number, word: number, value: number): void {
    this.#words[at / 4 + word] = value
  }
}

/** FNV-1a. */
function bucketOf(name: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of name) hash = Math.imul(hash ^ byte, 0x01000193)
  return firstBucketWord + ((hash >>> 0) % buckets)
}
