// One request over one of undici's connections, and its response, pushed on without promises or streams in between.
import type { Dispatcher } from 'undici'
import type { ResponseHead } from '../domain.ts'
import { decoderFor } from '../http/content-coding.ts'
import { isOutOfDescriptors } from '../platform/descriptors.ts'
import { Decoding } from './decoding.ts'
import { proxyFailed } from './tunnel.ts'
import {
  addressNotAllowed,
  type Exchange,
  type ProviderFailure,
  type ResponseHandler,
  unaskedContinue,
  undecodable,
} from './provider.ts'

/** Responses of 1xx before the final one. Processing and early hints need a few; a flood of them fails the attempt. */
const maxInterimResponses = 32

/** What an exchange does with its connection when it is over: one of the two, once. */
export interface ConnectionInUse {
  /** What one read of the socket brought is being handed over; `HttpExchange.onRest` follows. */
  readonly isReading: boolean
  /** The response is whole; the next request may follow. */
  release(): void
  /** Ends the connection, or the attempt to make it. */
  end(): void
}

/** undici's handler and the sender's end of the exchange in one object. */
export class HttpExchange implements Dispatcher.DispatchHandler, Exchange {
  readonly #handler: ResponseHandler
  readonly #connection: ConnectionInUse
  #controller: Dispatcher.DispatchController | undefined
  #isOver = false
  #interimResponses = 0
  #decoding: Decoding | undefined

  constructor(handler: ResponseHandler, connection: ConnectionInUse) {
    this.#handler = handler
    this.#connection = connection
  }

  get wasSent(): boolean {
    return this.#controller !== undefined
  }

  get isReading(): boolean {
    return this.#connection.isReading && !this.#isOver && this.#decoding === undefined
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController): void {
    controller.abort(new Error('the provider switched protocols'))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // It would keep them for as long as the response lasts: 200 bytes a header.
    controller.rawHeaders = null
    if (this.#isOver) return
    if (status >= 200) {
      const isCoded = status < 300 && headers['content-encoding'] !== undefined
      return this.#handler.onHead(isCoded ? this.#decodedHead({ status, headers }) : { status, headers })
    }
    this.#interimResponses += 1
    if (this.#interimResponses <= maxInterimResponses) return
    this.onResponseError(null, new Error('too many interim responses'))
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    if (this.#isOver) return
    if (this.#decoding === undefined) return this.#handler.onData(chunk)
    if (!this.#decoding.write(chunk)) this.#controller?.pause()
  }

  /** From the connection, after each read. */
  onRest(): void {
    if (!this.#isOver && this.#decoding === undefined) this.#handler.onRest?.()
  }

  onResponseEnd(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#connection.release()
    if (this.#decoding === undefined) this.#handler.onEnd()
    else this.#decoding.end()
  }

  onResponseError(_: unknown, error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#connection.end()
    this.#decoding?.abort()
    this.#handler.onFailure(failureOf(error))
  }

  // After the exchange is over the controller would act on the connection's next request.

  pause(): void {
    if (this.#decoding !== undefined) this.#decoding.pause()
    else if (!this.#isOver) this.#controller?.pause()
  }

  resume(): void {
    if (this.#decoding !== undefined) this.#decoding.resume()
    else if (!this.#isOver) this.#controller?.resume()
  }

  abort(): void {
    this.#decoding?.abort()
    if (this.#isOver) return
    this.#isOver = true
    this.#connection.end()
  }

  /** The head of the decoded body. One in an unknown coding stays as it is. */
  #decodedHead(head: ResponseHead): ResponseHead {
    const { 'content-encoding': coding, ...uncoded } = head.headers
    const decoder = decoderFor(coding)
    if (decoder === undefined) return head
    if (decoder === 'none') return { ...head, headers: uncoded }
    const source = {
      resume: () => {
        if (!this.#isOver) this.#controller?.resume()
      },
      onUndecodable: () => {
        this.abort()
        const detail = `sent a body that cannot be decoded from its content coding, ${JSON.stringify(coding)}`
        this.#handler.onFailure({ kind: 'broken', code: undecodable, detail })
      },
    }
    this.#decoding = new Decoding(decoder, source, this.#handler)
    const { 'content-length': _, ...headers } = uncoded
    return { ...head, headers }
  }
}

/** Codes which show that the request was never sent. */
const unreachableCodes = new Set([
  addressNotAllowed,
  proxyFailed,
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** The error of a connection or a response as a failure. */
export function failureOf(error: Error): ProviderFailure {
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : error
  const code = codeOf(first) ?? codeOf(error) ?? 'UNKNOWN'
  const isTls = code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL') || code.includes('CERT')
  if (isUnaskedContinue(first)) {
    return { kind: 'broken', code: unaskedContinue, detail: 'it sent 100 Continue, which was not asked for' }
  }
  // undici's own texts may quote what the provider sent, so only the system's are passed on.
  if (isOutOfDescriptors(code)) return { kind: 'unconnectable', code, detail: first.message }
  if (unreachableCodes.has(code) || isTls) return { kind: 'unreachable', code, detail: first.message }
  return { kind: 'broken', code, detail: `the connection failed (${code})` }
}

/**
 * undici ends the connection at an interim response that RFC 9110 (section 15.2) has clients skip. While a request is under
 * way, it has this text for nothing else.
 */
function isUnaskedContinue(error: Error): boolean {
  return codeOf(error) === 'UND_ERR_SOCKET' && error.message === 'bad response'
}

function codeOf(error: Error): string | undefined {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' && code !== '' ? code : undefined
}
