// An HTTP server with strict settings behind a gate: the client of a connection is known before a byte of it is read.
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http'
import { createServer as createSocketServer, type Server as SocketServer, type Socket } from 'node:net'
import { clientOfSocket, setPeer } from '../../clients/client.ts'
import { plainAddress } from '../../clients/ip-address.ts'
import type { Client } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { startTimeouts } from '../../platform/node/http-timeouts.ts'
import { maxHeaders } from '../guards/header-count.ts'
import { isUploading } from '../client-upload.ts'
import type { Identify, Identity } from '../peer/peer-user.ts'
import { respondLast, respondUnread } from '../raw-response.ts'
import { type ConnectionLimits, mostConnections, type OpenConnections } from './open-connections.ts'
import { oneAtATime, tooManyWaiting } from '../request-queue.ts'

/** What the listeners spend on their clients. */
export interface HttpLimits extends ConnectionLimits {
  /** A client has this long to send the head of a request, and all of it (408 after that). Responses may take longer. */
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  /** How often both are checked. */
  readonly checkIntervalMs: number
}

export const httpLimits: HttpLimits = {
  ...mostConnections,
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 120_000,
  checkIntervalMs: 1_000,
}

/** Longer than any common client keeps an idle connection, so that the client is the one to close it. */
const keepAliveTimeoutMs = 75_000

/** Handlers for what arrives on a connection. Each is total. */
export interface Handlers {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  /** Anything but an HTTP request (`problem` is the parser's code), or a CONNECT: only the socket is left to respond on. */
  readonly onRawSocket: (socket: Socket, problem: string | undefined) => void
  /** A connection was refused before anything was read. @param hasLeft because its client has gone already. */
  readonly onRejected: (client: Client, error: GatewayError, hasLeft?: boolean) => void
}

export interface ConnectionGate {
  /** Of all listeners. */
  readonly connections: OpenConnections
  readonly identify: Identify
  /** Closes connections from elsewhere: a route to 127.0.0.1 can be opened to the network (`route_localnet`). */
  readonly isLoopbackOnly: boolean
  /** True where a connection that was accepted before the server began to close is still served. */
  readonly servesWhileClosing?: boolean
}

/** Two servers in a row: one accepts connections, the other parses HTTP on those that the gate lets in. */
export interface GatedServer {
  /** Listens, and closes. */
  readonly acceptor: SocketServer
  /** Never listens. */
  readonly http: HttpServer
}

/** A server that does not listen yet. */
export function createGatedServer(handlers: Handlers, gate: ConnectionGate, limits: HttpLimits): GatedServer {
  const { onRawSocket } = handlers
  const onRequest = oneAtATime(handlers.onRequest, (socket) => {
    const error = tooManyWaiting()
    respondLast(socket, error)
    handlers.onRejected(clientOfSocket(socket), error)
  })
  const http = createServer({
    insecureHTTPParser: false,
    requireHostHeader: false, // the host guard responds, in the gateway's own form
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.checkIntervalMs,
    maxHeaderSize: 16_384,
  })
  http.maxHeadersCount = maxHeaders + 1
  http.on('request', onRequest)
  http.on('checkContinue', onRequest)
  http.on('checkExpectation', onRequest)
  http.on('connect', (_: IncomingMessage, socket: Socket) => onRawSocket(socket, 'CONNECT'))
  http.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const isSlowUpload = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && isUploading(socket)
    if (!isSlowUpload) onRawSocket(socket, error.code)
  })
  // As node:http accepts connections, except that nothing is read yet.
  const acceptor = createSocketServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true })
  acceptor.on('listening', () => startTimeouts(http))
  identifyBeforeParsing({ acceptor, http }, handlers, gate)
  return { acceptor, http }
}

function identifyBeforeParsing(
  { acceptor, http }: GatedServer,
  { onRejected }: Handlers,
  gate: ConnectionGate,
): void {
  const { connections } = gate
  const reject = (socket: Socket, { client, error, hasLeft }: Identity & { kind: 'refused' }) => {
    onRejected(client, error, hasLeft)
    if (connections.addRejected(socket)) respondUnread(socket, error)
    else socket.destroy()
  }
  const decide = (socket: Socket, identity: Identity) => {
    // The gateway has begun to stop, or the client has left.
    if ((!acceptor.listening && gate.servesWhileClosing !== true) || socket.destroyed) {
      socket.destroy()
    } else if (identity.kind === 'refused') {
      reject(socket, identity)
    } else {
      setPeer(socket, identity)
      socket.off('error', ignore)
      http.emit('connection', socket)
      socket.resume()
    }
  }
  acceptor.on('connection', (socket) => {
    socket.on('error', ignore)
    const { remoteAddress } = socket
    if (gate.isLoopbackOnly && remoteAddress === undefined) {
      // The client reset the connection before it was accepted: there is nobody to respond to.
      socket.destroy()
    } else if (gate.isLoopbackOnly && !isLoopback(remoteAddress)) {
      onRejected(clientAt(remoteAddress), notLocal())
      socket.destroy()
    } else if (!connections.add(socket)) {
      const client = clientAt(remoteAddress)
      reject(socket, { kind: 'refused', client, error: connections.tooMany(), hasLeft: false })
    } else {
      void gate.identify(socket).then((identity) => decide(socket, identity))
    }
  })
}

/** The client of a connection whose user is not looked up. @param address undefined: of a Unix socket, or reset. */
function clientAt(address: string | undefined): Client {
  const plain = plainAddress(address)
  return { id: plain === undefined ? 'unknown' : `ip:${plain}` }
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (address === '::1' || /^(?:::ffff:)?127\./.test(address))
}

function notLocal(): GatewayError {
  const what = 'A connection from another machine reached a loopback address'
  return new GatewayError('ip_not_allowed', `${what}. Check the sysctl net.ipv4.conf.*.route_localnet.`)
}

function ignore(): void {}
