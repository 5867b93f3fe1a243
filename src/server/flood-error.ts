// The error for a client that sends too many requests.
import { floodWindowMs } from '../admission/flood-windows.ts'
import { noLimitStatus } from '../admission/scope-counter.ts'
import { GatewayError } from '../errors.ts'
import { formatGoDuration } from '../http/duration.ts'

interface Excess {
  readonly client: string
  readonly rpm: number
  /** Until the same request passes; above 0. */
  readonly waitMs: number
  readonly key: string | undefined
}

/** The client has sent too many requests. */
export function floodError({ client, rpm, waitMs, key }: Excess): GatewayError {
  const retryAfterMs = Math.min(floodWindowMs, Math.ceil(waitMs))
  const message =
    `Rate limit reached for ${client} on requests per min (RPM): Limit ${rpm}, Used ${rpm}, Requested 1. ` +
    `Please try again in ${formatGoDuration(retryAfterMs)}. ` +
    (key === undefined ? 'This limit is for lists of models and limits alone.' : `${key} sets the limit.`)
  const limit = { counts: 'requests', dimension: 'client', status: noLimitStatus, retryAfterMs } as const
  return new GatewayError('rate_limit_exceeded', message, { limit })
}
