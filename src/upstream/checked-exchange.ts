// A request that is sent only if the server's list of models shows that the server runs the model itself. The list is read for each
// request, because a name may come to stand for another model at any time.
import { ByteCollector } from '../bytes/byte-collector.ts'
import type { ResponseHead } from '../domain.ts'
import { addressNotAllowed, type Exchange, type ProviderFailure, type ResponseHandler } from './provider.ts'

/** How a kind of server shows where its models run. */
export interface ModelPlaces {
  /** Of the list, below the provider's base URL. */
  readonly path: string
  /**
   * Why a request must not be sent, as a clause about the server; undefined: the server runs the model.
   * @param list undefined: the server returned none.
   */
  readonly refusalOf: (list: Buffer | undefined, model: string) => string | undefined
}

export interface CheckedRequest {
  /** By the provider's name for it. */
  readonly model: string
  readonly places: ModelPlaces
  /** Of the provider, for the refusal. */
  readonly host: string
  /** Requests the list. */
  readonly look: (handler: ResponseHandler) => Exchange
  readonly send: (handler: ResponseHandler) => Exchange
}

const maxListBytes = 4_194_304

/** A refusal ends the exchange as a connection does that is not made because its address is outside. */
export function sendChecked(request: CheckedRequest, handler: ResponseHandler): Exchange {
  const exchange = new CheckedExchange(request, handler)
  exchange.begin()
  return exchange
}

/** Handles the list, and is the sender's end of both requests. */
class CheckedExchange implements Exchange, ResponseHandler {
  readonly #request: CheckedRequest
  readonly #handler: ResponseHandler
  readonly #list = new ByteCollector()
  #status = 0
  #isTooLong = false
  #isAborted = false
  #looking: Exchange | undefined
  #sent: Exchange | undefined

  constructor(request: CheckedRequest, handler: ResponseHandler) {
    this.#request = request
    this.#handler = handler
  }

  begin(): void {
    this.#looking = this.#request.look(this)
  }

  get wasSent(): boolean {
    return this.#sent?.wasSent === true
  }

  get isReading(): boolean {
    return this.#sent?.isReading === true
  }

  pause(): void {
    this.#sent?.pause()
  }

  resume(): void {
    this.#sent?.resume()
  }

  abort(): void {
    this.#isAborted = true
    this.#looking?.abort()
    this.#sent?.abort()
  }

  onHead({ status }: ResponseHead): void {
    this.#status = status
  }

  onData(chunk: Buffer): void {
    if (this.#isTooLong) return
    this.#isTooLong = this.#list.length + chunk.length > maxListBytes
    if (!this.#isTooLong) return this.#list.push(chunk)
    this.#looking?.abort()
    this.onEnd()
  }

  onEnd(): void {
    if (this.#isAborted) return
    const { model, places, host, send } = this.#request
    const list = this.#status === 200 && !this.#isTooLong ? this.#list.take() : undefined
    const refusal = places.refusalOf(list, model)
    if (refusal === undefined) this.#sent = send(this.#handler)
    else
      this.#handler.onFailure({ kind: 'unreachable', code: addressNotAllowed, detail: `${host}, ${refusal}` })
  }

  onFailure(failure: ProviderFailure): void {
    this.#handler.onFailure(failure)
  }
}
