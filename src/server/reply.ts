// The client's end of a call over node:http.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Reply } from '../call/call.ts'
import type { RenderedError } from '../dialects/dialect.ts'
import type { GatewayError } from '../errors.ts'
import { ByteCollector } from '../bytes/byte-collector.ts'
import { endWithHead } from '../platform/node/head-and-body.ts'
import { chunkOf, lastChunk, takeOverFraming } from '../platform/node/own-chunks.ts'
import { outputOf } from '../platform/node/response-socket.ts'

/** On every response: it is data for programs, whatever a browser takes it for. */
const safetyHeaders = [
  'x-content-type-options',
  'nosniff',
  'cross-origin-resource-policy',
  'same-origin',
] as const

/** On every response of the gateway's own. A cache in front must not report yesterday's models, limits or readiness. */
export const ownHeaders = [...safetyHeaders, 'cache-control', 'no-store'] as const

/** In the client's dialect. */
export type RenderError = (error: GatewayError) => RenderedError

/** A `Reply` over a response that nothing has been written to yet. */
export class HttpReply implements Reply {
  readonly #raw: ServerResponse
  readonly #renderError: RenderError
  /** Empty once they are out: a response may stay open for long. */
  #headers: string[]
  #hasSent = false
  #awaitsDrain = false
  /** A write waits for the client to read; until it is out, further bytes are collected. */
  #isBehind = false
  #unsent: ByteCollector | undefined
  /** `write` returned false while bytes were collected: once they are out, a drain is reported. */
  #owesDrain = false
  #isChunked = false
  isGone: boolean
  interruption: GatewayError | undefined
  onGone: (() => void) | undefined
  onDrain: (() => void) | undefined

  /**
   * @param headers of the response, whatever its content (`x-request-id`, CORS): names and values in turn.
   * @param renderError of the client's dialect.
   */
  constructor(raw: ServerResponse, headers: readonly string[], renderError: RenderError) {
    this.#renderError = renderError
    this.#raw = raw
    this.#headers = [...headers, ...safetyHeaders]
    // A client that left while its body was read has closed before anything listened here.
    this.isGone = raw.destroyed
    raw.on('close', () => this.#close())
    // A write after the client has left: 'close' reports that.
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

  setMissing(name: string, value: string): void {
    for (let index = 0; index < this.#headers.length; index += 2) if (this.#headers[index] === name) return
    this.#headers.push(name, value)
  }

  start(status: number, headers: readonly string[]): void {
    const raw = this.#raw
    if (raw.headersSent) return
    const own = this.#headers
    this.#headers = []
    own.push(...headers)
    raw.writeHead(status, own)
    this.#isChunked = takeOverFraming(raw)
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
    const framed = this.#isChunked ? chunkOf(bytes) : bytes
    this.#isBehind = out.writableLength > 0
    // Closures have methods of their own: with one in it, each call of this method would allocate its context.
    const mayGoOn = this.#isBehind ? this.#writeBehind(out, framed) : out.write(framed)
    if (!mayGoOn && !this.#awaitsDrain) this.#awaitDrain(out)
    return mayGoOn
  }

  #writeBehind(out: ServerResponse | Socket, bytes: Buffer): boolean {
    return out.write(bytes, (error) => this.#catchUp(error))
  }

  #awaitDrain(out: ServerResponse | Socket): void {
    this.#awaitsDrain = true
    out.once('drain', () => {
      this.#awaitsDrain = false
      if (this.#isBehind) this.#owesDrain = true
      else this.onDrain?.()
    })
  }

  end(last?: Buffer): void {
    let bytes = last?.length === 0 ? undefined : last
    if (this.#unsent !== undefined && this.#unsent.length > 0) {
      if (last !== undefined) this.#unsent.push(last)
      bytes = this.#unsent.take()
    }
    if (this.#isChunked) this.#raw.end(bytes === undefined ? lastChunk : chunkOf(bytes, lastChunk))
    else if (bytes === undefined) this.#raw.end()
    else if (this.#hasSent) this.#raw.end(bytes)
    else endWithHead(this.#raw, bytes)
  }

  fail(error: GatewayError): void {
    if (this.#raw.destroyed || this.#raw.headersSent) return
    const { status, headers, body } = this.#renderError(error)
    // The error may name a header that the call has set.
    for (let index = 0; index < headers.length; index += 2) this.set(headers[index]!, headers[index + 1]!)
    this.set('cache-control', 'no-store')
    this.start(status, [])
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

  #out(): ServerResponse | Socket {
    return this.#hasSent ? outputOf(this.#raw) : this.#raw
  }

  /** The stream would keep each write as an object of its own, however small. */
  #collect(out: ServerResponse | Socket, bytes: Buffer): boolean {
    this.#unsent ??= new ByteCollector()
    this.#unsent.push(bytes)
    if (this.#unsent.length + out.writableLength < out.writableHighWaterMark) return true
    this.#owesDrain = true
    return false
  }

  #catchUp(error: Error | null | undefined): void {
    const bytes = this.#unsent?.take() ?? nothing
    // The connection is gone, which 'close' reports.
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

const nothing = Buffer.alloc(0)

function ignore(): void {}
