// Serving on sockets that somebody else opened and keeps open while this process ends and the next one starts. So no
// call need fail in between: those under way are finished, and whoever wants to call again is told to connect anew.
import type { Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { StartError } from '../errors.ts'
import { createHttpServer, type Handlers, httpLimits } from './http-server.ts'
import type { Doormen, Listeners } from './listeners.ts'

/** A listening socket by its descriptor. */
export interface InheritedSocket {
  readonly fd: number
  /** Of a Unix socket; undefined for TCP. */
  readonly path: string | undefined
}

/**
 * How long an idle connection stays open after the end was announced. Its client may be sending a request right now,
 * which a connection closed at once would lose.
 */
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
  try {
    for (const socket of sockets) servers.push(await open(socket, doormen, handlers))
  } catch (error) {
    await Promise.all(servers.map((server) => server.close()))
    throw error
  }
  return {
    addresses: servers.map((server) => server.address),
    close: async () => void (await Promise.all(servers.map((server) => server.close()))),
    closeNow: () => servers.forEach((server) => server.closeNow()),
  }
}

async function open({ fd, path }: InheritedSocket, doormen: Doormen, handlers: Handlers): Promise<Draining> {
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
  return new Draining(server, addressOf(server, path))
}

function addressOf(server: Server, path: string | undefined): string {
  // Node knows no address of a Unix socket that it did not open itself.
  const address = server.address()
  if (address === null || typeof address === 'string' || typeof address.port !== 'number')
    return `unix:${path ?? 'unknown'}`
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}

/** A server that knows which of its connections carry a request. */
class Draining {
  readonly address: string
  readonly #server: Server
  readonly #open = new Map<Socket, Set<ServerResponse>>()
  #isClosing = false

  constructor(server: Server, address: string) {
    this.#server = server
    this.address = address
    server.on('connection', (socket: Socket) => this.#follow(socket))
    // Before the listener that answers.
    server.prependListener('request', (request, response) => this.#begin(request.socket, response))
    server.prependListener('checkContinue', (request, response) => this.#begin(request.socket, response))
  }

  close(): Promise<void> {
    this.#isClosing = true
    return new Promise((resolve) => {
      // Not http's own close(): that ends idle connections at once.
      NetServer.prototype.close.call(this.#server, () => resolve())
      for (const [socket, responses] of this.#open) {
        for (const response of responses) if (!response.headersSent) response.shouldKeepAlive = false
        if (responses.size === 0) this.#linger(socket)
      }
    })
  }

  closeNow(): void {
    this.#server.closeAllConnections()
  }

  #follow(socket: Socket): void {
    this.#open.set(socket, new Set())
    socket.once('close', () => this.#open.delete(socket))
    if (this.#isClosing) this.#linger(socket)
  }

  #begin(socket: Socket, response: ServerResponse): void {
    const responses = this.#open.get(socket)
    if (responses === undefined) return
    responses.add(response)
    if (this.#isClosing) response.shouldKeepAlive = false
    response.once('close', () => {
      responses.delete(response)
      if (this.#isClosing && responses.size === 0) this.#linger(socket)
    })
  }

  #linger(socket: Socket): void {
    setTimeout(() => {
      if (this.#open.get(socket)?.size === 0) socket.destroy()
    }, lingerMs)
  }
}
