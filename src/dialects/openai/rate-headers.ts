// Limits in the headers of OpenAI's API, which its SDKs obey. https://platform.openai.com/docs/guides/rate-limits
import type { LimitStatus, Quota } from '../../domain.ts'
import type { GatewayError } from '../../errors.ts'
import { formatGoDuration } from '../../http/duration.ts'

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
  if (requests !== undefined) addQuota(headers, 'requests', requests)
  if (tokens !== undefined) addQuota(headers, 'tokens', tokens)
  return headers
}

function addQuota(headers: Record<string, string>, what: 'requests' | 'tokens', quota: Quota): void {
  headers[`x-ratelimit-limit-${what}`] = String(quota.limit)
  headers[`x-ratelimit-remaining-${what}`] = String(quota.remaining)
  headers[`x-ratelimit-reset-${what}`] = formatGoDuration(quota.resetMs)
}

/** Headers of a 429. A call that can never fit receives `x-should-retry: false`, which makes the SDKs give up. */
export function limitHeaders({ limit }: GatewayError): Record<string, string> {
  if (limit === undefined) return {}
  const { status, retryAfterMs } = limit
  if (retryAfterMs === undefined) return { ...rateHeaders(status), 'x-should-retry': 'false' }
  return {
    ...rateHeaders(status),
    'retry-after': String(Math.ceil(retryAfterMs / 1000)),
    'retry-after-ms': String(retryAfterMs),
  }
}
