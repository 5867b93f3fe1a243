// How long something that has failed is left alone: 1 s, and twice as long after each further failure, up to 1 min. Having worked
// for a while ends that series: its next failure costs no pause, and the one after it 1 s.

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
    if (workedMs >= provenMs) {
      this.reset()
      return 0
    }
    this.#delayMs = Math.min(maxMs, Math.max(firstMs, this.#delayMs * 2))
    this.#untilMs = nowMs + this.#delayMs
    return this.#delayMs
  }

  /** It has ended without a failure. */
  end(workedMs: number): void {
    if (workedMs >= provenMs) this.reset()
  }

  /** Forgets all failures. */
  reset(): void {
    this.#delayMs = 0
    this.#untilMs = -Infinity
  }
}
