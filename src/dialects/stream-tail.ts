// The last events of a stream, which show how it has ended.

/** Enough for a last choice, a usage event and an end mark. */
const tailLength = 3

/** Images and final responses take megabytes, and a stream may stay open for long after one. */
const longBytes = 16_384

export class StreamTail {
  readonly #events: Buffer[] = []

  /** The newest last; at most one of them is long. */
  get events(): readonly Buffer[] {
    return this.#events
  }

  push(event: Buffer): void {
    const events = this.#events
    // A long event that another long one follows is not the end of any format.
    if (event.length > longBytes) {
      const before = events.findIndex(({ length }) => length > longBytes)
      if (before >= 0) events.splice(before, 1)
    }
    if (events.length === tailLength) events.shift()
    events.push(event)
  }
}
