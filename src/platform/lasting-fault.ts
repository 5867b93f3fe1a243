// A fault that may last, met again at each try: worth a report when it begins, when its reason changes, and from time to time while
// it stays.

export class LastingFault {
  readonly #repeatMs: number
  /** Undefined: it is not there. */
  #reason: string | undefined
  #reportedMs = 0

  /** @param repeatMs between two reports of a fault that stays as it is. */
  constructor(repeatMs: number) {
    this.#repeatMs = repeatMs
  }

  /** It was met: whether that is to be reported. @param nowMs of a monotonic clock. */
  isNews(reason: string, nowMs: number): boolean {
    if (reason === this.#reason && nowMs - this.#reportedMs < this.#repeatMs) return false
    this.#reason = reason
    this.#reportedMs = nowMs
    return true
  }

  /** It is not there: whether it was until now. */
  ends(): boolean {
    const wasThere = this.#reason !== undefined
    this.#reason = undefined
    return wasThere
  }
}
