// Web pages may call only from allowed origins. CORS headers alone would not stop them: a page that can't read an
// answer can still cause the call. `Sec-Fetch-Site` tells of cross-site requests that carry no Origin.
import { GatewayError } from '../../errors.ts'
import { headerLines } from '../../http/header-lines.ts'
import type { Guard } from './guard.ts'

/** @param isAllowed says whether a web origin may call. */
export function originGuard(isAllowed: (origin: string) => boolean): Guard {
  return (request) => {
    const origins = headerLines(request, 'origin')
    if (origins.length === 0) return undefined
    if (origins.length === 1 && isAllowed(origins[0]!)) return undefined
    const message =
      origins.length === 1
        ? `The origin ${JSON.stringify(origins[0])} is not allowed to call this gateway. If you trust its pages, add it to cors.allowed_origins.`
        : `A request may have one Origin header; this one has ${origins.length}.`
    return new GatewayError('origin_not_allowed', message)
  }
}

/** @param isAllowed as above: an allowed Origin may be cross-site. */
export function fetchSiteGuard(isAllowed: (origin: string) => boolean): Guard {
  return (request) => {
    const sites = headerLines(request, 'sec-fetch-site')
    if (sites.every((site) => site === 'none' || site === 'same-origin')) return undefined
    const origin = request.headers.origin
    if (origin !== undefined && isAllowed(origin)) return undefined
    const what = `A web page of another site sent this request (Sec-Fetch-Site: ${JSON.stringify(sites.join(', '))})`
    const rule = 'Such a request needs an Origin that cors.allowed_origins lists.'
    return new GatewayError('origin_not_allowed', `${what}. ${rule}`)
  }
}
