// Work on large bodies shares the event loop with all other calls: in each of its iterations it gets a slice of time, all
// bodies together.

/** Length of a slice. A step that has begun is finished. */
const sliceMs = 0.5

export class TimeSlicer {
  readonly #now: () => number
  readonly #defer: (fn: () => void) => void
  readonly #waiting: (() => void)[] = []
  /** When the slice of this iteration began. */
  #sinceMs: number | undefined
  #isDeferred = false

  /**
   * @param now milliseconds of a monotonic clock.
   * @param defer calls once in the next iteration of the event loop.
   */
  constructor(now: () => number, defer: (fn: () => void) => void) {
    this.#now = now
    this.#defer = defer
  }

  /** Begins the slice of this iteration, unless other work has begun it. False: it is used up. */
  startSlice(): boolean {
    if (this.#sinceMs !== undefined) return !this.sliceIsOver()
    this.#sinceMs = this.#now()
    this.#awaitNext()
    return true
  }

  sliceIsOver(): boolean {
    return this.#sinceMs === undefined || this.#now() - this.#sinceMs >= sliceMs
  }

  /** Calls in a later iteration: one waiter in each, the longest waiting first. */
  yieldTo(resume: () => void): void {
    this.#waiting.push(resume)
    this.#awaitNext()
  }

  #awaitNext(): void {
    if (this.#isDeferred) return
    this.#isDeferred = true
    this.#defer(() => {
      this.#isDeferred = false
      this.#sinceMs = undefined
      const resume = this.#waiting.shift()
      if (this.#waiting.length > 0) this.#awaitNext()
      resume?.()
    })
  }
}
