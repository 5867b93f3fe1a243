// How many requests one client may send, before a byte of any body is read: an exact sliding window per client.
import type {
  FastifyRateLimitStore,
  FastifyRateLimitStoreCtor,
  RateLimitPluginOptions,
} from '@fastify/rate-limit'
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

/** The plugin's options: it counts in the windows of the limit, and its refusal is the gateway's own error. */
export function rateLimitOptions({ rpm, windows }: FloodLimit): RateLimitPluginOptions {
  return {
    // Where a route counts is said by the route: before the hook that takes its response over.
    global: false,
    max: rpm,
    timeWindow: floodWindowMs,
    keyGenerator: (request) => request.client.id,
    store: storeOver(windows),
    errorResponseBuilder: ({ client }, { ttl }) => floodError(client.id, rpm, ttl),
    // Nothing about the flood limit goes out but the error: other headers of this kind report the limits of a model.
    enableDraftSpec: true,
    addHeaders: none,
    addHeadersOnExceeding: none,
  }
}

const none = {
  'ratelimit-limit': false,
  'ratelimit-remaining': false,
  'ratelimit-reset': false,
  'retry-after': false,
}

/**
 * The plugin's windows are fixed, and its stores report a count to hold against `max`. Exact windows decide themselves:
 * a request that has to wait is reported as one too many, with its wait as the `ttl`.
 */
function storeOver(windows: FloodWindows): FastifyRateLimitStoreCtor {
  return class implements FastifyRateLimitStore {
    incr(client: string, done: Parameters<FastifyRateLimitStore['incr']>[1], _: number, max: number): void {
      const waitMs = windows.take(client)
      done(null, { current: waitMs === 0 ? max : max + 1, ttl: waitMs })
    }

    child(): FastifyRateLimitStore {
      return this
    }
  }
}

/** A client's requests count for all models together. */
const noModelLimits = { requests: undefined, tokens: undefined }

/** @param waitMs until the same request passes; above 0. */
function floodError(client: string, rpm: number, waitMs: number): GatewayError {
  const retryAfterMs = Math.min(floodWindowMs, Math.ceil(waitMs))
  const message =
    `Rate limit reached for ${client} on requests per min (RPM): Limit ${rpm}, Used ${rpm}, Requested 1. ` +
    `Please try again in ${formatGoDuration(retryAfterMs)}. rate_limit_settings.per_client sets the limit.`
  const limit = { counts: 'requests', status: noModelLimits, retryAfterMs } as const
  return new GatewayError('rate_limit_exceeded', message, { limit })
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
  readonly #rings = new Map<string, Ring>()
  #sweptAtMs = -Infinity

  /** @param now milliseconds of a monotonic clock. */
  constructor(rpm: number, now: () => number) {
    this.#rpm = rpm
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
    ring.next = (ring.next + 1) % this.#rpm
    ring.newestMs = nowMs
    if (nowMs - this.#sweptAtMs >= floodWindowMs) this.#forgetIdle(nowMs)
    return 0
  }

  /** Whoever sent nothing for a window has nothing that counts. */
  #forgetIdle(nowMs: number): void {
    this.#sweptAtMs = nowMs
    for (const [client, { newestMs }] of this.#rings) {
      if (newestMs + floodWindowMs <= nowMs) this.#rings.delete(client)
    }
  }
}
