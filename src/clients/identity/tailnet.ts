// Whether this machine is in a tailnet by an interface of its own.
import { networkInterfaces } from 'node:os'
import { cidrMatcher } from '../ip-address.ts'

/** Tailscale's addresses: https://tailscale.com/kb/1015/100.x-addresses and 1033/ip-and-dns-addresses. */
const isOfTailnet = cidrMatcher(['100.64.0.0/10', 'fd7a:115c:a1e0::/48'])

const lookMs = 60_000

/** Looks at the interfaces at most once a minute. @param now milliseconds of a monotonic clock. */
export function tailnetWatch(
  now: () => number,
  interfaces: typeof networkInterfaces = networkInterfaces,
): () => boolean {
  let lookedAtMs = -Infinity
  let isInTailnet = false
  return () => {
    if (now() - lookedAtMs >= lookMs) {
      lookedAtMs = now()
      const addresses = Object.values(interfaces()).flatMap((list = []) => list)
      isInTailnet = addresses.some(({ address }) => isOfTailnet(address))
    }
    return isInTailnet
  }
}
