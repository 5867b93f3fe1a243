// IP addresses as text: one spelling of each, and lists of CIDRs to match them with.
import { BlockList, isIP, SocketAddress } from 'node:net'

/**
 * The one spelling of an address (RFC 5952): IPv4 written as IPv6 (`::ffff:127.0.0.1`) is IPv4. Undefined when the text is not
 * an address.
 */
export function plainAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const family = isIP(text)
  if (family !== 6) return family === 4 ? text : undefined
  const [address = '', zone] = text.split('%', 2)
  const { address: plain } = new SocketAddress({ address, family: 'ipv6' })
  if (plain.startsWith(mapped) && plain.includes('.')) return plain.slice(mapped.length)
  return zone === undefined ? plain : `${plain}%${zone}`
}

const mapped = '::ffff:'

/**
 * @param cidrs validated by the configuration: addresses, or addresses with a prefix length.
 * @returns takes an address, and throws for any other text.
 */
export function cidrMatcher(cidrs: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', length] = cidr.split('/')
    const family = familyOf(address)
    if (length === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(length), family)
  }
  return (address) => list.check(address, familyOf(address))
}

/** Of what is known to be an address. The first `isIP` of one of IPv6 takes 7 ms, in which its expression is compiled. */
function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
