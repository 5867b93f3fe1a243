// A client that is rejected can try again a thousand times a second. The log gets one line a second for each, with the
// number of those that were left out.

const quietMs = 1_000

/** When there are more keys, all are forgotten, which costs no more than a few lines. */
const maxKeys = 1_000

export class LogThrottle {
  readonly #last = new Map<string, { loggedMs: number; suppressed: number }>()

  /**
   * False: leave this one out. Otherwise how many like it were left out since the last line.
   * @param nowMs milliseconds of a monotonic clock.
   */
  shouldLog(key: string, nowMs: number): false | { readonly suppressed: number } {
    const last = this.#last.get(key)
    if (last !== undefined && nowMs - last.loggedMs < quietMs) {
      last.suppressed += 1
      return false
    }
    if (this.#last.size >= maxKeys) this.#last.clear()
    this.#last.set(key, { loggedMs: nowMs, suppressed: 0 })
    return { suppressed: last?.suppressed ?? 0 }
  }
}
