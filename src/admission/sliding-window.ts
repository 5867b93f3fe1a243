// An exact sliding window: what was charged in the last 60 seconds, to the entry.
//
// When the ring gets short of room (only many refunded calls, or a model without a request limit, get there)
// neighbours in time become one entry with the later time: it frees a moment late and is never counted too low.
import { BlockSums } from './block-sums.ts'

/** Length of the window in milliseconds. */
export const windowMs = 60_000

/** Most slots that a ring gets; 6 MiB. Exact for half as many entries a minute. */
const maxCapacity = 262_144

/**
 * A window begins with so few slots: there may be one for each of many thousand clients, most of which call rarely. V8 keeps
 * the 64 bytes of so many in the array's own object (--typed-array-max-size-in-heap): 1.2 KB a window in place of 3.5 with 64.
 */
const firstSlots = 8

/** What one call holds in the window. Settled through `settle`, once; the object belongs to who reserved. */
export interface Entry {
  /** Where it stands in the window; further on once it has grown after its first place had left. */
  seq: number
  /** What is charged there. */
  requests: number
  tokens: number
  /** What had left the window by then. */
  requestsGone: number
  tokensGone: number
  open: boolean
}

/** One saved stretch of the window: how long ago, and what was charged. */
export type SavedEntry = readonly [ageMs: number, requests: number, tokens: number]

export type WindowDimension = 'requests' | 'tokens'

/** Slots for a model with these limits: room for refunded and late charges besides the counted requests. */
export function capacityFor(limits: { rpm?: number; tpm?: number } | undefined): number {
  const rpm = limits?.rpm
  if (rpm === undefined) return limits?.tpm === undefined ? 1024 : 65_536
  return Math.min(maxCapacity, Math.max(1024, 2 ** Math.ceil(Math.log2(4 * rpm))))
}

/**
 * A sliding-window log over the half-open span (now − 60 s, now]: what is charged at t leaves at exactly t + 60,000.
 * Times are milliseconds of one monotonic clock; a time before the newest entry's is taken as that entry's. Sums may exceed a limit (debt) and are never below 0.
 */
export class SlidingWindow {
  /** Most slots; there are fewer until so many are in use. */
  readonly capacity: number
  #mask: number
  /** Entries closer than this are merged once half of the ring is in use. */
  readonly #quantumMs: number
  /** Sequence number of the oldest entry. */
  #head = 0
  /** Sequence number of the next entry. */
  #tail = 0
  /** First time in the newest entry. */
  #newestSinceMs = 0
  #times: Float64Array
  #requests: BlockSums
  #tokens: BlockSums

  /**
   * @param capacity a power of two, at least 64.
   * @param slots how many there are at first, of the same kind.
   */
  constructor(capacity: number, slots = firstSlots) {
    this.capacity = capacity
    this.#mask = slots - 1
    this.#quantumMs = windowMs / (capacity / 2 - 1)
    this.#times = new Float64Array(slots)
    this.#requests = new BlockSums(slots)
    this.#tokens = new BlockSums(slots)
  }

  /** What counts at `nowMs`. */
  used(dimension: WindowDimension, nowMs: number): number {
    this.#slide(nowMs)
    return this.#sumsOf(dimension).total
  }

  /** The first moment at which `amount` more stays within `limit`; `nowMs` if it does already, Infinity if it never can. */
  fitsAt(dimension: WindowDimension, amount: number, limit: number, nowMs: number): number {
    this.#slide(nowMs)
    const sums = this.#sumsOf(dimension)
    const excess = sums.total + amount - limit
    if (excess <= 0) return nowMs
    return amount > limit ? Infinity : this.#leavesAt(sums, excess)
  }

