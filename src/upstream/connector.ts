// How connections to a provider are made.
import type { LookupAddress } from 'node:dns'
import { isIP, type LookupFunction, Socket } from 'node:net'
import buildConnector from 'undici/lib/core/connect.js'
import type { HttpProvider } from '../config/provider-types.ts'
import { boundaryOfAddress, reachOf } from '../platform/address-reach.ts'
import { type Boundary, isInside } from '../platform/boundary.ts'
import { directReads, readDirectly } from '../platform/node/direct-reads.ts'
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
  return createDirect(boundary === 'local' ? 'local' : plainHttp, config)
}

/** The same for calls within a boundary: without a proxy, and to no address outside. */
export function createBoundedConnector(
  settings: ConnectorSettings,
  boundary: Exclude<Boundary, 'any'>,
): buildConnector.connector {
  const host = hostOf(settings.origin)
  // An address is not looked up.
  if (isIP(host) !== 0 && !isAllowed(host, boundary)) {
    return (_, callback) => callback(notAllowed(host, host, boundary), null)
  }
  return createDirect(boundary, settings)
}

/** The narrowest boundary that all connections of `createConnector` stay in. */
export function boundaryOfConnections({ boundary, origin, plainHttp, proxy }: ConnectorSettings): Boundary {
  if (boundary === undefined || proxy !== undefined) return 'any'
  const isChecked = boundary === 'local' || plainHttp === 'private' || isIP(hostOf(origin)) !== 0
  return isChecked ? boundary : 'any'
}

function createDirect(
  allowed: AllowedAddresses | undefined,
  { origin, timeouts: { connectMs } }: Pick<ConnectorSettings, 'origin' | 'timeouts'>,
): buildConnector.connector {
  const isPlain = origin.startsWith('http:')
  const lookup = allowed === undefined ? sharedLookup() : checkedLookup(allowed, sharedLookup())
  const usual = { timeout: connectMs, allowH2: false, lookup }
  // undici hands what it does not know to net.connect.
  if (!isPlain) return buildConnector(usual)
  const connect = buildConnector({ ...usual, onread: directReads })
  return (options, callback) => {
    // By its types it returns nothing.
    const socket: unknown = connect(options, callback)
    if (socket instanceof Socket) readDirectly(socket)
    return socket
  }
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
