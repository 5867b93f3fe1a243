// Limits in the headers of Anthropic's API. https://docs.claude.com/en/api/rate-limits#response-headers
import type { LimitStatus, Quota } from '../../domain.ts'
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
  if (requests !== undefined) addQuota(headers, 'requests', requests, wallNowMs)
  if (tokens !== undefined) addQuota(headers, 'tokens', tokens, wallNowMs)
  return headers
}

function addQuota(
  headers: Record<string, string>,
  what: 'requests' | 'tokens',
  { limit, remaining, resetMs }: Quota,
  wallNowMs: number,
): void {
  headers[`anthropic-ratelimit-${what}-limit`] = String(limit)
  headers[`anthropic-ratelimit-${what}-remaining`] = String(remaining)
  headers[`anthropic-ratelimit-${what}-reset`] = instantOf(wallNowMs + resetMs)
}

/** In RFC 3339, in whole seconds and never too early. */
function instantOf(ms: number): string {
  return new Date(1000 * Math.ceil(ms / 1000)).toISOString().replace('.000Z', 'Z')
}

/** The headers of a 429. */
export function limitHeaders(error: GatewayError, wallNowMs: number): Record<string, string> {
  if (error.limit === undefined) return {}
  return { ...rateHeaders(error.limit.status, wallNowMs), ...retryHeaders(error) }
}
