// More headers than any client has use for are an attempt to make work. Node would drop the ones beyond its limit
// without a word, and a check of a dropped header would pass.
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

/** Node's own limit must be higher, or the guard could not see that there were more. */
export const maxHeaders = 100

export const headerCountGuard: Guard = ({ rawHeaders }) => {
  if (rawHeaders.length <= 2 * maxHeaders) return undefined
  return new GatewayError(
    'headers_too_large',
    `A request may have at most ${maxHeaders} headers; this one has more.`,
  )
}
