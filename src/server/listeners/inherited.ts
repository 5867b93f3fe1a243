// Serving on sockets that somebody else opened and keeps open while this process ends and the next one starts. So no
// call need fail in between: those under way are finished, and whoever wants to call again is told to connect anew.
import type { Server } from 'node:http'
import { StartError } from '../../errors.ts'
import { hostPort } from '../../platform/host-port.ts'
import { Draining } from './draining.ts'
import { createHttpServer, type Handlers, httpLimits } from './http-server.ts'
import type { Doormen, Listeners } from './tcp.ts'

/** A listening socket by its descriptor. */
export interface InheritedSocket {
  readonly fd: number
  /** Of a Unix socket; undefined for TCP. */
  readonly path: string | undefined
}

/** Its client may be sending a request right now, which a connection closed at once would lose. */
const lingerMs = 1_000

/**
 * Serves every one of the sockets, on all or none.
 * @throws StartError when one of them can't be listened on.
 */
export async function listenInherited(
  sockets: readonly InheritedSocket[],
  doormen: Doormen,
  handlers: Handlers,
): Promise<Listeners> {
  const servers: Draining[] = []
  const addresses: string[] = []
  try {
    for (const socket of sockets) {
      const server = await open(socket, doormen, handlers)
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

async function open({ fd, path }: InheritedSocket, doormen: Doormen, handlers: Handlers): Promise<Server> {
  const doorman =
    path === undefined
      ? { identify: doormen.tcp, isLoopbackOnly: true }
      : { identify: doormen.unixSocket, isLoopbackOnly: false }
  const server = createHttpServer(handlers, { ...doorman, servesWhileClosing: true }, httpLimits)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ fd }, resolve)
  try {
    await promise
  } catch (error) {
    throw new StartError(`the passed descriptor ${fd} is no socket to listen on (${String(error)}).`)
  } finally {
    server.off('error', reject)
  }
  return server
}

function addressOf(server: Server, path: string | undefined): string {
  // Node knows no address of a Unix socket that it did not open itself.
  const address = server.address()
  if (address === null || typeof address === 'string' || typeof address.port !== 'number')
    return `unix:${path ?? 'unknown'}`
  return `http://${hostPort(address.address, address.port)}`
}
