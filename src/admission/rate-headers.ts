// Limits and refusals in the words of OpenAI's API, whose SDKs act on these headers and texts.
import { GatewayError } from '../errors.ts'
import { formatGoDuration } from '../http/duration.ts'
import type { Limited, LimitStatus, Quota, Refusal } from './stores/store.ts'

/**
 * The `x-ratelimit-*` headers of an answer; https://platform.openai.com/docs/guides/rate-limits. A limit that is not set
 * has none. For a stream they describe the reservation, since they go out before the first token.
 */
export function rateHeaders(limitStatus: LimitStatus): Record<string, string> {
  const headers: Record<string, string> = {}
  if (limitStatus.requests !== undefined) addRequests(headers, limitStatus.requests)
  if (limitStatus.tokens !== undefined) addTokens(headers, limitStatus.tokens)
  return headers
}

/**
 * The answer to a refused call, status 429. `retry-after` is 1 to 60: OpenAI's Node SDK ignores more and then retries
 * after half a second. A call that can never fit gets no time but `x-should-retry: false`, on which the SDKs give up.
 */
export function rateLimitError(model: string, refusal: Refusal): GatewayError {
  if (refusal.kind === 'too_large') {
    const message =
      `Request too large for ${model} on tokens per min (TPM): ` +
      `Limit ${refusal.limit}, Requested ${refusal.requested}. ` +
      'The input or output tokens must be reduced in order to run successfully.'
    const headers = { ...rateHeaders(refusal.limitStatus), 'x-should-retry': 'false' }
    return new GatewayError('rate_limit_exceeded', message, { type: 'tokens', headers })
  }
  const { limit, used, requested } = refusal
  const retryAfterMs = Math.min(60_000, Math.max(1, Math.ceil(refusal.retryAfterMs)))
  const message =
    `Rate limit reached for ${model} on ${limitName(refusal)}: ` +
    `Limit ${limit}, Used ${used}, Requested ${requested}. ` +
    `Please try again in ${formatGoDuration(retryAfterMs)}.`
  const headers = {
    ...rateHeaders(refusal.limitStatus),
    'retry-after': String(Math.ceil(retryAfterMs / 1000)),
    'retry-after-ms': String(retryAfterMs),
  }
  const type = refusal.dimension === 'tokens' ? 'tokens' : 'requests'
  return new GatewayError('rate_limit_exceeded', message, { type, headers })
}

function limitName({ dimension, scope }: Limited): string {
  if (dimension === 'requests') return 'requests per min (RPM)'
  if (dimension === 'tokens') return 'tokens per min (TPM)'
  return scope.kind === 'provider' ? `parallel requests to provider ${scope.name}` : 'parallel requests'
}

function addRequests(headers: Record<string, string>, { limit, remaining, resetMs }: Quota): void {
  headers['x-ratelimit-limit-requests'] = String(limit)
  headers['x-ratelimit-remaining-requests'] = String(remaining)
  headers['x-ratelimit-reset-requests'] = formatGoDuration(resetMs)
}

function addTokens(headers: Record<string, string>, { limit, remaining, resetMs }: Quota): void {
  headers['x-ratelimit-limit-tokens'] = String(limit)
  headers['x-ratelimit-remaining-tokens'] = String(remaining)
  headers['x-ratelimit-reset-tokens'] = formatGoDuration(resetMs)
}
