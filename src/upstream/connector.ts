// How connections to a provider are made.
import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import buildConnector from 'undici/lib/core/connect.js'
import type { HttpProvider } from '../config/provider-types.ts'
import { reachOf } from '../platform/address-reach.ts'
import { sharedLookup } from './shared-lookup.ts'
import { createForwarding, createTunnel, isForwarded } from './tunnel.ts'

/** The name has an address that plain HTTP is not sent to. */
export const addressNotAllowed = 'ADDRESS_NOT_ALLOWED'

/** Makes connections to the provider's origin, or to its proxy, TLS included, each within `connect_ms`. */
export function createConnector({
  origin,
  proxy,
  plainHttp,
  timeouts,
}: Pick<HttpProvider, 'origin' | 'proxy' | 'plainHttp' | 'timeouts'>): buildConnector.connector {
  if (isForwarded(origin, proxy)) return createForwarding(proxy, timeouts.connectMs)
  if (proxy !== undefined) return createTunnel(proxy, timeouts.connectMs)
  return buildConnector({
    timeout: timeouts.connectMs,
    allowH2: false,
    lookup: plainHttp === undefined ? sharedLookup() : checkedLookup(plainHttp, sharedLookup()),
  })
}

/**
 * Resolves a name for one connection, to the addresses that are then connected to: no later answer of a name server
 * counts. All of the name's addresses have to be allowed, because any of them may be chosen.
 */
function checkedLookup(
  allowed: NonNullable<HttpProvider['plainHttp']>,
  lookup: LookupFunction,
): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, '')
      const addresses = found as LookupAddress[]
      const refused = addresses.find(({ address }) => !isAllowed(address, allowed))
      if (refused !== undefined) return callback(notAllowed(hostname, refused.address, allowed), '')
      const [first] = addresses
      if (options.all === true) callback(null, addresses)
      else callback(null, first!.address, first!.family)
    })
  }
}

/** Link-local addresses never are: there, clouds serve the credentials of their machines. */
function isAllowed(address: string, allowed: NonNullable<HttpProvider['plainHttp']>): boolean {
  // Without the zone of `fe80::1%eth0`.
  const reach = reachOf(address.replace(/%.*$/, ''))
  if (reach === 'loopback' || reach === 'private') return true
  return reach === 'public' && allowed === 'anywhere'
}

function notAllowed(
  name: string,
  address: string,
  allowed: NonNullable<HttpProvider['plainHttp']>,
): NodeJS.ErrnoException {
  const wanted = allowed === 'anywhere' ? 'an address of a server' : 'a loopback or private address'
  const error = new Error(`${name} resolves to ${address}, which is not ${wanted}`)
  return Object.assign(error, { code: addressNotAllowed })
}
