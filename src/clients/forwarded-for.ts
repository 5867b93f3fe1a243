// The client that a front proxy reports in `X-Forwarded-For`. Every local program connects from the same addresses, so
// the Unix user of the connection decides whether the header is read at all.
import type { IncomingMessage } from 'node:http'
import type { Client } from '../domain.ts'
import { clientOfSocket, clientSetFor, isTrustedProxy } from './client.ts'
import { headerLines } from '../http/headers.ts'
import { cidrMatcher, plainAddress } from './ip-address.ts'

/** The address that a request was forwarded for; undefined where the connection is its client's own. */
export type ForwardedFor = (request: IncomingMessage) => string | undefined

/**
 * Each proxy appends the address that it was reached from, so the list is read from the right: addresses in
 * `cidrs` are further proxies, the first other one is the client. Nothing to the left of it, or of a value that is not an
 * address, is believed.
 * @param cidrs of `server.trusted_proxies`.
 */
export function forwardedForReader(cidrs: readonly string[]): ForwardedFor {
  const isFurtherProxy = cidrMatcher(cidrs)
  return (request) => {
    if (!isTrustedProxy(request.socket)) return undefined
    const hops = headerLines(request, 'x-forwarded-for').join(',').split(',')
    let nearest: string | undefined
    for (const hop of hops.toReversed()) {
      const address = plainAddress(hop.trim())
      if (address === undefined) return nearest
      nearest = address
      if (!isFurtherProxy(address)) return nearest
    }
    return nearest
  }
}

/** The client of a request: the owner of its key, the address that it was forwarded for, or the client of its connection. */
export function clientReader(forwardedFor: ForwardedFor): (request: IncomingMessage) => Client {
  return (request) => {
    const client = clientSetFor(request)
    if (client !== undefined) return client
    const address = forwardedFor(request)
    return address === undefined ? clientOfSocket(request.socket) : { id: `ip:${address}` }
  }
}
