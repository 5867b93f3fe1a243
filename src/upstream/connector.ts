// How connections to a provider are made.
import type { LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import buildConnector from 'undici/lib/core/connect.js'
import type { HttpProvider } from '../config/provider-types.ts'
import { boundaryOfAddress, reachOf } from '../platform/address-reach.ts'
import { type Boundary, isInside } from '../platform/boundary.ts'
import { addressNotAllowed } from './provider.ts'
import { sharedLookup } from './shared-lookup.ts'
import { createForwarding, createTunnel, isForwarded } from './tunnel.ts'

/** Which addresses may be connected to. `anywhere`: all but link-local ones. */
type AllowedAddresses = Exclude<Boundary, 'any'> | 'anywhere'

type ConnectorSettings = Pick<HttpProvider, 'boundary' | 'origin' | 'proxy' | 'plainHttp' | 'timeouts'>

/** Makes connections to the provider's origin, or to its proxy, TLS included, each within `connect_ms`. */
export function createConnector(config: ConnectorSettings): buildConnector.connector {
  const { origin, proxy, plainHttp, boundary, timeouts } = config
  if (isForwarded(origin, proxy)) return createForwarding(proxy, timeouts.connectMs)
  if (proxy !== undefined) return createTunnel(proxy, timeouts.connectMs)
  // `localhost` has to be here (RFC 6761 §6.3), whatever a name server makes of it.
  return createDirect(boundary === 'local' ? 'local' : plainHttp, timeouts)
}

/** The same for calls within a boundary: without a proxy, and to no address outside. */
export function createBoundedConnector(
  { origin, timeouts }: ConnectorSettings,
  boundary: Exclude<Boundary, 'any'>,
): buildConnector.connector {
  const host = hostOf(origin)
  // An address is not looked up.
  if (isIP(host) !== 0 && !isAllowed(host, boundary)) {
    return (_, callback) => callback(notAllowed(host, host, boundary), null)
  }
  return createDirect(boundary, timeouts)
}

/** The narrowest boundary that all connections of `createConnector` stay in. */
export function boundaryOfConnections({ boundary, origin, plainHttp, proxy }: ConnectorSettings): Boundary {
  if (boundary === undefined || proxy !== undefined) return 'any'
  const isChecked = boundary === 'local' || plainHttp === 'private' || isIP(hostOf(origin)) !== 0
  return isChecked ? boundary : 'any'
}

function createDirect(
  allowed: AllowedAddresses | undefined,
  { connectMs }: HttpProvider['timeouts'],
): buildConnector.connector {
  const lookup = allowed === undefined ? sharedLookup() : checkedLookup(allowed, sharedLookup())
  return buildConnector({ timeout: connectMs, allowH2: false, lookup })
}

function hostOf(origin: string): string {
  return new URL(origin).hostname.replace(/^\[|\]$/g, '')
}

/**
 * Resolves a name for one connection, to the addresses that are then connected to: no later answer of a name server
 * counts. All of the name's addresses have to be allowed, because any of them may be chosen.
 */
function checkedLookup(allowed: AllowedAddresses, lookup: LookupFunction): LookupFunction {
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
function isAllowed(address: string, allowed: AllowedAddresses): boolean {
  if (isInside(boundaryOfAddress(address), allowed === 'local' ? 'local' : 'private')) return true
  return allowed === 'anywhere' && reachOf(address.replace(/%.*$/, '')) === 'public'
}

const wanted = {
  local: 'a loopback address',
  private: 'a loopback or private address',
  anywhere: 'an address of a server',
} as const

function notAllowed(name: string, address: string, allowed: AllowedAddresses): NodeJS.ErrnoException {
  const error = new Error(`${name} resolves to ${address}, which is not ${wanted[allowed]}`)
  return Object.assign(error, { code: addressNotAllowed })
}
