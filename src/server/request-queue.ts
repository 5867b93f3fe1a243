// Requests that arrive on a connection before the response to an earlier one (pipelining, RFC 9112 §9.3.2) wait for it. So
// a client that reads nothing costs one response, and what follows a response that closes the connection is never served
// (§9.6). No two requests of a connection are served at once.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ByteCollector } from '../bytes/byte-collector.ts'
import { GatewayError } from '../errors.ts'
import { holdBody } from '../platform/node/held-body.ts'

type Serve = (request: IncomingMessage, response: ServerResponse) => void

/** Clients of model servers do not pipeline. Node keeps some kilobytes for each request that it has parsed. */
const maxWaiting = 32

/** Of the bodies of those that wait, together; the last one may exceed it by as much as a stream keeps. */
const maxHeldBytes = 65_536

/**
 * Serves the requests of each connection one after the other.
 * @param onFlooded called once, on a connection on which too many requests wait; none of them will be served.
 */
export function oneAtATime(serve: Serve, onFlooded: (socket: Socket) => void): Serve {
  return (request, response) => {
    const socket: QueueingSocket = request.socket
    socket[queueKey] ??= new RequestQueue(socket, serve)
    if (!socket.writable || socket[queueKey].add(request, response)) return
    onFlooded(socket)
  }
}

export function tooManyWaiting(): GatewayError {
  const message = `More than ${maxWaiting} requests, or ${maxHeldBytes} bytes of bodies, were pipelined on one connection. Wait for responses, or open more connections.`
  return new GatewayError('invalid_request', message)
}

const queueKey = Symbol('requests')

type QueueingSocket = Socket & { [queueKey]?: RequestQueue }

interface WaitingRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: ByteCollector
  readonly releaseBody: () => void
}

class RequestQueue {
  readonly #socket: Socket
  readonly #serve: Serve
  #current: ServerResponse | undefined
  readonly #waiting: WaitingRequest[] = []

  constructor(socket: Socket, serve: Serve) {
    this.#socket = socket
    this.#serve = serve
  }

  /** False: too many wait. */
  add(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#current === undefined) this.#begin(request, response)
    else if (this.#waiting.length === maxWaiting || this.#heldBytes() >= maxHeldBytes) return false
    else {
      const body = new ByteCollector()
      this.#waiting.push({ request, response, body, releaseBody: holdBody(request, body) })
    }
    return true
  }

  #heldBytes(): number {
    return this.#waiting.reduce((sum, { body }) => sum + body.length, 0)
  }

  #begin(request: IncomingMessage, response: ServerResponse): void {
    this.#current = response
    // Emitted once.
    response.on('close', () => {
      // After a response that closes the connection, nothing more is served on it.
      if (!response.shouldKeepAlive || !this.#socket.writable) return
      this.#current = undefined
      const next = this.#waiting.shift()
      if (next === undefined) return
      next.releaseBody()
      this.#begin(next.request, next.response)
    })
    this.#serve(request, response)
  }
}
