// Web pages may call only from allowed origins. CORS headers alone would not stop others: a page that cannot read a response
// can still cause the call.
import { GatewayError } from '../../errors.ts'
import { headerLines } from '../../http/headers.ts'
import type { Guard } from './guard.ts'

/** @param isAllowed whether a web origin may call. */
export function originGuard(isAllowed: (origin: string) => boolean): Guard {
  return (request) => {
    const origins = headerLines(request, 'origin')
    if (origins.length === 0) return undefined
    if (origins.length === 1 && isAllowed(origins[0]!)) return undefined
    const hint = 'Add it to cors.allowed_origins if it is yours.'
    const seen = origins.length === 1 ? `The origin ${JSON.stringify(origins[0])} is` : 'Several origins are'
    return new GatewayError('origin_not_allowed', `${seen} not allowed to call this gateway. ${hint}`)
  }
}
