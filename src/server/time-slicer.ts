// Large bodies share the event loop with all other calls: in each of its turns they get a little time, all together.

/** What they get in a turn. A step that has begun goes to its end. */
const shareMs = 0.5

export class Turns {
  readonly #now: () => number
  readonly #defer: (fn: () => void) => void
  readonly #waiting: (() => void)[] = []
  /** When the first of them came to work in this turn. */
  #sinceMs: number | undefined
  #isDeferred = false

  /**
   * @param now milliseconds of a monotonic clock.
   * @param defer calls once in the next turn.
   */
  constructor(now: () => number, defer: (fn: () => void) => void) {
    this.#now = now
    this.#defer = defer
  }

  /** Whether this turn's share is used up; asking begins it. */
  isSpent(): boolean {
    const nowMs = this.#now()
    if (this.#sinceMs === undefined) {
      this.#sinceMs = nowMs
      this.#awaitNext()
    }
    return nowMs - this.#sinceMs >= shareMs
  }

  /** Calls in a later turn. One of those who wait goes on in each, the longest waiting first. */
  wait(goOn: () => void): void {
    this.#waiting.push(goOn)
    this.#awaitNext()
  }

  #awaitNext(): void {
    if (this.#isDeferred) return
    this.#isDeferred = true
    this.#defer(() => {
      this.#isDeferred = false
      this.#sinceMs = undefined
      const goOn = this.#waiting.shift()
      if (this.#waiting.length > 0) this.#awaitNext()
      goOn?.()
    })
  }
}
