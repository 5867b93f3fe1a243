// The listeners: one server for each TCP address and one for the Unix socket, all with the same handlers.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { AddressInUseError, StartError } from '../../errors.ts'
import { hostPort } from '../../platform/host-port.ts'
import { type HttpLimits, httpLimits, type Handlers } from './http-server.ts'
import { Listeners, type PeerIdentifiers } from './listeners.ts'
import { bindUnixSocket } from './unix-socket.ts'

export interface ListenAddresses {
  /** Loopback addresses. One of a family that the machine lacks (no IPv6) is left out. */
  readonly hosts: readonly string[]
  readonly port: number
  readonly unixSocket: string | undefined
  /** Shares the port with other threads that listen on it with this option; the kernel distributes connections. */
  readonly reusePort?: boolean
}

/** For a request that is on its way over loopback while the server begins to close. */
const lingerMs = 20

/**
 * Listens everywhere or nowhere.
 * @throws StartError when an address is in use or not permitted.
 */
export async function listen(
  { hosts, port, unixSocket, reusePort = false }: ListenAddresses,
  identifiers: PeerIdentifiers,
  handlers: Handlers,
  limits: HttpLimits = httpLimits,
): Promise<Listeners> {
  const listeners = new Listeners({ identifiers, handlers, limits, lingerMs, servesWhileClosing: false })
  let chosenPort = port
  for (const host of hosts) {
    await listeners.add('tcp', async (acceptor) => {
      const address = await bindTcp(acceptor, { host, port: chosenPort, reusePort })
      if (address === undefined) return undefined
      // With port 0 all addresses share the first one's choice.
      chosenPort = address.port
      return `http://${hostPort(address.address, address.port)}`
    })
  }
  if (listeners.addresses.length === 0)
    throw new StartError(`server.hosts: this machine has no address ${hosts.join(' or ')}.`)
  if (unixSocket !== undefined) {
    await listeners.add('unixSocket', async (acceptor) => {
      await bindUnixSocket(acceptor, unixSocket, 'server.unix_socket')
      return `unix:${unixSocket}`
    })
  }
  return listeners
}

/**
 * Checks that the addresses are free. Listening with `reusePort` does not: it joins any program of the same user that
 * listens there with the same option.
 * @throws StartError when one is in use or not permitted.
 */
export async function checkFree({ hosts, port }: Pick<ListenAddresses, 'hosts' | 'port'>): Promise<void> {
  for (const host of port === 0 ? [] : hosts) {
    const server = createServer((socket) => socket.destroy())
    const address = await bindTcp(server, { host, port, reusePort: false })
    if (address !== undefined) await new Promise((resolve) => server.close(resolve))
  }
}

async function bindTcp(
  server: Server,
  { host, port, reusePort }: { host: string; port: number; reusePort: boolean },
): Promise<AddressInfo | undefined> {
  server.listen({ host, port, exclusive: true, reusePort })
  try {
    await once(server, 'listening')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return undefined
    throw startError(code, host, port) ?? new StartError(message)
  }
  return server.address() as AddressInfo
}

function startError(code: string | undefined, host: string, port: number): StartError | undefined {
  const address = hostPort(host, port)
  if (code === 'EADDRINUSE') return new AddressInUseError({ host, port, address })
  if (code === 'EACCES')
    return new StartError(
      `${address} requires a privilege that the gateway should not have. Set server.port (or LLM_GATEWAY_PORT) to 1024 or higher.`,
    )
  return undefined
}
