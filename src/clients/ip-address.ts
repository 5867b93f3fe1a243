// IP addresses as text: one spelling of each, and lists of CIDRs to match them with.
import { BlockList, isIP } from 'node:net'

/** IPv4 written as IPv6 (`::ffff:127.0.0.1`) is IPv4. Undefined when the text is not an address. */
export function plainAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const plain = /^::ffff:[\d.]+$/i.test(text) ? text.slice(7) : text
  return isIP(plain) === 0 ? undefined : plain
}

/** @param cidrs validated by the configuration: addresses, or addresses with a prefix length. */
export function cidrMatcher(cidrs: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', length] = cidr.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (length === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(length), family)
  }
  return (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}
