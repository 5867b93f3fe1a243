// `access.allowed_ips`: which addresses are served.
import { GatewayError } from '../../errors.ts'
import type { ForwardedFor } from '../../clients/forwarded-for.ts'
import type { Guard } from './guard.ts'
import { cidrMatcher, plainAddress } from '../../clients/ip-address.ts'

/**
 * @param allowedIps `access.allowed_ips`: CIDRs; an empty list lets every address pass.
 * @param forwardedFor an address that it finds counts in place of the connection's.
 */
export function addressGuard(allowedIps: readonly string[], forwardedFor: ForwardedFor): Guard {
  if (allowedIps.length === 0) return () => undefined
  const isAllowed = cidrMatcher(allowedIps)
  return (request) => {
    const address = forwardedFor(request) ?? plainAddress(request.socket.remoteAddress)
    if (address !== undefined && isAllowed(address)) return undefined
    const hint = 'access.allowed_ips lists the allowed ones.'
    return new GatewayError(
      'ip_not_allowed',
      `The address ${address ?? 'of this client'} is not allowed. ${hint}`,
    )
  }
}
