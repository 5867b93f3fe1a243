// The time of a log line. Everything but its milliseconds is formatted once a second.

/** ISO 8601 in UTC, as `Date.prototype.toISOString` returns it. */
export class Timestamps {
  #second = Number.NaN
  #upToSecond = ''

  /** @param wallMs milliseconds since 1970, whole. */
  at(wallMs: number): string {
    const second = Math.floor(wallMs / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#upToSecond = new Date(second * 1000).toISOString().slice(0, -'000Z'.length)
    }
    return `${this.#upToSecond}${String(wallMs - second * 1000).padStart(3, '0')}Z`
  }
}
