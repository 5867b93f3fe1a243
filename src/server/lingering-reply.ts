// The response to a request whose body may not have been read to its end: closing the connection with unread bytes makes the
// system reset it, and a client that is still sending would never see the response.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { HttpReply, type RenderError } from './reply.ts'

/** How much of the body may still arrive, and for how long, before the connection is closed. */
const maxLingerBytes = 67_108_864
const maxLingerMs = 2_000

export class LingeringReply extends HttpReply {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    headers: readonly string[],
    renderError: RenderError,
  ) {
    super(response, headers, renderError)
    this.#request = request
    this.#response = response
  }

  override start(status: number, headers: readonly string[]): void {
    // Whatever follows on the connection is no longer a request (RFC 9112 §9.6).
    if (!this.#request.complete) this.#response.shouldKeepAlive = false
    super.start(status, headers)
  }

  override end(last?: Buffer): void {
    if (this.#request.complete || this.#response.destroyed) return super.end(last)
    if (last !== undefined) this.write(last)
    lingerAfter(this.#request, this.#response, () => super.end())
  }
}

/** Reads on for a moment, then calls `end`: once. The response has been written. */
export function lingerAfter(request: IncomingMessage, response: ServerResponse, end: () => void): void {
  let seen = 0
  let isOver = false
  const finish = () => {
    clearTimeout(timer)
    if (!isOver) end()
    isOver = true
  }
  const timer = setTimeout(finish, maxLingerMs)
  response.on('close', () => clearTimeout(timer))
  if (request.readableEnded) return finish()
  request.on('data', (chunk: Buffer) => {
    seen += chunk.length
    if (seen > maxLingerBytes) finish()
  })
  request.on('end', finish)
  request.on('error', finish)
  request.resume()
}
