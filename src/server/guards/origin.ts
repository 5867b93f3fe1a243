// Web pages may call only from allowed origins. CORS headers alone would not stop others: a page that cannot read a response
// can still cause the call.
import type { IncomingMessage } from 'node:http'
import type { CorsConfig } from '../../config/types.ts'
import { GatewayError } from '../../errors.ts'
import { headerLines } from '../../http/headers.ts'
import { isOrigin, isWebScheme, normalOrigin, splitOrigin } from '../../http/origin.ts'
import type { Guard } from './guard.ts'

type AllowsOrigin = (origin: string) => boolean
type IsOwnPage = (request: IncomingMessage) => boolean

/**
 * @param isAllowed whether a web origin may call.
 * @param cors what decides that, for the hint.
 * @param isOwnPage whether the gateway's own page has sent a request.
 */
export function originGuard(isAllowed: AllowsOrigin, cors: CorsConfig, isOwnPage: IsOwnPage): Guard {
  return (request) => {
    const origins = headerLines(request, 'origin')
    if (origins.length === 0) return undefined
    const [origin = ''] = origins
    if (origins.length === 1 && (isAllowed(origin) || isOwnPage(request))) return undefined
    if (origins.length > 1) {
      return notAllowed('Several origins are not allowed to call this gateway. Send one Origin header.')
    }
    const seen = `The origin ${JSON.stringify(origin)} is not allowed to call this gateway.`
    return notAllowed(`${seen} ${hintFor(origin, cors)}`)
  }
}

function notAllowed(message: string): GatewayError {
  return new GatewayError('origin_not_allowed', message)
}

/** Suggests only what the configuration accepts. */
function hintFor(origin: string, { enabled }: CorsConfig): string {
  if (!enabled) return 'cors.enabled is false, so no page may.'
  if (origin === 'null') {
    return 'Sandboxed frames and local files have it, and so can any web page. cors.allow_null_origin allows all of them.'
  }
  if (!isOrigin(origin) || normalOrigin(origin) !== origin) return 'No browser sends it in this form.'
  const { scheme = '' } = splitOrigin(origin) ?? {}
  if (isWebScheme(scheme) || scheme === 'file') return 'Add it to cors.allowed_origins if it is yours.'
  const any = JSON.stringify(`${scheme}://*`)
  return `Add it to cors.allowed_origins if it is yours, or ${any} if its host changes.`
}
