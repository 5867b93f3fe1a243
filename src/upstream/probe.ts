// A request to a provider that is not a call (its models, its health, a trial by `doctor`). The response is collected up
// to a size and a time; nothing is retried, and no redirect is followed.
import type { Clock } from '../clock.ts'
import type { ResponseHead } from '../domain.ts'
import { ByteCollector } from '../http/byte-collector.ts'
import type { Exchange, Provider, ProviderFailure, ResponseHandler } from './provider.ts'

export interface ProbeLimits {
  /** The request ends when the body is larger; what came beyond is dropped. */
  readonly maxBytes: number
  /** For the whole response, in milliseconds. */
  readonly timeoutMs: number
}

export interface ProbeRequest extends ProbeLimits {
  /** Below the provider's base URL: `/models`. */
  readonly path: string
}

/** In milliseconds since the request; undefined: it did not come. */
interface ProbeTimes {
  readonly headMs: number | undefined
  /** Until the first byte of the body. */
  readonly firstByteMs: number | undefined
  readonly totalMs: number
}

/** `cut`: more than `maxBytes` came. A timeout has the head if one came before it. */
export type ProbeOutcome = ProbeTimes &
  (
    | { readonly kind: 'answered' | 'cut'; readonly head: ResponseHead; readonly body: Buffer }
    | { readonly kind: 'failed'; readonly failure: ProviderFailure; readonly head: ResponseHead | undefined }
  )

export type ProbeClock = Pick<Clock, 'now' | 'setTimer'>

/**
 * A GET over the provider's own connections.
 * @param onResult is called once, never from within `probe`, and not after the probe was aborted.
 */
export function probe(
  provider: Provider,
  request: ProbeRequest,
  clock: ProbeClock,
  onResult: (outcome: ProbeOutcome) => void,
): Pick<Exchange, 'abort'> {
  let isAborted = false
  const response = new BoundedResponse(request, clock, (outcome) => {
    // In a microtask, because sending may fail at once.
    queueMicrotask(() => {
      if (!isAborted) onResult(outcome)
    })
  })
  response.begin((handler) => provider.get(request.path, handler))
  return {
    abort() {
      isAborted = true
      response.abort()
    },
  }
}

/** One response up to its end, its bound or its time, whichever comes first. */
export class BoundedResponse implements ResponseHandler {
  readonly #limits: ProbeLimits
  readonly #now: () => number
  readonly #resolve: (outcome: ProbeOutcome) => void
  readonly #startedAtMs: number
  readonly #stopTimer: () => void
  readonly #held = new ByteCollector()
  #exchange: Exchange | undefined
  #head: ResponseHead | undefined
  #headMs: number | undefined
  #firstByteMs: number | undefined
  #isOver = false

  /** @param resolve is called once, possibly from within `begin`. */
  constructor(limits: ProbeLimits, { now, setTimer }: ProbeClock, resolve: (outcome: ProbeOutcome) => void) {
    this.#limits = limits
    this.#now = now
    this.#resolve = resolve
    this.#startedAtMs = now()
    const { timeoutMs } = limits
    this.#stopTimer = setTimer(() => {
      const what = this.#head === undefined ? 'response' : 'end of the response'
      this.onFailure({ kind: 'timeout', code: 'TIMEOUT', detail: `no ${what} within ${timeoutMs / 1000} s` })
    }, timeoutMs)
  }

  begin(send: (handler: ResponseHandler) => Exchange): void {
    this.#exchange = send(this)
    if (this.#isOver) this.#exchange.abort()
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
    this.#firstByteMs ??= this.#elapsedMs()
    const room = this.#limits.maxBytes - this.#held.length
    this.#held.push(chunk.subarray(0, room))
    if (chunk.length > room) this.#collected('cut')
  }

  onEnd(): void {
    this.#collected('answered')
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
    this.#resolve(outcome)
  }

  #times(): ProbeTimes {
    return { headMs: this.#headMs, firstByteMs: this.#firstByteMs, totalMs: this.#elapsedMs() }
  }

  #elapsedMs(): number {
    return this.#now() - this.#startedAtMs
  }
}
