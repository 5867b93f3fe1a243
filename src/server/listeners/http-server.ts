// One HTTP server with strict settings, and the door in front of it: who connects is known before a byte is read.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { GatewayError } from '../../errors.ts'
import type { Client } from '../../domain.ts'
import { maxHeaders } from '../guards/header-count.ts'
import type { Identify, Identity } from '../peer/peer-user.ts'
import { answerUnread } from '../raw-response.ts'
import { oneAtATime, tooManyWaiting } from '../request-queue.ts'
import { clientOfSocket, setPeer } from '../../clients/client.ts'

/** What one listener spends on its clients. */
export interface HttpLimits {
  /** A client has this long to send a request's head, and all of the request (408 after that). Answers may last. */
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  /** How often the two are looked at. */
  readonly checkIntervalMs: number
  readonly maxConnections: number
}

/**
 * 10,000 open streams are meant to fit, on one address. A flood beyond that is closed at once, before it costs the
 * file descriptors that calls need.
 */
export const httpLimits: HttpLimits = {
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 120_000,
  checkIntervalMs: 1_000,
  maxConnections: 12_000,
}

/** Longer than any common client keeps an idle connection, so that the client is the one to close it. */
const keepAliveTimeoutMs = 75_000

/** What a connection brings. Each handler is total. */
export interface Handlers {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  /** What is no HTTP request (the parser's code says why) or a CONNECT: the socket alone is left to answer on. */
  readonly onRawSocket: (socket: Socket, problem: string | undefined) => void
  /** A connection that was refused before anything was read. */
  readonly onTurnedAway: (client: Client, error: GatewayError) => void
}

export interface Door {
  readonly identify: Identify
  /** A route to 127.0.0.1 can be opened to the network (`route_localnet`): what comes that way is cut off. */
  readonly isLoopbackOnly: boolean
  /** True where a connection that was accepted before the server began to close is served still. */
  readonly servesWhileClosing?: boolean
}

/** A server that does not listen yet. */
export function createHttpServer(handlers: Handlers, door: Door, limits: HttpLimits): Server {
  const { onRawSocket } = handlers
  const onRequest = oneAtATime(handlers.onRequest, (socket) => {
    handlers.onTurnedAway(clientOfSocket(socket), tooManyWaiting())
  })
  const server = createServer({
    insecureHTTPParser: false,
    requireHostHeader: false, // the host guard answers, in the gateway's own form
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.checkIntervalMs,
    maxHeaderSize: 16_384,
  })
  server.maxHeadersCount = maxHeaders + 1
  server.maxConnections = limits.maxConnections
  server.on('request', onRequest)
  server.on('checkContinue', onRequest)
  server.on('checkExpectation', onRequest)
  server.on('connect', (_: IncomingMessage, socket: Socket) => onRawSocket(socket, 'CONNECT'))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => onRawSocket(socket, error.code))
  guardDoor(server, handlers, door)
  return server
}

/** Node's parser gets a connection only after it was let in: its own listener is called from here. */
function guardDoor(server: Server, { onTurnedAway }: Handlers, door: Door): void {
  const [parseHttp] = server.listeners('connection')
  if (parseHttp === undefined) throw new Error('node:http has no connection listener')
  server.removeAllListeners('connection')
  Object.assign(server, { pauseOnConnect: true })
  let refused = 0

  const turnAway = (socket: Socket, client: Client, error: GatewayError) => {
    onTurnedAway(client, error)
    if (refused >= maxRefused) {
      socket.destroy()
      return
    }
    refused += 1
    socket.once('close', () => (refused -= 1))
    answerUnread(socket, error)
  }
  const admit = (socket: Socket, identity: Identity) => {
    // The gateway has begun to stop, or the client has left.
    if ((!server.listening && door.servesWhileClosing !== true) || socket.destroyed) {
      socket.destroy()
    } else if (identity.kind === 'refused') {
      turnAway(socket, identity.client, identity.error)
    } else {
      setPeer(socket, identity)
      socket.off('error', ignore)
      parseHttp.call(server, socket)
      socket.resume()
    }
  }
  server.on('connection', (socket: Socket) => {
    socket.on('error', ignore)
    const { remoteAddress } = socket
    if (door.isLoopbackOnly && remoteAddress === undefined) {
      // The client has reset the connection before it was accepted; what it has sent is nobody's.
      socket.destroy()
    } else if (door.isLoopbackOnly && !isLoopback(remoteAddress)) {
      onTurnedAway({ id: `ip:${remoteAddress}` }, notLocal())
      socket.destroy()
    } else {
      void door.identify(socket).then((identity) => admit(socket, identity))
    }
  })
}

/** Refused connections that may wait for their answer at once; further ones are cut off. */
const maxRefused = 64

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (address === '::1' || /^(?:::ffff:)?127\./.test(address))
}

function notLocal(): GatewayError {
  const what = 'The connection comes from another machine, though the address is of this one only'
  return new GatewayError('ip_not_allowed', `${what} (net.ipv4.conf.*.route_localnet?).`)
}

function ignore(): void {}
