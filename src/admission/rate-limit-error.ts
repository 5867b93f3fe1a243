// The error for a call that exceeds a limit.
import { GatewayError } from '../errors.ts'
import { formatGoDuration } from '../http/duration.ts'
import { formatPath } from '../platform/key-path.ts'
import type { Scope } from './scopes.ts'
import type { Limited, Refusal } from './stores/store.ts'

/** Longest time that a client is asked to wait: OpenAI's Node SDK ignores more, and retries after half a second. */
const maxRetryAfterMs = 60_000

/**
 * The refusal as an error, status 429, or 503 where the limits are not known. Its message begins in the form of OpenAI's, which some clients read, and ends with
 * the key to raise, and by how much.
 */
export function rateLimitError(model: string, refusal: Refusal): GatewayError {
  if (refusal.kind === 'too_large') {
    const message =
      `Request too large for ${model} on tokens per min (TPM): ` +
      `Limit ${refusal.limit}, Requested ${refusal.requested}. ` +
      'The input or output tokens must be reduced in order to run successfully. ' +
      tooLow(refusal.scope, 'tpm', refusal.requested - refusal.limit)
    const limit = {
      counts: 'tokens',
      dimension: 'tokens',
      status: refusal.limitStatus,
      retryAfterMs: undefined,
    } as const
    return new GatewayError('rate_limit_exceeded', message, { limit })
  }
  if (refusal.kind === 'unavailable') {
    return new GatewayError('limits_unavailable', unavailable(refusal.scope))
  }
  const { limit, used, requested, dimension, limitStatus: status } = refusal
  const retryAfterMs = Math.min(maxRetryAfterMs, Math.max(1, Math.ceil(refusal.retryAfterMs)))
  const message =
    `Rate limit reached for ${model} on ${limitName(refusal)}: ` +
    `Limit ${limit}, Used ${used}, Requested ${requested}. ` +
    `Please try again in ${formatGoDuration(retryAfterMs)}. ` +
    (refusal.isShare
      ? 'The store of shared limits cannot be reached: until it is back, this gateway has its part of the limit alone (rate_limit_settings.store.when_unavailable: share).'
      : tooLow(refusal.scope, keys[dimension], used + requested - limit))
  const counts = dimension === 'tokens' ? 'tokens' : 'requests'
  return new GatewayError('rate_limit_exceeded', message, {
    limit: { counts, dimension, status, retryAfterMs },
  })
}

function unavailable({ kind, name, entry = name }: Scope): string {
  return (
    `The limits of ${kind} ${JSON.stringify(entry)} are shared with other gateways, and the store that holds them ` +
    'cannot be asked now. Calls are refused until it is back (rate_limit_settings.store.when_unavailable: refuse).'
  )
}

function limitName({ dimension, scope }: Limited): string {
  if (dimension === 'requests') return 'requests per min (RPM)'
  if (dimension === 'tokens') return 'tokens per min (TPM)'
  if (scope.kind === 'client') return 'parallel requests of this client'
  return scope.kind === 'provider' ? `parallel requests to provider ${scope.name}` : 'parallel requests'
}

const keys = { requests: 'rpm', tokens: 'tpm', parallel: 'max_parallel_requests' } as const

/** Which key of the file sets the limit, and how much more would have let the call through now. */
function tooLow({ kind, name, limits, entry = name }: Scope, key: string, missing: number): string {
  if (limits.isAuto) {
    return `The limit is the number of slots that are free for the gateway (${key}: auto). rate_limit_settings.when_limited: wait queues such calls.`
  }
  if (kind === 'client' && name.startsWith('key:')) {
    return `The ${key} of the key ${JSON.stringify(entry)} is ${missing} too low for this call.`
  }
  const settings = 'rate_limit_settings'
  const ofModel = limits.isDefault ? [settings, 'default'] : [settings, 'limits', name]
  const path = { provider: ['providers', name], client: ['clients', entry], model: ofModel }[kind]
  return `${formatPath([...path, key])} is ${missing} too low for this call.`
}
