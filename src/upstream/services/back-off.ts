// How long something that has failed is left alone: 1 s, and twice as long after each further failure, up to 1 min.

const [firstMs, maxMs] = [1000, 60_000]

export class BackOff {
  #delayMs = 0
  #untilMs = -Infinity

  /** In milliseconds of the monotonic clock; -Infinity: it has not failed. */
  get untilMs(): number {
    return this.#untilMs
  }

  /** A failure. @returns for how long it is left alone, in milliseconds. */
  fail(nowMs: number): number {
    this.#delayMs = Math.min(maxMs, Math.max(firstMs, this.#delayMs * 2))
    this.#untilMs = nowMs + this.#delayMs
    return this.#delayMs
  }

  /** It has worked. */
  reset(): void {
    this.#delayMs = 0
    this.#untilMs = -Infinity
  }
}
