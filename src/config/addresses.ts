// Addresses in the file: where the gateway may listen, and which clients are served.
import { isIP } from 'node:net'

import { reachOf } from '../platform/address-reach.ts'
import { quoted } from './problems.ts'

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
