// Serving on sockets that a service manager opened and keeps open while this process ends and the next one starts. No call
// has to fail in between: those under way are finished, and new connections wait for the next process.
import { once } from 'node:events'
import { StartError } from '../../errors.ts'
import { hostPort } from '../../platform/host-port.ts'
import { type Handlers, type HttpLimits, httpLimits } from './http-server.ts'
import { Listeners, type PeerIdentifiers } from './listeners.ts'

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
  limits: HttpLimits = httpLimits,
): Promise<Listeners> {
  const listeners = new Listeners({
    identifiers,
    handlers,
    limits,
    lingerMs,
    servesWhileClosing: true,
  })
  for (const { fd, path } of sockets) {
    await listeners.add(path === undefined ? 'tcp' : 'unixSocket', async (acceptor) => {
      acceptor.listen({ fd })
      try {
        await once(acceptor, 'listening')
      } catch (error) {
        throw new StartError(`File descriptor ${fd} is not a listening socket (${String(error)}).`)
      }
      // Node does not know the address of a Unix socket that it did not open itself.
      const address = acceptor.address()
      if (address === null || typeof address === 'string' || typeof address.port !== 'number')
        return `unix:${path ?? 'unknown'}`
      return `http://${hostPort(address.address, address.port)}`
    })
  }
  return listeners
}
