// Limits in the headers of OpenAI's API, which its SDKs obey. https://platform.openai.com/docs/guides/rate-limits
import type { LimitStatus, Quota } from '../../domain.ts'
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
  if (requests !== undefined) addQuota(headers, 'requests', requests)
  if (tokens !== undefined) addQuota(headers, 'tokens', tokens)
  return headers
}

function addQuota(headers: Record<string, string>, what: 'requests' | 'tokens', quota: Quota): void {
  headers[`x-ratelimit-limit-${what}`] = String(quota.limit)
  headers[`x-ratelimit-remaining-${what}`] = String(quota.remaining)
  headers[`x-ratelimit-reset-${what}`] = formatGoDuration(quota.resetMs)
}

/** The headers of a 429. */
export function limitHeaders(error: GatewayError): Record<string, string> {
  return error.limit === undefined ? {} : { ...rateHeaders(error.limit.status), ...retryHeaders(error) }
}
