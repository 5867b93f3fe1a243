// Serving on sockets that a service manager opened and keeps open while this process ends and the next one starts. No call
// has to fail in between: those under way are finished, and new connections wait for the next process.
import { StartError } from '../../errors.ts'
import { hostPort } from '../../platform/host-port.ts'
import { Draining } from './draining.ts'
import { createGatedServer, type GatedServer, type Handlers, httpLimits } from './http-server.ts'
import type { PeerIdentifiers, Listeners } from './tcp.ts'

/** A listening socket by its descriptor. */
export interface InheritedSocket {
  readonly fd: number
  /** Of a Unix socket; undefined for TCP. */
  readonly path: string | undefined
}

/** A client may be sending a request right now, which would be lost if its connection were closed at once. */
const lingerMs = 1_000

/**
 * Serves on all of the sockets, or on none.
 * @throws StartError when one of them is not a listening socket.
 */
export async function listenInherited(
  sockets: readonly InheritedSocket[],
  identifiers: PeerIdentifiers,
  handlers: Handlers,
): Promise<Listeners> {
  const servers: Draining[] = []
  const addresses: string[] = []
  try {
    for (const socket of sockets) {
      const server = await open(socket, identifiers, handlers)
      servers.push(new Draining(server, lingerMs))
      addresses.push(addressOf(server, socket.path))
    }
  } catch (error) {
    await Promise.all(servers.map((server) => server.close()))
    throw error
  }
  return {
    addresses,
    close: async () => void (await Promise.all(servers.map((server) => server.close()))),
    closeNow: () => servers.forEach((server) => server.closeNow()),
  }
}

async function open(
  { fd, path }: InheritedSocket,
  identifiers: PeerIdentifiers,
  handlers: Handlers,
): Promise<GatedServer> {
  const gate =
    path === undefined
      ? { identify: identifiers.tcp, isLoopbackOnly: true }
      : { identify: identifiers.unixSocket, isLoopbackOnly: false }
  const server = createGatedServer(handlers, { ...gate, servesWhileClosing: true }, httpLimits)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.acceptor.once('error', reject)
  server.acceptor.listen({ fd }, resolve)
  try {
    await promise
  } catch (error) {
    throw new StartError(`File descriptor ${fd} is not a listening socket (${String(error)}).`)
  } finally {
    server.acceptor.off('error', reject)
  }
  return server
}

function addressOf({ acceptor }: GatedServer, path: string | undefined): string {
  // Node does not know the address of a Unix socket that it did not open itself.
  const address = acceptor.address()
  if (address === null || typeof address === 'string' || typeof address.port !== 'number')
    return `unix:${path ?? 'unknown'}`
  return `http://${hostPort(address.address, address.port)}`
}
