// A provider over HTTP: one undici pool for its origin, and requests dispatched without promises or streams
// in between. HTTP/1.1 only: one connection per request under way, so an abort ends the provider's work.
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import type { HttpProvider } from '../config/types.ts'
import { lengthOf } from '../http/large-body.ts'
import { bodySlices } from './body-slices.ts'
import { createMask } from './mask.ts'
import type { AnswerSink, Exchange, Provider, ProviderFailure } from './provider.ts'

/** Idle sockets are given up before uvicorn and cpp-httplib (5 s) close them under a request on its way. */
const keepAliveTimeoutMs = 4_000

/** An answer's headers beyond this size fail the attempt. */
const maxAnswerHeaderBytes = 16_384

/** Answers of 1xx before the one that counts. Processing and hints need a few; a flood of them is no answer. */
const maxInterimAnswers = 32

/** The same for calls and for probes, so that what a probe finds holds for calls. */
export const poolOptions = {
  allowH2: false,
  pipelining: 1,
  connections: null,
  headersTimeout: 0,
  bodyTimeout: 0,
  keepAliveTimeout: keepAliveTimeoutMs,
  maxHeaderSize: maxAnswerHeaderBytes,
} as const

/** @param userAgent goes out as `user-agent`. */
export function createHttpProvider(config: HttpProvider, userAgent: string): Provider {
  const connect = buildConnector({ timeout: config.timeouts.connectMs, allowH2: false })
  // A request that needs a connection has it opened while it is dispatched, and no other request waits for that one.
  let asking: DispatchRelay | undefined
  const pool = new Pool(config.origin, {
    ...poolOptions,
    connect(options, callback) {
      // By its types it returns nothing; should that become true, attempts last for `connect_ms` at most.
      const socket: unknown = connect(options, callback)
      if (socket instanceof Socket) asking?.waitFor(socket)
    },
  })
  const dispatch = (relay: DispatchRelay, options: Dispatcher.DispatchOptions) => {
    asking = relay
    dispatchInto(relay, pool, options)
    asking = undefined
  }
  const fixedHeaders = headersOf(config, userAgent)

  return {
    name: config.name,
    timeouts: config.timeouts,
    isLocal: config.isLocal,
    includeUsage: config.includeUsage,
    maxParallelRequests: config.maxParallelRequests,
    mask: createMask(secretsOf(config)),

    send(request, sink) {
      const relay = new DispatchRelay(sink)
      const { requestId, body } = request
      dispatch(relay, {
        path: config.basePath + request.path,
        method: 'POST',
        body: Buffer.isBuffer(body) ? body : asUndiciBody(bodySlices(body)),
        headers: fixedHeaders.concat(
          Buffer.isBuffer(body) ? [] : ['content-length', String(lengthOf(body))],
          'content-type',
          request.contentType,
          'accept',
          request.isStream ? 'text/event-stream, application/json' : '*/*',
          'x-request-id',
          requestId,
        ),
      })
      return relay
    },

    get(path, sink) {
      const relay = new DispatchRelay(sink)
      const headers = fixedHeaders.concat('accept', 'application/json, */*')
      dispatch(relay, { path: config.basePath + path, method: 'GET', headers })
      return relay
    },

    check(timeoutMs) {
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          exchange.abort()
          resolve({ isReachable: false, detail: `no answer within ${timeoutMs} ms` })
        }, timeoutMs)
        const settle = (isReachable: boolean, detail: string) => {
          clearTimeout(timer)
          resolve({ isReachable, detail })
        }
        const exchange = new DispatchRelay({
          onHead({ status }) {
            exchange.abort()
            if (status === 401 || status === 403) settle(true, `answers, but refuses the key (${status})`)
            else settle(true, 'answers')
          },
          onData() {},
          onEnd() {},
          onFailure: (failure) => settle(false, failure.detail),
        })
        dispatch(exchange, {
          path: `${config.basePath}/models`,
          method: 'GET',
          headers: fixedHeaders,
        })
      })
    },

    close: () => pool.close(),
  }
}

/** undici takes every iterable, which its types do not say. */
function asUndiciBody(slices: AsyncIterable<Buffer>): Readable {
  return slices as unknown as Readable
}

/** Where a provider's key is written to a request; it goes to this provider's origin only. */
export function headersOf(config: HttpProvider, userAgent: string): string[] {
  const headers = ['user-agent', userAgent, 'accept-encoding', 'identity']
  if (config.apiKey !== undefined) {
    if (config.auth === 'bearer') headers.push('authorization', `Bearer ${config.apiKey.reveal()}`)
    else headers.push(config.auth.header, config.apiKey.reveal())
  }
  for (const [name, value] of config.headers) {
    headers.push(name, typeof value === 'string' ? value : value.reveal())
  }
  return headers
}

/** To be found again in what the provider answers. */
export function secretsOf({ apiKey, headers }: HttpProvider): string[] {
  const values = headers.map(([, value]) => value).filter((value) => typeof value !== 'string')
  return [...values, ...(apiKey === undefined ? [] : [apiKey])].map((secret) => secret.reveal())
}

export function dispatchInto(relay: DispatchRelay, pool: Pool, options: Dispatcher.DispatchOptions): void {
  try {
    pool.dispatch(options, relay)
  } catch (error) {
    relay.onResponseError(null, error as Error)
  }
}

/** undici's handler and the sender's end of the exchange in one object. */
export class DispatchRelay implements Dispatcher.DispatchHandler, Exchange {
  readonly #sink: AnswerSink
  #controller: Dispatcher.DispatchController | undefined
  /** Its connection, while that is being made. */
  #connecting: Socket | undefined
  #isOver = false
  #interimAnswers = 0

  constructor(sink: AnswerSink) {
    this.#sink = sink
  }

  get wasSent(): boolean {
    return this.#controller !== undefined
  }

  /** The connection that is being made for this request alone: nobody else needs it if the request ends before. */
  waitFor(connecting: Socket): void {
    this.#connecting = connecting
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#connecting = undefined
    this.#controller = controller
    // Aborted while it waited for a connection: there was no controller to tell.
    if (this.#isOver) controller.abort(new Error('aborted'))
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController): void {
    controller.abort(new Error('the provider switched protocols'))
  }

  onResponseStart(_: unknown, status: number, headers: Record<string, string | string[] | undefined>): void {
    if (this.#isOver) return
    if (status >= 200) return this.#sink.onHead({ status, headers })
    this.#interimAnswers += 1
    if (this.#interimAnswers <= maxInterimAnswers) return
    this.#controller?.abort(new Error('too many interim answers'))
    this.onResponseError(null, new Error('too many interim answers'))
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    if (!this.#isOver) this.#sink.onData(chunk)
  }

  onResponseEnd(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#sink.onEnd()
  }

  onResponseError(_: unknown, error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#sink.onFailure(failureOf(error))
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#controller === undefined) this.#connecting?.destroy(new Error('aborted'))
    else this.#controller.abort(new Error('aborted'))
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
