// How many requests one client has sent lately: an exact sliding window per client, whatever the requests are for.
// It is no scope of a reservation: a request is counted before its body is read, and never given back.
import { RetryTimes } from './retry-times.ts'

/** Length of a client's window in milliseconds. */
export const floodWindowMs = 60_000

/**
 * Exact sliding windows over the half-open span (now − 60 s, now], one per client. A refused request leaves no trace.
 * Never throws or rejects. A store that must ask elsewhere answers by promise; its answers are as if all requests came
 * one after another.
 */
export interface FloodWindows {
  /** Requests that one client may send in any 60 seconds; at least 1. */
  readonly rpm: number
  /**
   * 0: the request is counted and passes. Else how long until it would, in milliseconds: when there is room for the
   * requests that were refused before it, too. Infinity: how many others have passed is not known now, and nothing is to pass.
   */
  take(client: string): number | Promise<number>
}

/** Windows that the owner of several workers counts in. */
export interface LeasableWindows extends FloodWindows {
  /** Requests of a client that count now, of this gateway. */
  used(client: string): number
  /** Whether all of the client's limit is this gateway's, so that some of it may be promised. */
  mayLease(client: string): boolean
}

/** The times of a client's requests that count, in a ring that grows with them to `rpm` places at most. */
interface Ring {
  times: Float64Array
  /** Of the oldest that counts. */
  start: number
  count: number
  newestMs: number
  /** Undefined until a request is refused. */
  retryTimes: RetryTimes | undefined
}

/** V8 keeps the 64 bytes of so many in the array's own object: --typed-array-max-size-in-heap. */
const leastPlaces = 8

/** Windows in this thread's memory. */
export class MemoryFloodWindows implements LeasableWindows {
  readonly rpm: number
  readonly #now: () => number
  readonly #rings = new Map<string, Ring>()
  #sweptAtMs = -Infinity

  /** @param now milliseconds of a monotonic clock. */
  constructor(rpm: number, now: () => number) {
    this.rpm = rpm
    this.#now = now
  }

  /** @param most requests that may count in place of `rpm`; not above it. */
  take(client: string, most = this.rpm): number {
    const nowMs = this.#now()
    let ring = this.#rings.get(client)
    if (ring === undefined) {
      ring = {
        times: new Float64Array(leastPlaces),
        start: 0,
        count: 0,
        newestMs: nowMs,
        retryTimes: undefined,
      }
      this.#rings.set(client, ring)
    }
    this.#slide(ring, nowMs)
    if (ring.count >= most) return this.#waitMs(client, ring, nowMs)
    ring.retryTimes?.admit(client, nowMs)
    if (ring.count === ring.times.length) enlarge(ring, this.rpm)
    ring.times[(ring.start + ring.count) % ring.times.length] = nowMs
    ring.count += 1
    ring.newestMs = nowMs
    if (nowMs - this.#sweptAtMs >= floodWindowMs) this.#forgetIdle(nowMs)
    return 0
  }

  mayLease(): boolean {
    return true
  }

  /** Until the oldest request that counts does so no more, in milliseconds; undefined: none counts. */
  nextMs(client: string): number | undefined {
    const ring = this.used(client) === 0 ? undefined : this.#rings.get(client)!
    return ring && ring.times[ring.start]! + floodWindowMs - this.#now()
  }

  used(client: string): number {
    const ring = this.#rings.get(client)
    if (ring === undefined) return 0
    this.#slide(ring, this.#now())
    return ring.count
  }

  #waitMs(client: string, ring: Ring, nowMs: number): number {
    const told = (ring.retryTimes ??= new RetryTimes())
    const { requests, place } = told.ahead(client, nowMs)
    const index = ring.start + Math.min(requests, ring.count - 1)
    const dueAtMs = (ring.count === 0 ? nowMs : ring.times[index % ring.times.length]!) + floodWindowMs
    told.add(client, 0, dueAtMs, { atMs: nowMs, place })
    return dueAtMs - nowMs
  }

  #slide(ring: Ring, nowMs: number): void {
    while (ring.count > 0 && ring.times[ring.start]! + floodWindowMs <= nowMs) {
      ring.start = (ring.start + 1) % ring.times.length
      ring.count -= 1
    }
  }

  /** A client that sent nothing for a window has nothing that counts. */
  #forgetIdle(nowMs: number): void {
    this.#sweptAtMs = nowMs
    for (const [client, { newestMs }] of this.#rings) {
      if (newestMs + floodWindowMs <= nowMs) this.#rings.delete(client)
    }
  }
}

/** Doubles a ring that is full, in constant time a request on average. */
function enlarge(ring: Ring, rpm: number): void {
  const { times, start } = ring
  ring.times = new Float64Array(Math.min(2 * times.length, Math.max(rpm, leastPlaces)))
  ring.times.set(times.subarray(start))
  ring.times.set(times.subarray(0, start), times.length - start)
  ring.start = 0
}
