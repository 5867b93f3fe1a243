// Who is on the other end: the connection's address, or the one that a trusted front proxy reports.
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { Client } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { clientOfSocket } from '../socket-client.ts'
import { type Guard, headerLines } from './guard.ts'
import type { Identify } from './peer-user.ts'

/**
 * @param allowedIps `access.allowed_ips`: CIDRs; none lets everybody pass.
 * @param trustedProxies `server.trusted_proxies`: CIDRs whose `X-Forwarded-For` is believed.
 */
export function addressGuard(allowedIps: readonly string[], trustedProxies: readonly string[]): Guard {
  if (allowedIps.length === 0) return () => undefined
  const isAllowed = cidrMatcher(allowedIps)
  const addressOf = addressReader(trustedProxies)
  return (request) => {
    const address = addressOf(request)
    if (address !== undefined && isAllowed(address)) return undefined
    const way = 'access.allowed_ips lists those that are.'
    return new GatewayError(
      'ip_not_allowed',
      `The address ${address ?? 'of this client'} is not allowed. ${way}`,
    )
  }
}

/** Names the client of a connection by its address, where users are not told apart. */
export const addressIdentity: Identify = (socket) =>
  Promise.resolve({ kind: 'known', client: { id: `ip:${plainAddress(socket.remoteAddress) ?? 'unknown'}` } })

/** The one whom the door let in; where that is a trusted proxy, the address that it reports. */
export function clientOf(trustedProxies: readonly string[]): (request: IncomingMessage) => Client {
  if (trustedProxies.length === 0) return ({ socket }) => clientOfSocket(socket)
  const addressOf = addressReader(trustedProxies)
  return (request) => {
    const address = addressOf(request)
    const isForwarded = address !== undefined && address !== plainAddress(request.socket.remoteAddress)
    return isForwarded ? { id: `ip:${address}` } : clientOfSocket(request.socket)
  }
}

/**
 * The connection's address; where that is a trusted proxy, the nearest address in `X-Forwarded-For` that is none.
 * What a client wrote further left is not believed.
 */
function addressReader(trustedProxies: readonly string[]): (request: IncomingMessage) => string | undefined {
  const isTrusted = cidrMatcher(trustedProxies)
  return (request) => {
    const peer = plainAddress(request.socket.remoteAddress)
    if (trustedProxies.length === 0 || peer === undefined || !isTrusted(peer)) return peer
    const hops = headerLines(request, 'x-forwarded-for').join(',').split(',')
    let nearest = peer
    for (const hop of hops.toReversed()) {
      const address = plainAddress(hop.trim())
      if (address === undefined) return nearest
      nearest = address
      if (!isTrusted(address)) return nearest
    }
    return nearest
  }
}

/** IPv4 written as IPv6 (`::ffff:127.0.0.1`) is IPv4. Undefined when it is no address. */
function plainAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const plain = text.startsWith('::ffff:') && text.includes('.') ? text.slice(7) : text
  return isIP(plain) === 0 ? undefined : plain
}

/** @param cidrs validated by the configuration: addresses, or addresses with a prefix length. */
function cidrMatcher(cidrs: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', length] = cidr.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (length === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(length), family)
  }
  return (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}
