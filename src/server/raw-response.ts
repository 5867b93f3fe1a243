// Answers on a bare socket: to what is no HTTP, and to those who are refused before anything is read from them.
import { randomUUID } from 'node:crypto'
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { renderError } from '../dialects/openai/errors.ts'
import { GatewayError } from '../errors.ts'
import { safetyHeaders } from './reply.ts'

/** How long a refused client may take to speak, and then to stop. */
const maxLingerMs = 2_000

/**
 * Answers as soon as the client has begun to send: HTTP clients take an answer that comes before their request for a
 * fault. What they send is dropped unread, for a moment, because closing on unread bytes would reset the connection
 * and take the answer along.
 */
export function answerUnread(socket: Socket, error: GatewayError): void {
  socket.once('data', () => socket.end(rawAnswer(error)))
  dropRest(socket)
}

/** Reads on without looking, until the client stops or has had its time: a socket that nobody reads never closes. */
function dropRest(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), maxLingerMs)
  socket.once('close', () => clearTimeout(timer))
  socket.on('end', () => socket.destroySoon())
  socket.resume()
}

/**
 * Answers what is no request, and ends the connection.
 * @param problem the code of Node's parser, or `CONNECT`.
 * @returns what the sender was told; undefined when nothing could be.
 */
export function answerRaw(socket: Socket, problem: string | undefined): GatewayError | undefined {
  // Node hands a CONNECT's socket over without any listener, and a client that resets it would end the process.
  socket.on('error', () => {})
  if (!socket.writable || problem === 'ECONNRESET') {
    socket.destroy()
    return undefined
  }
  if (!mayAnswerOn(socket)) {
    socket.destroySoon()
    return undefined
  }
  const error = errorOf(problem)
  socket.end(rawAnswer(error))
  dropRest(socket)
  return error
}

const latestKey = Symbol('latest response')

type ServingSocket = Socket & { [latestKey]?: ServerResponse }

/** Remembers the response that was begun last on a socket. */
export function setLatest(socket: ServingSocket, response: ServerResponse): void {
  socket[latestKey] = response
}

/** Whether nothing stands between the socket and an answer: text in the middle of another one would garble that. */
function mayAnswerOn(socket: ServingSocket): boolean {
  const latest = socket[latestKey]
  if (latest === undefined || latest.writableFinished) return true
  // A response gets the socket when all earlier ones on it are over.
  return latest.socket === socket && !latest.headersSent
}

function errorOf(problem = 'unknown'): GatewayError {
  switch (problem) {
    case 'CONNECT':
      return new GatewayError('method_not_allowed', 'CONNECT is not supported.', {
        headers: { allow: 'GET, HEAD, OPTIONS, POST' },
      })
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new GatewayError('request_timeout', 'The request did not arrive in time.')
    case 'HPE_HEADER_OVERFLOW':
      return new GatewayError(
        'headers_too_large',
        'A request may have 100 headers, and 16 KiB of them in all.',
      )
    default:
      return new GatewayError('invalid_request', `This is no valid HTTP/1.1 request (${problem}).`)
  }
}

/** The bytes of a whole answer, after which the connection ends. */
function rawAnswer(error: GatewayError): string {
  const { status, headers, body } = renderError(error)
  const fields = ['x-request-id', `req_${randomUUID()}`, ...safetyHeaders, ...headers, 'connection', 'close']
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (let index = 0; index < fields.length; index += 2) head += `${fields[index]}: ${fields[index + 1]}\r\n`
  return `${head}\r\n${body.toString()}`
}
