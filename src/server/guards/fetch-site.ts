// `Sec-Fetch-Site` marks cross-site requests of browsers that carry no Origin (https://w3c.github.io/webappsec-fetch-metadata/).
import { GatewayError } from '../../errors.ts'
import { headerLines } from '../../http/headers.ts'
import type { Guard } from './guard.ts'

/** @param isAllowed whether a web origin may call; an allowed one may be cross-site. */
export function fetchSiteGuard(isAllowed: (origin: string) => boolean): Guard {
  return (request) => {
    const sites = headerLines(request, 'sec-fetch-site')
    if (sites.every((site) => site === 'none' || site === 'same-origin')) return undefined
    const origin = request.headers.origin
    if (origin !== undefined && isAllowed(origin)) return undefined
    const site = JSON.stringify(sites.join(', '))
    const message = `A web page of another site caused this request (Sec-Fetch-Site: ${site}), without an allowed Origin.`
    return new GatewayError('origin_not_allowed', message)
  }
}
