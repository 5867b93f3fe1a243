// The flood limit: how many requests one client may send, before a byte of any body is read.
import { floodWindowMs, type FloodWindows } from '../admission/flood-windows.ts'
import type { Client } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { formatGoDuration } from '../http/duration.ts'

/**
 * Counts a request of the client; the error when it is one too many.
 * @param windows undefined: requests are not limited.
 */
export function floodRefusal(
  windows: FloodWindows | undefined,
  { id }: Client,
): GatewayError | undefined | Promise<GatewayError | undefined> {
  if (windows === undefined) return undefined
  const judge = (waitMs: number) => (waitMs === 0 ? undefined : floodError(id, windows.rpm, waitMs))
  const waitMs = windows.take(id)
  return waitMs instanceof Promise ? waitMs.then(judge) : judge(waitMs)
}

/** @param waitMs until the same request passes; above 0. */
function floodError(client: string, rpm: number, waitMs: number): GatewayError {
  const retryAfterMs = Math.min(floodWindowMs, Math.ceil(waitMs))
  const message =
    `Rate limit reached for ${client} on requests per min (RPM): Limit ${rpm}, Used ${rpm}, Requested 1. ` +
    `Please try again in ${formatGoDuration(retryAfterMs)}. rate_limit_settings.per_client sets the limit.`
  const headers = {
    'retry-after': String(Math.ceil(retryAfterMs / 1000)),
    'retry-after-ms': String(retryAfterMs),
  }
  return new GatewayError('rate_limit_exceeded', message, { type: 'requests', headers })
}
