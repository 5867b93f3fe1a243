// How many requests one client may send, before a byte of any body is read. @fastify/rate-limit hooks it into the
// routes; the counting is our own, because the plugin's fixed windows let twice the limit through at their border, go by
// the wall clock, and count what they refuse.
import rateLimit, { type FastifyRateLimitStore } from '@fastify/rate-limit'
import type { FastifyInstance } from 'fastify'
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

/**
 * Limits every route that is registered from here on, but for those with `config.rateLimit: false`.
 */
export async function addFloodLimit(app: FastifyInstance, { rpm, windows }: FloodLimit): Promise<void> {
  class Store implements FastifyRateLimitStore {
    incr(client: string, done: Parameters<FastifyRateLimitStore['incr']>[1]): void {
      const waitMs = windows.take(client)
      done(null, { current: waitMs > 0 ? rpm + 1 : rpm, ttl: waitMs })
    }

    child(): this {
      return this
    }
  }
  const none = { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false }
  await app.register(rateLimit, {
    max: rpm,
    timeWindow: floodWindowMs,
    hook: 'onRequest',
    store: Store,
    keyGenerator: (request) => request.client.id,
    // These names tell of the model's limits (admission/rate-headers.ts).
    addHeaders: { ...none, 'retry-after': false },
    addHeadersOnExceeding: none,
    errorResponseBuilder: (request, { ttl }) => floodError(request.client.id, rpm, ttl),
  })
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
