// How long to wait before a worker that ended is replaced: hardly, unless workers end again and again.

const firstDelayMs = 100
const maxDelayMs = 30_000
/** Without an end for so long, the trouble is over. */
const calmMs = 60_000

export class RestartDelay {
  readonly #now: () => number
  #lastMs = -Infinity
  #nextDelayMs = firstDelayMs

  /** @param now milliseconds of a monotonic clock. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Before the restart that is due now, in milliseconds: doubled each time, 30 s at most, short again after a calm minute. */
  next(): number {
    const nowMs = this.#now()
    const isCalm = nowMs - this.#lastMs >= calmMs
    const delayMs = isCalm ? firstDelayMs : this.#nextDelayMs
    this.#nextDelayMs = Math.min(maxDelayMs, 2 * delayMs)
    this.#lastMs = nowMs
    return delayMs
  }
}
