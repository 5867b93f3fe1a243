// `access.allowed_ips`: which addresses are served.
import { GatewayError } from '../../errors.ts'
import type { ForwardedFor } from '../../clients/forwarded-for.ts'
import type { Guard } from './guard.ts'
import { cidrMatcher, plainAddress } from '../../clients/ip-address.ts'

/**
 * @param allowedIps `access.allowed_ips`: CIDRs; none lets everybody pass.
 * @param forwardedFor where it finds an address, that one counts in place of the connection's.
 */
export function addressGuard(allowedIps: readonly string[], forwardedFor: ForwardedFor): Guard {
  if (allowedIps.length === 0) return () => undefined
  const isAllowed = cidrMatcher(allowedIps)
  return (request) => {
    const address = forwardedFor(request) ?? plainAddress(request.socket.remoteAddress)
    if (address !== undefined && isAllowed(address)) return undefined
    const way = 'access.allowed_ips lists the allowed addresses.'
    return new GatewayError(
      'ip_not_allowed',
      `The address ${address ?? 'of this client'} is not allowed. ${way}`,
    )
  }
}
