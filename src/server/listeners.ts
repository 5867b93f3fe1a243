// The sockets: HTTP servers with strict settings, one per address, all with the same request listener.
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** A client has this long to send a request's head, and its body (`408` after that). Answers may last. */
const headersTimeoutMs = 20_000
const requestTimeoutMs = 120_000
/** Longer than any common client keeps an idle connection, so that the client is the one to close it. */
const keepAliveTimeoutMs = 75_000

export interface Listeners {
  /** `http://127.0.0.1:4000` and so on. */
  readonly addresses: readonly string[]
  /** Stops accepting, ends idle connections, and waits for those that carry a call. */
  close(): Promise<void>
  /** Ends what is still open. */
  closeNow(): void
}

/** What a connection brings. Each handler is total. */
export interface Handlers {
  readonly onRequest: RequestListener
  /** What is no HTTP request (the parser's code says why) or a CONNECT: the socket alone is left to answer on. */
  readonly onRawSocket: (socket: Socket, problem: string | undefined) => void
}

/** An address that can't be had. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
}

/**
 * Listens on every address, on all or none. A second family that the machine lacks (no IPv6) is left out.
 * @throws ListenError when an address is taken or not allowed.
 */
export async function listen(hosts: readonly string[], port: number, handlers: Handlers): Promise<Listeners> {
  const servers: Server[] = []
  const addresses: string[] = []
  let chosenPort = port
  try {
    for (const host of hosts) {
      const server = createHttpServer(handlers)
      const address = await bind(server, host, chosenPort)
      if (address === undefined) {
        if (servers.length === 0 && host === hosts.at(-1))
          throw new ListenError(`${host} does not exist on this machine.`)
        continue
      }
      // With port 0 all addresses share the first one's choice.
      chosenPort = address.port
      servers.push(server)
      addresses.push(
        `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
      )
    }
  } catch (error) {
    for (const server of servers) server.close()
    throw error
  }
  return {
    addresses,
    close: async () => void (await Promise.all(servers.map(closeGently))),
    closeNow: () => servers.forEach((server) => server.closeAllConnections()),
  }
}

/** A server that is not listening yet. */
export function createHttpServer({ onRequest, onRawSocket }: Handlers): Server {
  const server = createServer({
    insecureHTTPParser: false,
    requireHostHeader: false, // the host guard answers, in the gateway's own form
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 16_384,
  })
  server.on('request', onRequest)
  server.on('checkContinue', onRequest)
  server.on('checkExpectation', onRequest)
  server.on('connect', (_: IncomingMessage, socket: Socket) => onRawSocket(socket, 'CONNECT'))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => onRawSocket(socket, error.code))
  return server
}

async function bind(server: Server, host: string, port: number): Promise<AddressInfo | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port, exclusive: true }, resolve)
  try {
    await promise
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return undefined
    throw new ListenError(describe(code, host, port) ?? message)
  } finally {
    server.off('error', reject)
  }
  return server.address() as AddressInfo
}

function describe(code: string | undefined, host: string, port: number): string | undefined {
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`
  if (code === 'EADDRINUSE') {
    return `${place} is in use by another program. Stop that one, or set server.port (or LLM_GATEWAY_PORT) to a free port.`
  }
  if (code === 'EACCES')
    return `${place} needs a privilege that the gateway should not have; choose a port from 1024 on.`
  return undefined
}

function closeGently(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}
