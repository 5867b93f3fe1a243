// How long something that has failed is left alone: 1 s, and twice as long after each further failure, up to 1 min; not at all,
// if it has worked for a while before.

const [firstMs, maxMs] = [1000, 60_000]

/** What has worked for so long has not failed for being started. */
const provenMs = 30_000

export class BackOff {
  #delayMs = 0
  #untilMs = -Infinity

  /** In milliseconds of the monotonic clock; -Infinity: it has not failed. */
  get untilMs(): number {
    return this.#untilMs
  }

  /**
   * A failure. @returns for how long it is left alone, in milliseconds.
   * @param workedMs for how long it has worked until then.
   */
  fail(nowMs: number, workedMs = 0): number {
    if (workedMs >= provenMs) return 0
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
