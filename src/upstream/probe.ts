// A request to a provider that is not a call (its models, its health, a trial by `doctor`). The response is collected up
// to a size and a time; nothing is retried, and no redirect is followed.
import { Socket } from 'node:net'
import type { buildConnector, Dispatcher } from 'undici'
import type { Boundary } from '../platform/boundary.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import { randomId } from '../platform/random-id.ts'
import type { HttpProvider } from '../config/provider-types.ts'
import type { ResponseHead } from '../domain.ts'
import { ByteCollector } from '../bytes/byte-collector.ts'
import { headersOf, secretsOf, versionOf } from './authorization.ts'
import { Connections } from './connections.ts'
import { createBoundedConnector, createConnector } from './connector.ts'
import { failureOf } from './http-exchange.ts'
import { createMask } from './mask.ts'
import type { Exchange, Provider, ProviderFailure, ResponseHandler } from './provider.ts'
import { requestTarget } from './request-target.ts'

interface ProbeLimits {
  /** The request ends when the body is larger; what came beyond is dropped. */
  readonly maxBytes: number
  /** For the whole response, in milliseconds. */
  readonly timeoutMs: number
  /** Sees the body as it arrives; `false` ends the request. */
  readonly onData?: (chunk: Buffer) => boolean
}

export interface ProbeRequest extends ProbeLimits {
  /** Below the provider's base URL: `/models`. */
  readonly path: string
  /** JSON to post. Absent: the request is a GET. */
  readonly body?: Buffer
  /** What the request may not leave, where it has a body. Absent: nothing. */
  readonly boundary?: Boundary
}

interface ProbeTimes {
  /** Until the response's head arrived; undefined when none did. */
  readonly headMs: number | undefined
  readonly totalMs: number
}

/** `cut`: more than `maxBytes` came, or `onData` had seen enough. A timeout has the head if one came before it. */
export type ProbeOutcome = ProbeTimes &
  (
    | { readonly kind: 'answered' | 'cut'; readonly head: ResponseHead; readonly body: Buffer }
    | { readonly kind: 'failed'; readonly failure: ProviderFailure; readonly head: ResponseHead | undefined }
  )

/** The body of a whole response with status 200; undefined: there is none. */
export function okBodyOf(outcome: ProbeOutcome): Buffer | undefined {
  return outcome.kind === 'answered' && outcome.head.status === 200 ? outcome.body : undefined
}

type ProbeClock = Pick<Clock, 'now' | 'setTimer'>

/** Each is called from an event of its own, where an exception would end the process. */
export interface ProbeHandlers {
  /** Called once, never from within `probe`, and not after the probe was aborted. */
  readonly onResult: (outcome: ProbeOutcome) => void
  /** Called instead of `onResult`, or after it, with what was thrown while the response was handled. */
  readonly onBug: (error: unknown) => void
}

/** A request over the provider's own connections. */
export function probe(
  provider: Provider,
  request: ProbeRequest,
  clock: ProbeClock,
  { onResult, onBug }: ProbeHandlers,
): Pick<Exchange, 'abort'> {
  let isAborted = false
  const finish = (end: () => void) => {
    // In a microtask, because sending may fail at once.
    queueMicrotask(() => {
      if (isAborted) return
      try {
        end()
      } catch (error) {
        onBug(error)
      }
    })
  }
  const response = new BoundedResponse(request, clock, {
    onResult: (outcome) => finish(() => onResult(outcome)),
    onBug: (error) => finish(() => onBug(error)),
  })
  const { path, body, boundary } = request
  const contentType = 'application/json'
  const posted = { path, query: '', headers: [], contentType, isStream: false, requestId: randomId() }
  response.begin((handler) =>
    body === undefined ? provider.get(path, handler) : provider.send({ ...posted, body, boundary }, handler),
  )
  return {
    abort() {
      isAborted = true
      response.abort()
    },
  }
}

/**
 * Makes a connection as calls within a boundary do, and ends it without a request. Resolves with why none was made, or undefined
 * when one was.
 */
export function tryConnectionWithin(
  config: HttpProvider,
  boundary: Exclude<Boundary, 'any'>,
  timeoutMs: number,
): Promise<ProviderFailure | undefined> {
  const connect = createBoundedConnector(config, boundary)
  return new Promise((resolve) =>
    connectOnce(connect, { origin: config.origin, timeoutMs }, systemClock, resolve),
  )
}

/**
 * Makes a connection to a provider, or a tunnel to it, TLS included, and ends it without a request.
 * @param onResult is called once, with why no connection was made, or undefined when one was.
 */
export function tryConnection(
  config: HttpProvider,
  timeoutMs: number,
  clock: Pick<Clock, 'setTimer'>,
  onResult: (failure: ProviderFailure | undefined) => void,
): void {
  connectOnce(createConnector(config), { origin: config.origin, timeoutMs }, clock, onResult)
}

function connectOnce(
  connect: buildConnector.connector,
  { origin, timeoutMs }: { origin: string; timeoutMs: number },
  { setTimer }: Pick<Clock, 'setTimer'>,
  onResult: (failure: ProviderFailure | undefined) => void,
): void {
  const { protocol, host, port, hostname } = new URL(origin)
  const { promise, resolve } = Promise.withResolvers<ProviderFailure | undefined>()
  // By its types it returns nothing; should that become true, an attempt lasts for `connect_ms` at most.
  const pending: unknown = connect(
    { protocol, host, port, hostname: hostname.replace(/^\[|\]$/g, '') },
    (error, socket) => {
      socket?.destroy()
      resolve(error === null ? undefined : failureOf(error))
    },
  )
  const stopTimer = setTimer(() => {
    if (pending instanceof Socket) pending.destroy()
    resolve({ kind: 'timeout', code: 'TIMEOUT', detail: `no connection within ${timeoutMs / 1000} s` })
  }, timeoutMs)
  void promise.then((failure) => {
    stopTimer()
    onResult(failure)
  })
}

