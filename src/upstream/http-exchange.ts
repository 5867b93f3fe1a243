// One request over one of undici's connections, and its answer, pushed on without promises or streams in between.
import type { Dispatcher } from 'undici'
import type { AnswerSink, Exchange, ProviderFailure } from './provider.ts'

/** Answers of 1xx before the one that counts. Processing and hints need a few; a flood of them is no answer. */
const maxInterimAnswers = 32

/** What an exchange does with its connection when it is over: the one or the other, once. */
export interface ConnectionInUse {
  /** The answer is whole; the next request may come. */
  release(): void
  /** Ends the connection, or the attempt to make it. */
  end(): void
}

/** undici's handler and the sender's end of the exchange in one object. */
export class HttpExchange implements Dispatcher.DispatchHandler, Exchange {
  readonly #sink: AnswerSink
  readonly #connection: ConnectionInUse
  #controller: Dispatcher.DispatchController | undefined
  #isOver = false
  #interimAnswers = 0

  constructor(sink: AnswerSink, connection: ConnectionInUse) {
    this.#sink = sink
    this.#connection = connection
  }

  get wasSent(): boolean {
    return this.#controller !== undefined
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController): void {
    controller.abort(new Error('the provider switched protocols'))
  }

  onResponseStart(_: unknown, status: number, headers: Record<string, string | string[] | undefined>): void {
    if (this.#isOver) return
    if (status >= 200) return this.#sink.onHead({ status, headers })
    this.#interimAnswers += 1
    if (this.#interimAnswers <= maxInterimAnswers) return
    this.onResponseError(null, new Error('too many interim answers'))
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    if (!this.#isOver) this.#sink.onData(chunk)
  }

  onResponseEnd(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#connection.release()
    this.#sink.onEnd()
  }

  onResponseError(_: unknown, error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#connection.end()
    this.#sink.onFailure(failureOf(error))
  }

  // Over, they would reach the connection's next answer.

  pause(): void {
    if (!this.#isOver) this.#controller?.pause()
  }

  resume(): void {
    if (!this.#isOver) this.#controller?.resume()
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#connection.end()
  }
}

/** Codes that say that the request was never sent. */
const unreachableCodes = new Set([
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

function failureOf(error: Error): ProviderFailure {
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : error
  const code = codeOf(first) ?? codeOf(error) ?? 'UNKNOWN'
  const isTls = code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL') || code.includes('CERT')
  const kind = unreachableCodes.has(code) || isTls ? 'unreachable' : 'broken'
  // undici's own texts may quote what the provider sent, so only the system's are passed on.
  const detail = kind === 'unreachable' ? first.message : `the connection broke (${code})`
  return { kind, code, detail }
}

function codeOf(error: Error): string | undefined {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' && code !== '' ? code : undefined
}
