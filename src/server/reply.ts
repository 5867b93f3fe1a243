// The client's end of a call over node:http.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Reply } from '../call/call.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import type { GatewayError } from '../errors.ts'
import { ByteCollector } from '../http/byte-collector.ts'

/** On every answer: it is data for programs, whatever a browser may take it for. */
export const safetyHeaders = [
  'x-content-type-options',
  'nosniff',
  'cross-origin-resource-policy',
  'same-origin',
] as const

/** Node sends head and body in one write if both are text; latin1 keeps every byte as it is. */
const maxJoinedBytes = 65_536

const lastChunk = Buffer.from('0\r\n\r\n')
/** One chunk of a body, and what follows it (RFC 9112 §7.1). */
function asChunk(bytes: Buffer, rest = noBytes): Buffer {
  const size = bytes.length.toString(16)
  const chunk = Buffer.allocUnsafe(size.length + 2 + bytes.length + 2 + rest.length)
  let at = 0
  while (at < size.length) at = chunk.writeUInt8(size.charCodeAt(at), at)
  at = chunk.writeUInt16BE(lineEnd, at)
  at += bytes.copy(chunk, at)
  at = chunk.writeUInt16BE(lineEnd, at)
  rest.copy(chunk, at)
  return chunk
}

const noBytes = Buffer.alloc(0)
/** CR and LF. */
const lineEnd = 0x0d0a

export type RenderError = ClientDialect['renderError']

/** A `Reply` over a response that nothing has been written to yet. */
export class HttpReply implements Reply {
  readonly #raw: ServerResponse
  readonly #renderError: RenderError
  /** Until they are out: an answer may be open for long. */
  #headers: string[]
  #hasSent = false
  #awaitsDrain = false
  /** A write waits for the client to read; until it is out, what follows is collected. */
  #isBehind = false
  readonly #unsent = new ByteCollector()
  /** `write` said false, and only the end of being behind can take that back. */
  #owesDrain = false
  #isChunked = false
  isGone: boolean
  interruption: GatewayError | undefined
  onGone: (() => void) | undefined
  onDrain: (() => void) | undefined

  /**
   * @param headers that this answer carries whatever becomes of it (request id, CORS): names and values in turn.
   * @param renderError of the client's dialect.
   */
  constructor(raw: ServerResponse, headers: readonly string[], renderError: RenderError) {
    this.#renderError = renderError
    this.#raw = raw
    this.#headers = [...headers, ...safetyHeaders]
    // A client that left while its user was looked up or its body read has closed before anybody listened.
    this.isGone = raw.destroyed
    raw.on('close', () => this.#close())
    // A write after the client has left: 'close' tells.
    raw.on('error', ignore)
  }

  get isStarted(): boolean {
    return this.#raw.headersSent
  }

  set(name: string, value: string): void {
    for (let index = 0; index < this.#headers.length; index += 2) {
      if (this.#headers[index] !== name) continue
      this.#headers[index + 1] = value
      return
    }
    this.#headers.push(name, value)
  }

  start(status: number, headers: readonly string[]): void {
    const raw = this.#raw
    if (raw.headersSent) return
    raw.writeHead(status, [...this.#headers, ...headers])
    this.#headers = []
    // node:http writes a chunk in three pieces. One buffer, made here, goes out at half the cost.
    this.#isChunked = raw.chunkedEncoding
    raw.chunkedEncoding = false
  }

  flush(): void {
    if (this.#hasSent) return
    this.#hasSent = true
    this.#raw.flushHeaders()
  }

  write(bytes: Buffer): boolean {
    if (this.isGone || this.#raw.writableEnded || bytes.length === 0) return true
    const out = this.#out()
    this.#hasSent = true
    if (this.#isBehind) return this.#collect(out, bytes)
    const framed = this.#isChunked ? asChunk(bytes) : bytes
    this.#isBehind = out.writableLength > 0
    if (this.#isBehind ? out.write(framed, (error) => this.#catchUp(error)) : out.write(framed)) return true
    if (!this.#awaitsDrain) {
      this.#awaitsDrain = true
      out.once('drain', () => {
        this.#awaitsDrain = false
        if (this.#isBehind) this.#owesDrain = true
        else this.onDrain?.()
      })
    }
    return false
  }

  end(last?: Buffer): void {
    let bytes = last
    if (this.#unsent.length > 0) {
      if (last !== undefined) this.#unsent.push(last)
      bytes = this.#unsent.take()
    }
    if (this.#isChunked) this.#raw.end(bytes === undefined ? lastChunk : asChunk(bytes, lastChunk))
    else if (bytes === undefined) this.#raw.end()
    else if (this.#hasSent || bytes.length > maxJoinedBytes) this.#raw.end(bytes)
    else this.#raw.end(bytes.toString('latin1'), 'latin1')
  }

  fail(error: GatewayError): void {
    if (this.#raw.destroyed || this.#raw.headersSent) return
    const { status, headers, body } = this.#renderError(error)
    this.start(status, headers)
    this.end(body)
  }

  interrupt(error: GatewayError): void {
    if (this.#raw.writableEnded) return
    this.interruption = error
    this.#leave()
  }

  cut(): void {
    this.#raw.destroy()
  }

  /**
   * The response until it has sent its head, and for as long as it waits for an earlier one on its connection. Then the
   * socket, because the response would hold each write back to the end of the turn.
   */
  #out(): ServerResponse | Socket {
    return this.#hasSent ? (this.#raw.socket ?? this.#raw) : this.#raw
  }

  /** The stream would keep each write as an object of its own, however few bytes it has. */
  #collect(out: ServerResponse | Socket, bytes: Buffer): boolean {
    this.#unsent.push(bytes)
    if (this.#unsent.length + out.writableLength < out.writableHighWaterMark) return true
    this.#owesDrain = true
    return false
  }

  #catchUp(error: Error | null | undefined): void {
    const bytes = this.#unsent.take()
    // The connection is gone, which 'close' tells.
    if (error) return
    this.#isBehind = false
    const owesDrain = this.#owesDrain
    this.#owesDrain = false
    const mayGoOn = this.write(bytes)
    if (mayGoOn && owesDrain && !this.#awaitsDrain) this.onDrain?.()
  }

  #close(): void {
    this.interruption = undefined
    if (!this.#raw.writableFinished) this.#leave()
  }

  #leave(): void {
    if (this.isGone) return
    this.isGone = true
    this.onGone?.()
  }
}

function ignore(): void {}
