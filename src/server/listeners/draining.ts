// The end of a server: what is under way is finished, down to its last byte, and what is idle ends.
import type { Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'

/** A server that knows which of its connections carry a request. */
export class Draining {
  readonly #server: Server
  readonly #lingerMs: number
  readonly #open = new Map<Socket, ServerResponse[]>()
  #openResponses = 0
  #isClosing = false

  /** @param lingerMs how long an idle connection stays open after the end was announced. */
  constructor(server: Server, lingerMs: number) {
    this.#server = server
    this.#lingerMs = lingerMs
    server.on('connection', (socket: Socket) => this.#follow(socket))
    // Before the listener that answers.
    server.prependListener('request', (request, response) => this.#begin(request.socket, response))
    server.prependListener('checkContinue', (request, response) => this.#begin(request.socket, response))
  }

  /** Stops accepting, and resolves when the last connection has ended. */
  close(): Promise<void> {
    this.#isClosing = true
    return new Promise((resolve) => {
      // Not http's own close(): that takes an answer for done before its last bytes are on their way.
      NetServer.prototype.close.call(this.#server, () => {
        this.#server.close() // ends its timer
        resolve()
      })
      for (const responses of this.#open.values()) {
        for (const response of responses) if (!response.headersSent) response.shouldKeepAlive = false
      }
      this.#endIdle()
    })
  }

  /** Ends what is still open. */
  closeNow(): void {
    this.#server.closeAllConnections()
  }

  #follow(socket: Socket): void {
    this.#open.set(socket, [])
    socket.once('close', () => {
      // Responses that were never served, behind one that closed the connection, do not close by themselves.
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
   * Once no call is under way any more. Until then idle connections are kept: who watches this server hears on them that
   * it is about to end.
   */
  #endIdle(): void {
    if (this.#openResponses > 0) return
    const end = () => {
      if (this.#openResponses > 0) return
      for (const [socket, responses] of this.#open) if (responses.length === 0) socket.destroy()
    }
    // What has arrived meanwhile is read before that, however late the timer is.
    setTimeout(() => setImmediate(end), this.#lingerMs)
  }
}
