// Asks a provider a question for somebody who examines it: as a call would, over a pool of its own, with the times that
// it took and a bounded answer. Nothing is retried and no redirect followed.
import { buildConnector, type Dispatcher } from 'undici'
import type { HttpProvider } from '../config/types.ts'
import { ByteCollector } from '../http/byte-collector.ts'
import { Connections } from './connections.ts'
import { createMask } from './mask.ts'
import type { AnswerHead, AnswerSink, Exchange, ProviderFailure } from './provider.ts'
import { headersOf, secretsOf } from './send.ts'

interface ProbeRequest {
  /** Below the provider's base URL. */
  readonly path: string
  /** JSON to post; a GET without it. */
  readonly body?: string
  readonly timeoutMs: number
  /** What comes beyond that is not read: the request is ended. */
  readonly maxBytes: number
  /** Sees the body as it comes; `false` ends the request. */
  readonly onData?: (chunk: Buffer) => boolean
}

interface ProbeTimes {
  /** Until the answer's head was there; undefined when none came. */
  readonly headMs: number | undefined
  readonly totalMs: number
}

/** `cut`: more than `maxBytes` came, or `onData` had seen enough. A timeout has the head if one came before it. */
export type ProbeOutcome = ProbeTimes &
  (
    | { readonly kind: 'answered' | 'cut'; readonly head: AnswerHead; readonly body: Buffer }
    | { readonly kind: 'failed'; readonly failure: ProviderFailure; readonly head: AnswerHead | undefined }
  )

export interface Probe {
  ask(request: ProbeRequest): Promise<ProbeOutcome>
  /** Of the last connection that was made, TLS included. */
  connectMs(): number | undefined
  /** Takes the provider's own secrets out of what it sent. */
  mask(text: string): string
  close(): Promise<void>
}

/** @param now milliseconds of a monotonic clock. */
export function createProbe(config: HttpProvider, userAgent: string, now: () => number): Probe {
  let connectMs: number | undefined
  const connect = buildConnector({ timeout: config.timeouts.connectMs, allowH2: false })
  const connections = new Connections(config.origin, (options, callback) => {
    const startedAtMs = now()
    return connect(options, (...result) => {
      if (result[0] === null) connectMs = now() - startedAtMs
      callback(...result)
    })
  })
  const headers = headersOf(config, userAgent)
  return {
    mask: createMask(secretsOf(config)),
    connectMs: () => connectMs,
    close: () => connections.destroy(),
    ask(request) {
      const { promise, resolve } = Promise.withResolvers<ProbeOutcome>()
      const isPost = request.body !== undefined
      const wish = ['content-type', 'application/json', 'accept', 'text/event-stream, application/json']
      const options: Dispatcher.DispatchOptions = {
        path: config.basePath + request.path,
        method: isPost ? 'POST' : 'GET',
        headers: isPost ? [...headers, ...wish] : headers,
        ...(isPost && { body: request.body }),
      }
      new BoundedAnswer(request, now, resolve).begin((sink) => connections.send(options, sink))
      return promise
    },
  }
}

/** One answer, up to its end, its bound or its time, whichever comes first. */
class BoundedAnswer implements AnswerSink {
  readonly #request: ProbeRequest
  readonly #now: () => number
  readonly #resolve: (outcome: ProbeOutcome) => void
  readonly #startedAtMs: number
  readonly #timer: NodeJS.Timeout
  readonly #held = new ByteCollector()
  #exchange: Exchange | undefined
  #head: AnswerHead | undefined
  #headMs: number | undefined

  constructor(request: ProbeRequest, now: () => number, resolve: (outcome: ProbeOutcome) => void) {
    this.#request = request
    this.#now = now
    this.#resolve = resolve
    this.#startedAtMs = now()
    const { timeoutMs } = request
    this.#timer = setTimeout(() => {
      this.#exchange?.abort()
      const detail = `no ${this.#head === undefined ? 'answer' : 'end of the answer'} within ${timeoutMs / 1000} s`
      this.onFailure({ kind: 'timeout', code: 'TIMEOUT', detail })
    }, timeoutMs)
  }

  begin(send: (sink: AnswerSink) => Exchange): void {
    this.#exchange = send(this)
  }

  onHead(head: AnswerHead): void {
    this.#headMs = this.#now() - this.#startedAtMs
    this.#head = head
  }

  onData(chunk: Buffer): void {
    const { maxBytes, onData } = this.#request
    const room = maxBytes - this.#held.length
    const taken = chunk.subarray(0, room)
    this.#held.push(taken)
    const wantsMore = onData?.(taken) ?? true
    if (wantsMore && chunk.length <= room) return
    this.#exchange?.abort()
    this.#end('cut')
  }

  onEnd(): void {
    this.#end('answered')
  }

  onFailure(failure: ProviderFailure): void {
    clearTimeout(this.#timer)
    this.#resolve({ kind: 'failed', failure, head: this.#head, ...this.#times() })
  }

  #end(kind: 'answered' | 'cut'): void {
    clearTimeout(this.#timer)
    this.#resolve({ kind, head: this.#head!, body: this.#held.take(), ...this.#times() })
  }

  #times(): ProbeTimes {
    return { headMs: this.#headMs, totalMs: this.#now() - this.#startedAtMs }
  }
}
