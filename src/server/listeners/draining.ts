// The end of a server: responses that have begun are sent to their last byte, and idle connections are closed.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { GatedServer } from './http-server.ts'

/** A server that knows which of its connections carry a request. */
export class Draining {
  readonly #server: GatedServer
  readonly #lingerMs: number
  readonly #open = new Map<Socket, ServerResponse[]>()
  #openResponses = 0
  #isClosing = false

  /** @param lingerMs how long an idle connection stays open after `close`. */
  constructor(server: GatedServer, lingerMs: number) {
    this.#server = server
    this.#lingerMs = lingerMs
    server.acceptor.on('connection', (socket) => this.#follow(socket))
    // Before the listener that serves.
    server.http.prependListener('request', (request, response) => this.#begin(request.socket, response))
    server.http.prependListener('checkContinue', (request, response) => this.#begin(request.socket, response))
  }

  /** Stops accepting, and resolves when the last connection has ended. */
  close(): Promise<void> {
    this.#isClosing = true
    return new Promise((resolve) => {
      // http's own close() comes last: it takes a connection for idle before the last bytes of a response are out.
      this.#server.acceptor.close(() => {
        this.#server.http.close()
        resolve()
      })
      for (const responses of this.#open.values()) {
        for (const response of responses) if (!response.headersSent) response.shouldKeepAlive = false
      }
      this.#endIdle()
    })
  }

  /** Closes all connections that are still open. */
  closeNow(): void {
    this.#server.http.closeAllConnections()
  }

  #follow(socket: Socket): void {
    this.#open.set(socket, [])
    socket.on('close', () => {
      // Requests behind a response that closed the connection were never served, and their responses never close.
      this.#openResponses -= this.#open.get(socket)?.length ?? 0
      this.#open.delete(socket)
      if (this.#isClosing) this.#endIdle()
    })
    if (this.#isClosing) this.#endIdle()
  }

  #begin(socket: Socket, response: ServerResponse): void {
    const responses = this.#open.get(socket)
    if (responses === undefined) return
    responses.push(response)
    this.#openResponses += 1
    if (this.#isClosing) response.shouldKeepAlive = false
    response.on('close', () => {
      if (this.#open.get(socket) !== responses) return
      responses.splice(responses.indexOf(response), 1)
      this.#openResponses -= 1
      if (this.#isClosing) this.#endIdle()
    })
  }

  /**
   * Once no call is under way. Until then idle connections stay open: a monitor of this server learns over them that it
   * is about to end.
   */
  #endIdle(): void {
    if (this.#openResponses > 0) return
    const end = () => {
      if (this.#openResponses > 0) return
      for (const [socket, responses] of this.#open) if (responses.length === 0) socket.destroy()
    }
    // However late the timer is, what has arrived meanwhile is read before that.
    setTimeout(() => setImmediate(end), this.#lingerMs)
  }
}
