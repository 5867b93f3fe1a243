// Whoever is refused can try again a thousand times a second: the log gets one line a second of each, with the number
// of those that it did not get.

const quietMs = 1_000

/** Keys at once; beyond that all are forgotten, which costs no more than a few lines. */
const maxKeys = 1_000

export class Repeats {
  readonly #last = new Map<string, { loggedMs: number; unlogged: number }>()

  /** @returns how many like this were passed over since the last line; undefined when this one is to be too. */
  note(key: string, nowMs: number): number | undefined {
    const last = this.#last.get(key)
    if (last !== undefined && nowMs - last.loggedMs < quietMs) {
      last.unlogged += 1
      return undefined
    }
    if (this.#last.size >= maxKeys) this.#last.clear()
    this.#last.set(key, { loggedMs: nowMs, unlogged: 0 })
    return last?.unlogged ?? 0
  }
}
