// The listeners: one server for each TCP address and one for the Unix socket, all with the same handlers.
import { StartError } from '../../errors.ts'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { hostPort } from '../../platform/host-port.ts'
import { Draining } from './draining.ts'
import { createGatedServer, type HttpLimits, httpLimits, type Handlers } from './http-server.ts'
import type { Identify } from '../peer/peer-user.ts'
import { bindUnixSocket } from './unix-socket.ts'

export interface Listeners {
  /** `http://127.0.0.1:4000` and so on; then the Unix socket as `unix:/path`. */
  readonly addresses: readonly string[]
  /** Stops accepting, closes idle connections, and waits for those that carry a call. */
  close(): Promise<void>
  /** Closes all connections that are still open. */
  closeNow(): void
}

export interface ListenAddresses {
  /** Loopback addresses. One of a family that the machine lacks (no IPv6) is left out. */
  readonly hosts: readonly string[]
  readonly port: number
  readonly unixSocket: string | undefined
  /** Shares the port with other threads that listen on it with this option; the kernel distributes connections. */
  readonly reusePort?: boolean
}

/** Who is at the other end of a connection, by the listener that accepted it. */
export interface PeerIdentifiers {
  readonly tcp: Identify
  readonly unixSocket: Identify
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
  const servers: Draining[] = []
  const addresses: string[] = []
  let chosenPort = port
  try {
    for (const host of hosts) {
      const server = createGatedServer(handlers, { identify: identifiers.tcp, isLoopbackOnly: true }, limits)
      const address = await bindTcp(server.acceptor, { host, port: chosenPort, reusePort })
      if (address === undefined) continue
      // With port 0 all addresses share the first one's choice.
      chosenPort = address.port
      servers.push(new Draining(server, lingerMs))
      addresses.push(`http://${hostPort(address.address, address.port)}`)
    }
    if (servers.length === 0)
      throw new StartError(`server.hosts: this machine has no address ${hosts.join(' or ')}.`)
    if (unixSocket !== undefined) {
      const server = createGatedServer(
        handlers,
        { identify: identifiers.unixSocket, isLoopbackOnly: false },
        limits,
      )
      await bindUnixSocket(server.acceptor, unixSocket)
      servers.push(new Draining(server, lingerMs))
      addresses.push(`unix:${unixSocket}`)
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
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port, exclusive: true, reusePort }, resolve)
  try {
    await promise
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return undefined
    throw new StartError(describe(code, host, port) ?? message)
  } finally {
    server.off('error', reject)
  }
  return server.address() as AddressInfo
}

function describe(code: string | undefined, host: string, port: number): string | undefined {
  const address = hostPort(host, port)
  if (code === 'EADDRINUSE') {
    return `${address} is in use by another program. Stop it, or set server.port (or LLM_GATEWAY_PORT) to a free port.`
  }
  if (code === 'EACCES')
    return `${address} requires a privilege that the gateway should not have. Set server.port (or LLM_GATEWAY_PORT) to 1024 or higher.`
  return undefined
}
