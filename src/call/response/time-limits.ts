// How long a provider may take for a response: until its first byte, between two of them, and in all.
import type { Provider } from '../../upstream/provider.ts'

/** A client that reads nothing for so long would hold a connection and a slot for ever. */
const maxStallMs = 120_000

/** A body on its way from the client to the provider. */
export interface Upload {
  /** When the last byte had been read, in milliseconds of the monotonic clock; undefined: not yet. */
  readonly endedAtMs: number | undefined
  /** Whether the client lets the provider wait for too long. */
  isOverdue(nowMs: number): boolean
}

export interface LimitedExchange {
  /** 0: without limit. */
  readonly timeouts: Provider['timeouts']
  /** When the total timeout began, which all attempts of a call share. */
  readonly sinceMs: number
  /** When this attempt began. */
  readonly startedMs: number
  /** The request's body, if it goes on while it arrives. */
  readonly upload: Upload | undefined
}

/** Of one attempt. Times are milliseconds of the monotonic clock. */
export class TimeLimits {
  /** The client, not the provider, has exceeded its limit. */
  isStalled = false
  readonly #exchange: LimitedExchange
  #hasHead = false
  /** Since the last look at the clock. */
  #hasMoved = false
  #lastMoveMs: number
  #pausedSinceMs: number | undefined

  constructor(exchange: LimitedExchange) {
    this.#exchange = exchange
    this.#lastMoveMs = exchange.startedMs
  }

  /** The head of the response has arrived. */
  passHead(): void {
    this.#hasHead = true
    this.#hasMoved = true
  }

  /** A piece of the body has arrived. */
  move(): void {
    this.#hasMoved = true
  }

  /** The provider waits for the client. */
  pause(nowMs: number): void {
    this.#pausedSinceMs ??= nowMs
  }

  resume(): void {
    this.#pausedSinceMs = undefined
    this.#hasMoved = true
  }

  /** Which limit is exceeded, as a clause about the provider; undefined: none. */
  overdue(nowMs: number): string | undefined {
    if (this.#hasMoved) {
      this.#hasMoved = false
      this.#lastMoveMs = nowMs
    }
    const { timeouts, sinceMs } = this.#exchange
    const { firstByteMs, idleMs, totalMs } = timeouts
    if (this.#pausedSinceMs !== undefined) {
      if (nowMs - this.#pausedSinceMs >= maxStallMs) {
        this.isStalled = true
        return `was blocked: the client read nothing for ${maxStallMs} ms`
      }
    } else if (!this.#hasHead) {
      const { upload, startedMs } = this.#exchange
      if (upload?.isOverdue(nowMs) === true) return `received only a part of the request`
      // Until all of a long body is sent, a server may well be silent.
      const sentMs = upload === undefined ? startedMs : (upload.endedAtMs ?? nowMs)
      const isOver = firstByteMs > 0 && nowMs - sentMs >= firstByteMs
      if (isOver) return `sent no byte within ${firstByteMs} ms (timeouts.first_byte_ms)`
    } else if (idleMs > 0 && nowMs - this.#lastMoveMs >= idleMs) {
      return `was silent for ${idleMs} ms (timeouts.idle_ms)`
    }
    const isOver = totalMs > 0 && nowMs - sinceMs >= totalMs
    return isOver ? `did not finish within ${totalMs} ms (timeouts.total_ms)` : undefined
  }
}
