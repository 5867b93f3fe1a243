// Exactly one Host line, with a loopback name of this machine. A page whose own name resolves to 127.0.0.1 (DNS rebinding)
// sends that name. Compared literally: an IP parser would accept `0x7f.1`, and a URL parser `localhost/health?x=`. Any port
// passes, because an SSH tunnel may listen on any.
import { GatewayError } from '../../errors.ts'
import { headerLines } from '../../http/headers.ts'
import type { Guard } from './guard.ts'

const loopbackHost = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i
/** uri-host of RFC 9110 §7.2, as far as it can occur here. */
const hostForm = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/** @param allowedHosts `server.allowed_hosts`: names in lower case, with or without a port. */
export function hostGuard(allowedHosts: readonly string[]): Guard {
  const allowed = new Set(allowedHosts)
  return (request) => {
    const lines = headerLines(request, 'host')
    const host = lines[0]
    if (host === undefined || lines.length > 1) {
      return new GatewayError(
        'invalid_host',
        `Exactly one Host header is required; this request has ${lines.length}.`,
      )
    }
    if (loopbackHost.test(host)) return undefined
    if (!hostForm.test(host)) return new GatewayError('invalid_host', 'The Host header is malformed.')
    const name = host.toLowerCase()
    if (allowed.has(name) || allowed.has(name.replace(/:\d+$/, ''))) return undefined
    const hint = `Use localhost, 127.0.0.1 or [::1], or add it to server.allowed_hosts.`
    return new GatewayError(
      'host_not_allowed',
      `The Host ${JSON.stringify(name)} is not served here. ${hint}`,
    )
  }
}
