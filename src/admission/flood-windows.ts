// How many requests one client has sent lately: an exact sliding window per client, whatever the requests are for.
// It is no scope of a reservation: a request is counted before its body is read, and never given back.

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
  /** 0: the request is counted and passes. Else how long until it would, in milliseconds. */
  take(client: string): number | Promise<number>
}

/** The times of a client's last requests in a ring: the oldest of them decides. */
interface Ring {
  readonly times: number[]
  next: number
  newestMs: number
}

/** Windows in this thread's memory. */
export class MemoryFloodWindows implements FloodWindows {
  readonly rpm: number
  readonly #now: () => number
  readonly #rings = new Map<string, Ring>()
  #sweptAtMs = -Infinity

  /** @param now milliseconds of a monotonic clock. */
  constructor(rpm: number, now: () => number) {
    this.rpm = rpm
    this.#now = now
  }

  take(client: string): number {
    const nowMs = this.#now()
    let ring = this.#rings.get(client)
    const leavesAtMs = (ring?.times[ring.next] ?? -Infinity) + floodWindowMs
    if (leavesAtMs > nowMs) return leavesAtMs - nowMs
    if (ring === undefined) {
      ring = { times: [], next: 0, newestMs: nowMs }
      this.#rings.set(client, ring)
    }
    ring.times[ring.next] = nowMs
    ring.next = (ring.next + 1) % this.rpm
    ring.newestMs = nowMs
    if (nowMs - this.#sweptAtMs >= floodWindowMs) this.#forgetIdle(nowMs)
    return 0
  }

  /** A client that sent nothing for a window has nothing that counts. */
  #forgetIdle(nowMs: number): void {
    this.#sweptAtMs = nowMs
    for (const [client, { newestMs }] of this.#rings) {
      if (newestMs + floodWindowMs <= nowMs) this.#rings.delete(client)
    }
  }
}
