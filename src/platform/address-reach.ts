// Whether an address is on this machine, on a private network, or neither (RFC 1918, 4193, 6598, 6890).
import { BlockList, isIP, isIPv4 } from 'node:net'

import type { Boundary } from './boundary.ts'

export type Reach = 'loopback' | 'private' | 'link-local' | 'unspecified' | 'public'

/** The first that matches counts. */
const ranges = {
  loopback: ['127.0.0.0/8', '::1/128'],
  // Amazon serves a machine's credentials at fd00:ec2::254 as well, although the address is a private one.
  'link-local': ['169.254.0.0/16', 'fe80::/10', 'fd00:ec2::254/128'],
  // Overlay networks such as Tailscale assign addresses in 100.64.0.0/10.
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'],
  unspecified: ['0.0.0.0/8', '::/128'],
} as const

const lists = Object.entries(ranges).map(([reach, cidrs]) => {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/')
    list.addSubnet(address, Number(prefix), address.includes(':') ? 'ipv6' : 'ipv4')
  }
  return { reach: reach as Reach, list }
})

/** How far an address literal reaches (an IPv4-mapped IPv6 address as the one it maps to); undefined for a name. */
export function reachOf(address: string): Reach | undefined {
  // The first `isIP` of a text that is no IPv4 address takes 7 ms: its expression is compiled then.
  const isLiteral = address.includes(':') ? isIP(address) === 6 : isIPv4(address)
  if (!isLiteral) return undefined
  const family = address.includes(':') ? 'ipv6' : 'ipv4'
  return lists.find(({ list }) => list.check(address, family))?.reach ?? 'public'
}

/**
 * The narrowest boundary that an address is in. Link-local addresses are in none, because clouds serve the credentials of their
 * machines there, and neither are those of NAT64, which lead out.
 *
 * @param address without brackets; the zone of `fe80::1%eth0` changes nothing.
 */
export function boundaryOfAddress(address: string): Boundary {
  const reach = reachOf(address.replace(/%.*$/, ''))
  if (reach === 'loopback') return 'local'
  return reach === 'private' ? 'private' : 'any'
}
