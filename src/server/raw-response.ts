// Responses on a bare socket: to bytes that are not HTTP, and to clients that are rejected before anything is read.
import { randomUUID } from 'node:crypto'
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { renderError } from '../dialects/openai/errors.ts'
import { GatewayError } from '../errors.ts'
import { ownHeaders } from './reply.ts'

/** How long a rejected client may take to send something, and then to stop. */
const maxLingerMs = 2_000

/**
 * Responds as soon as the client has begun to send: HTTP clients take a response that precedes their request for an error.
 * What they send is dropped unread, for a moment, because closing on unread bytes would reset the connection, and the
 * response would be lost.
 */
export function respondUnread(socket: Socket, error: GatewayError): void {
  socket.once('data', () => socket.end(rawResponse(error)))
  dropRest(socket)
}

/** Reads and drops until the client stops or its time is over: a socket that is not read never closes. */
function dropRest(socket: Socket): void {
  if (socket.closed) return
  const timer = setTimeout(() => socket.destroy(), maxLingerMs)
  socket.once('close', () => clearTimeout(timer))
  socket.on('end', () => socket.destroySoon())
  socket.resume()
}

/**
 * Responds to bytes that are not a request, and ends the connection.
 * @param problem the code of Node's parser, or `CONNECT`.
 * @returns the error that was sent; undefined when none could be.
 */
export function respondRaw(socket: Socket, problem: string | undefined): GatewayError | undefined {
  // Node hands over the socket of a CONNECT without a listener, and a client that resets it would end the process.
  socket.on('error', () => {})
  if (!socket.writable || problem === 'ECONNRESET') {
    socket.destroy()
    return undefined
  }
  if (!canRespondOn(socket)) {
    socket.destroySoon()
    return undefined
  }
  const error = errorOf(problem)
  socket.end(rawResponse(error))
  dropRest(socket)
  return error
}

const latestKey = Symbol('latest response')

/**
 * Responds in the place of the earliest response that has not begun, and closes the connection with all that has arrived on
 * it. Nothing is waited for: a client that does not read, or whose response is being sent, receives nothing more.
 */
export function respondLast(socket: Socket, error: GatewayError): void {
  const mayRespond = canRespondOn(socket)
  if (mayRespond) socket.write(rawResponse(error))
  if (mayRespond && socket.writableLength === 0) socket.destroySoon()
  else socket.destroy()
}

type ServingSocket = Socket & { [latestKey]?: ServerResponse }

/** Remembers the newest response on a socket. */
export function setLatestResponse(socket: ServingSocket, response: ServerResponse): void {
  socket[latestKey] = response
}

/** False while another response is being sent: text in its middle would garble it. */
function canRespondOn(socket: ServingSocket): boolean {
  const latest = socket[latestKey]
  if (latest === undefined || latest.writableFinished) return true
  // A response is assigned the socket when all earlier ones on it have ended.
  if (latest.socket !== socket) return false
  return !latest.headersSent || (latest.writableEnded && latest.shouldKeepAlive)
}

function errorOf(problem = 'unknown'): GatewayError {
  switch (problem) {
    case 'CONNECT':
      return new GatewayError(
        'method_not_allowed',
        'CONNECT is not supported: this is not a forward proxy.',
        {
          headers: { allow: 'GET, HEAD, OPTIONS, POST' },
        },
      )
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new GatewayError(
        'request_timeout',
        'The request did not arrive in time. Send its headers within 20 s and its body within 120 s.',
      )
    case 'HPE_HEADER_OVERFLOW':
      return new GatewayError(
        'headers_too_large',
        'A request may have at most 100 headers and 16 KiB of them in total.',
      )
    default:
      return new GatewayError('invalid_request', `Malformed HTTP/1.1 request (${problem}).`)
  }
}

/** A complete response, after which the connection ends. */
function rawResponse(error: GatewayError): string {
  const { status, headers, body } = renderError(error)
  const fields = ['x-request-id', `req_${randomUUID()}`, ...ownHeaders, ...headers, 'connection', 'close']
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (let index = 0; index < fields.length; index += 2) head += `${fields[index]}: ${fields[index + 1]}\r\n`
  return `${head}\r\n${body.toString()}`
}
