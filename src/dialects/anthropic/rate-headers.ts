// Limits in the headers of Anthropic's API. https://docs.claude.com/en/api/rate-limits#response-headers
import type { LimitStatus } from '../../domain.ts'
import type { GatewayError } from '../../errors.ts'
import { retryHeaders } from '../retry-headers.ts'

/** Sorted. */
export const rateHeaderNames = [
  'anthropic-ratelimit-requests-limit',
  'anthropic-ratelimit-requests-remaining',
  'anthropic-ratelimit-requests-reset',
  'anthropic-ratelimit-tokens-limit',
  'anthropic-ratelimit-tokens-remaining',
  'anthropic-ratelimit-tokens-reset',
] as const

/** The `anthropic-ratelimit-*` headers of a response. A limit that is not set has none. @param wallNowMs milliseconds since 1970. */
export function rateHeaders({ requests, tokens }: LimitStatus, wallNowMs: number): Record<string, string> {
  const headers: Record<string, string> = {}
  // Names that are written out: V8 builds an object slowly whose names are computed, and nearly every response has these.
  if (requests !== undefined) {
    headers['anthropic-ratelimit-requests-limit'] = String(requests.limit)
    headers['anthropic-ratelimit-requests-remaining'] = String(requests.remaining)
    headers['anthropic-ratelimit-requests-reset'] = instantOf(wallNowMs + requests.resetMs)
  }
  if (tokens !== undefined) {
    headers['anthropic-ratelimit-tokens-limit'] = String(tokens.limit)
    headers['anthropic-ratelimit-tokens-remaining'] = String(tokens.remaining)
    headers['anthropic-ratelimit-tokens-reset'] = instantOf(wallNowMs + tokens.resetMs)
  }
  return headers
}

/** The last instant that was written: most calls of a second name the same. */
let lastSecond = Number.NaN
let lastInstant = ''

/** In RFC 3339, in whole seconds and never too early. */
function instantOf(ms: number): string {
  const second = Math.ceil(ms / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    lastInstant = new Date(1000 * second).toISOString().replace('.000Z', 'Z')
  }
  return lastInstant
}

/** The headers of a 429. */
export function limitHeaders(error: GatewayError, wallNowMs: number): Record<string, string> {
  if (error.limit === undefined) return {}
  return { ...rateHeaders(error.limit.status, wallNowMs), ...retryHeaders(error) }
}