/** For examining a provider: requests as a call would send them, over connections of their own. */
export interface Probe {
  /** Opens a connection and ends it without a request. Resolves with why none was made, or undefined when one was. */
  connect(timeoutMs: number): Promise<ProviderFailure | undefined>
  send(request: ProbeRequest): Promise<ProbeOutcome>
  /** Time to open the latest connection in milliseconds, TLS included; undefined before the first one. */
  connectMs(): number | undefined
  /** Replaces the provider's own secrets in text that it sent. */
  mask(text: string): string
  close(): Promise<void>
}

/** @param now milliseconds of a monotonic clock. */
export function createProbe(
  config: HttpProvider,
  userAgent: string,
  now: () => number,
  setTimer = systemClock.setTimer,
): Probe {
  let connectMs: number | undefined
  const connectPlain = createConnector(config)
  const connect: buildConnector.connector = (options, callback) => {
    const startedAtMs = now()
    return connectPlain(options, (...result) => {
      if (result[0] === null) connectMs = now() - startedAtMs
      callback(...result)
    })
  }
  const connections = new Connections(config.origin, connect)
  const headers = headersOf(config, userAgent)
  const clock = { now, setTimer }
  return {
    mask: createMask(secretsOf(config)),
    connectMs: () => connectMs,
    close: () => connections.destroy(),
    connect: (timeoutMs) =>
      new Promise((resolve) => connectOnce(connect, { origin: config.origin, timeoutMs }, clock, resolve)),
    send(request) {
      const { promise, resolve, reject } = Promise.withResolvers<ProbeOutcome>()
      const isPost = request.body !== undefined
      const posted = ['content-type', 'application/json', 'accept', 'text/event-stream, application/json']
      const options: Dispatcher.DispatchOptions = {
        path: requestTarget(config, request.path),
        method: isPost ? 'POST' : 'GET',
        headers: [...headers, ...versionOf(config, request.path), ...(isPost ? posted : [])],
        ...(isPost && { body: request.body }),
      }
      const handlers = { onResult: resolve, onBug: reject }
      new BoundedResponse(request, clock, handlers).begin((handler) => connections.send(options, handler))
      return promise
    },
  }
}

/** One response up to its end, its size limit or its deadline, whichever comes first. */
class BoundedResponse implements ResponseHandler {
  readonly #limits: ProbeLimits
  readonly #now: () => number
  readonly #handlers: ProbeHandlers
  readonly #startedAtMs: number
  readonly #stopTimer: () => void
  readonly #held = new ByteCollector()
  #exchange: Exchange | undefined
  #head: ResponseHead | undefined
  #headMs: number | undefined
  #isOver = false

  /** @param handlers one of them is called once, possibly from within `begin`. */
  constructor(limits: ProbeLimits, { now, setTimer }: ProbeClock, handlers: ProbeHandlers) {
    this.#limits = limits
    this.#now = now
    this.#handlers = handlers
    this.#startedAtMs = now()
    const { timeoutMs } = limits
    this.#stopTimer = setTimer(() => {
      const what = this.#head === undefined ? 'response' : 'end of the response'
      this.onFailure({ kind: 'timeout', code: 'TIMEOUT', detail: `no ${what} within ${timeoutMs / 1000} s` })
    }, timeoutMs)
  }

  begin(send: (handler: ResponseHandler) => Exchange): void {
    this.#guard(() => {
      this.#exchange = send(this)
      if (this.#isOver) this.#exchange.abort()
    })
  }

  /** Ends the request; nothing is resolved. */
  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stopTimer()
    this.#exchange?.abort()
  }

  onHead(head: ResponseHead): void {
    this.#headMs = this.#elapsedMs()
    this.#head = head
  }

  onData(chunk: Buffer): void {
    this.#guard(() => {
      const { maxBytes, onData } = this.#limits
      const room = maxBytes - this.#held.length
      const kept = chunk.subarray(0, room)
      this.#held.push(kept)
      const wantsMore = onData?.(kept) ?? true
      if (!wantsMore || chunk.length > room) this.#collected('cut')
    })
  }

  onEnd(): void {
    this.#guard(() => this.#collected('answered'))
  }

  onFailure(failure: ProviderFailure): void {
    this.#end({ kind: 'failed', failure, head: this.#head, ...this.#times() })
  }

  #collected(kind: 'answered' | 'cut'): void {
    this.#end({ kind, head: this.#head!, body: this.#held.take(), ...this.#times() })
  }

  #end(outcome: ProbeOutcome): void {
    if (this.#isOver) return
    this.abort()
    this.#handlers.onResult(outcome)
  }

  #guard(step: () => void): void {
    try {
      step()
    } catch (error) {
      if (this.#isOver) return
      this.abort()
      this.#handlers.onBug(error)
    }
  }

  #times(): ProbeTimes {
    return { headMs: this.#headMs, totalMs: this.#elapsedMs() }
  }

  #elapsedMs(): number {
    return this.#now() - this.#startedAtMs
  }
}