  /** The moment at which nothing of this dimension counts any more. */
  emptyAt(dimension: WindowDimension, nowMs: number): number {
    this.#slide(nowMs)
    const sums = this.#sumsOf(dimension)
    if (sums.total === 0) return nowMs
    const newest = (this.#tail - 1) & this.#mask
    return sums.at(newest) > 0 ? this.#times[newest]! + windowMs : this.#leavesAt(sums, sums.total)
  }

  /** Charges, without a look at any limit. Throws for amounts that are not whole or below 0: they would spoil the sums. */
  add(requests: number, tokens: number, nowMs: number): Entry {
    assertWhole(requests, tokens)
    this.#slide(nowMs)
    const seq = this.#push(requests, tokens, nowMs)
    return { seq, requests, tokens, requestsGone: 0, tokensGone: 0, open: true }
  }

  /**
   * Raises an open entry's charge to `tokens` in all. What is added counts from the admission on or, where that has
   * left the window, from now. Fewer than are charged already change nothing.
   */
  grow(entry: Entry, tokens: number, nowMs: number): void {
    assertWhole(0, tokens)
    const moreTokens = tokens - entry.tokensGone - entry.tokens
    if (!entry.open || moreTokens <= 0) return
    this.#slide(nowMs)
    if (entry.seq >= this.#head) {
      this.#tokens.add(entry.seq & this.#mask, moreTokens)
      entry.tokens += moreTokens
    } else {
      entry.requestsGone += entry.requests
      entry.tokensGone += entry.tokens
      entry.requests = 0
      entry.tokens = moreTokens
      entry.seq = this.#push(0, moreTokens, nowMs)
    }
  }

  /**
   * Puts the true charge in the place of the reserved one. More is debt; it counts from the admission on or, where
   * that has left the window, from now. Later calls change nothing. True if anything was given back.
   */
  settle(entry: Entry, charge: { requests: number; tokens: number }, nowMs: number): boolean {
    if (!entry.open) return false
    assertWhole(charge.requests, charge.tokens)
    entry.open = false
    this.#slide(nowMs)
    // What has left the window can't be given back.
    const moreRequests = Math.max(charge.requests - entry.requestsGone, 0) - entry.requests
    const moreTokens = Math.max(charge.tokens - entry.tokensGone, 0) - entry.tokens
    if (entry.seq < this.#head) {
      if (moreTokens > 0) this.#push(0, moreTokens, nowMs)
      return false
    }
    const slot = entry.seq & this.#mask
    this.#requests.add(slot, moreRequests)
    this.#tokens.add(slot, moreTokens)
    return moreRequests < 0 || moreTokens < 0
  }

  /** The same entries with room for more, for a limit that was raised. Handles stay good. */
  resized(capacity: number): SlidingWindow {
    const larger = new SlidingWindow(capacity, this.#mask + 1)
    larger.#head = this.#head
    larger.#tail = this.#tail
    larger.#newestSinceMs = this.#newestSinceMs
    larger.#copySlots(this)
    return larger
  }

  /** What to save, oldest first, in at most about `maxEntries` pieces; merged ones get the younger age. */
  dump(nowMs: number, maxEntries: number): SavedEntry[] {
    this.#slide(nowMs)
    const [head, tail] = [this.#head, this.#tail]
    const step = Math.max(1, Math.ceil((tail - head) / maxEntries))
    const saved: SavedEntry[] = []
    for (let start = head; start < tail; start += step) {
      const end = Math.min(start + step, tail)
      let requests = 0
      let tokens = 0
      for (let seq = start; seq < end; seq++) {
        requests += this.#requests.at(seq & this.#mask)
        tokens += this.#tokens.at(seq & this.#mask)
      }
      const ageMs = nowMs - this.#times[(end - 1) & this.#mask]!
      if (requests + tokens > 0) saved.push([ageMs, requests, tokens])
    }
    return saved
  }

  /** Twice the slots, for the same entries. */
  #addSlots(): void {
    const larger = new SlidingWindow(this.capacity, 2 * (this.#mask + 1))
    larger.#head = this.#head
    larger.#tail = this.#tail
    larger.#copySlots(this)
    this.#mask = larger.#mask
    this.#times = larger.#times
    this.#requests = larger.#requests
    this.#tokens = larger.#tokens
  }

  #copySlots(other: SlidingWindow): void {
    for (let seq = this.#head; seq < this.#tail; seq++) {
      const from = seq & other.#mask
      const to = seq & this.#mask
      this.#times[to] = other.#times[from]!
      this.#requests.put(to, other.#requests.at(from))
      this.#tokens.put(to, other.#tokens.at(from))
    }
  }

  #sumsOf(dimension: WindowDimension): BlockSums {
    return dimension === 'requests' ? this.#requests : this.#tokens
  }

  #leavesAt(sums: BlockSums, amount: number): number {
    const seq = sums.findPrefix(this.#head, this.#tail, amount)
    return this.#times[seq & this.#mask]! + windowMs
  }

  /** Lets everything go that is 60 seconds old, whole blocks at a time where possible. */
  #slide(nowMs: number): void {
    const tail = this.#tail
    let head = this.#head
    while (head < tail) {
      const slot = head & this.#mask
      if (this.#times[slot]! + windowMs > nowMs) break
      const blockEnd = head + BlockSums.blockSize
      const isBlock = (slot & (BlockSums.blockSize - 1)) === 0 && blockEnd <= tail
      if (isBlock && this.#times[slot + BlockSums.blockSize - 1]! + windowMs <= nowMs) {
        this.#requests.dropBlock(slot)
        this.#tokens.dropBlock(slot)
        head = blockEnd
      } else {
        this.#requests.drop(slot)
        this.#tokens.drop(slot)
        head++
      }
    }
    this.#head = head
  }

  /** Appends or merges; returns the entry's sequence number. */
  #push(requests: number, tokens: number, nowMs: number): number {
    const tail = this.#tail
    const newest = (tail - 1) & this.#mask
    const size = tail - this.#head
    const timeMs = size === 0 ? nowMs : Math.max(nowMs, this.#times[newest]!)
    if (size > 0 && this.#mayJoin(newest, size, timeMs)) {
      this.#times[newest] = timeMs
      this.#requests.add(newest, requests)
      this.#tokens.add(newest, tokens)
      return tail - 1
    }
    if (size > this.#mask) this.#addSlots()
    const slot = tail & this.#mask
    this.#times[slot] = timeMs
    this.#requests.put(slot, requests)
    this.#tokens.put(slot, tokens)
    this.#tail = tail + 1
    this.#newestSinceMs = timeMs
    return tail
  }

  /** Into the newest entry's slot: exact for the same moment and for an entry that was refunded whole. */
  #mayJoin(newest: number, size: number, timeMs: number): boolean {
    if (this.#times[newest] === timeMs) return true
    if (this.#requests.at(newest) === 0 && this.#tokens.at(newest) === 0) {
      this.#newestSinceMs = timeMs
      return true
    }
    if (size < this.capacity / 2) return false
    return size === this.capacity || timeMs - this.#newestSinceMs < this.#quantumMs
  }
}

function assertWhole(requests: number, tokens: number): void {
  const isWhole = Number.isSafeInteger(requests) && Number.isSafeInteger(tokens)
  if (!isWhole || requests < 0 || tokens < 0)
    throw new RangeError(`cannot charge ${requests} requests, ${tokens} tokens`)
}
