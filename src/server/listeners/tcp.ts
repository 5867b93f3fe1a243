// Where clients come in: one server per TCP address, and one for the Unix socket, all with the same handlers.
import { StartError } from '../../errors.ts'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { hostPort } from '../../platform/host-port.ts'
import { Draining } from './draining.ts'
import { createHttpServer, type HttpLimits, httpLimits, type Handlers } from './http-server.ts'
import type { Identify } from '../peer/peer-user.ts'
import { bindUnixSocket } from './unix-socket.ts'

export interface Listeners {
  /** `http://127.0.0.1:4000` and so on; then the Unix socket as `unix:/path`. */
  readonly addresses: readonly string[]
  /** Stops accepting, ends idle connections, and waits for those that carry a call. */
  close(): Promise<void>
  /** Ends what is still open. */
  closeNow(): void
}

export interface Places {
  /** Loopback addresses. A second family that the machine lacks (no IPv6) is left out. */
  readonly hosts: readonly string[]
  readonly port: number
  readonly unixSocket: string | undefined
  /** Share the port with other threads that listen on it in this way; the kernel deals connections out to them. */
  readonly reusePort?: boolean
}

/** Who is at the other end, by the way of coming in. */
export interface Doormen {
  readonly tcp: Identify
  readonly unixSocket: Identify
}

/** For a request that is on its way over loopback while the server begins to close. */
const lingerMs = 20

/**
 * Listens everywhere or nowhere.
 * @throws StartError when a place is taken or not allowed.
 */
export async function listen(
  { hosts, port, unixSocket, reusePort = false }: Places,
  doormen: Doormen,
  handlers: Handlers,
  limits: HttpLimits = httpLimits,
): Promise<Listeners> {
  const servers: Draining[] = []
  const addresses: string[] = []
  let chosenPort = port
  try {
    for (const host of hosts) {
      const server = createHttpServer(handlers, { identify: doormen.tcp, isLoopbackOnly: true }, limits)
      const address = await bindTcp(server, { host, port: chosenPort, reusePort })
      if (address === undefined) continue
      // With port 0 all addresses share the first one's choice.
      chosenPort = address.port
      servers.push(new Draining(server, lingerMs))
      addresses.push(`http://${hostPort(address.address, address.port)}`)
    }
    if (servers.length === 0) throw new StartError(`${hosts.join(', ')} does not exist on this machine.`)
    if (unixSocket !== undefined) {
      const server = createHttpServer(
        handlers,
        { identify: doormen.unixSocket, isLoopbackOnly: false },
        limits,
      )
      await bindUnixSocket(server, unixSocket)
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
 * Looks whether the addresses are to be had. Listening with `reusePort` doesn't tell: it joins whatever program of the
 * same user listens there in the same way.
 * @throws StartError when one is taken or not allowed.
 */
export async function checkFree({ hosts, port }: Pick<Places, 'hosts' | 'port'>): Promise<void> {
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
  const place = hostPort(host, port)
  if (code === 'EADDRINUSE') {
    return `${place} is in use by another program. Stop that one, or set server.port (or LLM_GATEWAY_PORT) to a free port.`
  }
  if (code === 'EACCES')
    return `${place} needs a privilege that the gateway should not have; choose a port from 1024 on.`
  return undefined
}
