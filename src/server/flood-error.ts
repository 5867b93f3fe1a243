// The error for a client that sends too many requests.
import { floodWindowMs } from '../admission/flood-windows.ts'
import { noLimitStatus } from '../admission/scope-counter.ts'
import { GatewayError } from '../errors.ts'
import { formatGoDuration } from '../http/duration.ts'

interface Excess {
  readonly client: string
  readonly rpm: number
  /** Until the same request passes; above 0. As `FloodWindows.take`. */
  readonly waitMs: number
  readonly key: string | undefined
}

const unavailable =
  'How many requests a client sends is limited over several gateways, and the store of that cannot be asked now. Requests are refused until it is back (rate_limit_settings.store.when_unavailable: refuse).'

/** The client has sent too many requests, or how many is not known. */
export function floodError({ client, rpm, waitMs, key }: Excess): GatewayError {
  if (waitMs === Infinity) return new GatewayError('limits_unavailable', unavailable)
  const retryAfterMs = Math.min(floodWindowMs, Math.ceil(waitMs))
  const message =
    `Rate limit reached for ${client} on requests per min (RPM): Limit ${rpm}, Used ${rpm}, Requested 1. ` +
    `Please try again in ${formatGoDuration(retryAfterMs)}. ` +
    (key === undefined ? 'This limit is for lists of models and limits alone.' : `${key} sets the limit.`)
  const limit = { counts: 'requests', dimension: 'client', status: noLimitStatus, retryAfterMs } as const
  return new GatewayError('rate_limit_exceeded', message, { limit })
}
