// How many requests one client may send, before a byte of any body is read: an exact sliding window per client.
import type { Client } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { formatGoDuration } from '../http/duration.ts'

/** Length of a client's window in milliseconds. */
export const floodWindowMs = 60_000

/** Exact sliding windows, one per client. A refused request leaves no trace. */
export interface FloodWindows {
  /** 0: the request is counted and passes. Else how long until it would, in milliseconds. */
  take(client: string): number
}

/** At most `rpm` requests of one client, at least 1, in any 60 seconds. */
export interface FloodLimit {
  readonly rpm: number
  readonly windows: FloodWindows
}

/** Counts a request of the client; the error when it is one too many. */
export function floodRefusal(limit: FloodLimit | undefined, { id }: Client): GatewayError | undefined {
  if (limit === undefined) return undefined
  const waitMs = limit.windows.take(id)
  return waitMs === 0 ? undefined : floodError(id, limit.rpm, waitMs)
}

/** @param waitMs until the same request passes; above 0. */
function floodError(client: string, rpm: number, waitMs: number): GatewayError {
  const retryAfterMs = Math.min(floodWindowMs, Math.ceil(waitMs))
  const message =
    `Rate limit reached for ${client} on requests per min (RPM): Limit ${rpm}, Used ${rpm}, Requested 1. ` +
    `Please try again in ${formatGoDuration(retryAfterMs)}. rate_limit_settings.per_client sets the limit.`
  const headers = {
    'retry-after': String(Math.ceil(retryAfterMs / 1000)),
    'retry-after-ms': String(retryAfterMs),
  }
  return new GatewayError('rate_limit_exceeded', message, { type: 'requests', headers })
}

/** The times of a client's last requests in a ring: the oldest of them decides. */
interface Ring {
  readonly times: number[]
  next: number
  newestMs: number
}

/** Windows that no other thread sees. */
export class ClientWindows implements FloodWindows {
  readonly #rpm: number
  readonly #now: () => number
  /** In the order of their newest requests. */
  readonly #rings = new Map<string, Ring>()

  /** @param now milliseconds of a monotonic clock. */
  constructor(rpm: number, now: () => number) {
    this.#rpm = rpm
    this.#now = now
  }

  take(client: string): number {
    const nowMs = this.#now()
    const ring = this.#rings.get(client) ?? { times: [], next: 0, newestMs: nowMs }
    const leavesAtMs = (ring.times[ring.next] ?? -Infinity) + floodWindowMs
    if (leavesAtMs > nowMs) return leavesAtMs - nowMs
    ring.times[ring.next] = nowMs
    ring.next = (ring.next + 1) % this.#rpm
    ring.newestMs = nowMs
    this.#rings.delete(client)
    this.#rings.set(client, ring)
    this.#forgetIdle(nowMs)
    return 0
  }

  /** Whoever sent nothing for a window has nothing that counts. */
  #forgetIdle(nowMs: number): void {
    for (const [client, { newestMs }] of this.#rings) {
      if (newestMs + floodWindowMs > nowMs) return
      this.#rings.delete(client)
    }
  }
}
