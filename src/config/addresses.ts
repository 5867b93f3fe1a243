// Whether an address is on this machine, on a private network, or neither (RFC 1918, 4193, 6598, 6890).
import { BlockList, isIP } from 'node:net'

import { quoted } from './problems.ts'

type Reach = 'loopback' | 'private' | 'link-local' | 'unspecified' | 'public'

const ranges = {
  loopback: ['127.0.0.0/8', '::1/128'],
  // Overlay networks such as Tailscale assign addresses in 100.64.0.0/10.
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'],
  'link-local': ['169.254.0.0/16', 'fe80::/10'],
  unspecified: ['0.0.0.0/8', '::/128'],
} as const

const lists = Object.entries(ranges).map(([reach, cidrs]) => {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/')
    list.addSubnet(address, Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
  return { reach: reach as Reach, list }
})

/** How far an address literal reaches (an IPv4-mapped IPv6 address as the one it maps to); undefined for a name. */
export function reachOf(address: string): Reach | undefined {
  const version = isIP(address)
  if (version === 0) return undefined
  const family = version === 6 ? 'ipv6' : 'ipv4'
  return lists.find(({ list }) => list.check(address, family))?.reach ?? 'public'
}

/** Why the gateway must not listen on an address; undefined if it may. */
export function listenHostFault(host: string): { message: string; hint: string } | undefined {
  const bare = /^\[.*\]$/.test(host) ? host.slice(1, -1) : host
  if (reachOf(bare) === 'loopback' && !bare.includes('%') && !bare.toLowerCase().startsWith('::ffff:')) {
    return bare === host
      ? undefined
      : { message: `${quoted(host)} must not have brackets`, hint: `write "${bare}"` }
  }
  if (host.toLowerCase() === 'localhost') {
    const message = '"localhost" is a hostname and may resolve elsewhere'
    return { message, hint: 'write 127.0.0.1 and "::1"' }
  }
  return {
    message: `${quoted(host)} is not a loopback address; clients need no key, so only this machine may connect`,
    hint: 'listen on 127.0.0.1, and connect through ssh -L, a VPN, or a front proxy that authenticates',
  }
}

/** Why a text is neither an address nor a CIDR block; undefined if it is one. */
export function cidrFault(cidr: string): { message: string; hint: string } | undefined {
  const slash = cidr.indexOf('/')
  const address = slash < 0 ? cidr : cidr.slice(0, slash)
  const version = address.includes('%') ? 0 : isIP(address)
  const prefix = slash < 0 ? '0' : cidr.slice(slash + 1)
  const isPrefix = /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 6 ? 128 : 32)
  if (version !== 0 && isPrefix) return undefined
  return {
    message: `${quoted(cidr)} is neither an address nor a CIDR`,
    hint: 'write 192.168.1.0/24 or fd00::/8',
  }
}

/** An address as the CIDR block that contains only it; a CIDR block unchanged. */
export function asCidr(text: string): string {
  if (text.includes('/')) return text
  return isIP(text) === 6 ? `${text}/128` : `${text}/32`
}
