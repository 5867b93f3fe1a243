// Limits in the headers of OpenAI's API, which its SDKs obey. https://platform.openai.com/docs/guides/rate-limits
import type { LimitStatus } from '../../domain.ts'
import type { GatewayError } from '../../errors.ts'
import { formatGoDuration } from '../../http/duration.ts'
import { retryHeaders } from '../retry-headers.ts'

/** Sorted. */
export const rateHeaderNames = [
  'x-ratelimit-limit-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-requests',
  'x-ratelimit-reset-tokens',
] as const

/** The `x-ratelimit-*` headers of a response. A limit that is not set has none. */
export function rateHeaders({ requests, tokens }: LimitStatus): Record<string, string> {
  const headers: Record<string, string> = {}
  // Names that are written out: V8 builds an object slowly whose names are computed, and nearly every response has these.
  if (requests !== undefined) {
    headers['x-ratelimit-limit-requests'] = String(requests.limit)
    headers['x-ratelimit-remaining-requests'] = String(requests.remaining)
    headers['x-ratelimit-reset-requests'] = formatGoDuration(requests.resetMs)
  }
  if (tokens !== undefined) {
    headers['x-ratelimit-limit-tokens'] = String(tokens.limit)
    headers['x-ratelimit-remaining-tokens'] = String(tokens.remaining)
    headers['x-ratelimit-reset-tokens'] = formatGoDuration(tokens.resetMs)
  }
  return headers
}

/** The headers of a 429. */
export function limitHeaders(error: GatewayError): Record<string, string> {
  return error.limit === undefined ? {} : { ...rateHeaders(error.limit.status), ...retryHeaders(error) }
}
