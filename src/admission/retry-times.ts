// When refused callers were told to come back, so that the next one refused is told a time at which there is room for all of
// them. A told time reserves nothing: whoever comes first is admitted first.

interface RetryTime {
  readonly client: string
  readonly toldAtMs: number
  readonly dueAtMs: number
  readonly tokens: number
}

/** What others were told to take up before a caller. */
export interface Ahead {
  readonly requests: number
  readonly tokens: number
  /** The caller's place among those told. */
  readonly place: number
}

/** Some clients wait in whole seconds. */
const latenessMs = 1_000

/** Told times that are remembered; those of a longer crowd are past the end of the window anyway. */
const maxTold = 256

export class RetryTimes {
  /** In the order in which they were told. */
  #told: RetryTime[] = []

  /**
   * For a refused caller, which keeps its place if it is back. As in the waiting line, clients take turns, so that one that
   * asks again and again delays itself alone.
   */
  ahead(client: string, nowMs: number): Ahead {
    this.#told = this.#told.filter(({ dueAtMs }) => dueAtMs + latenessMs > nowMs)
    const back = this.#indexOf(client, nowMs)
    const place = back < 0 ? this.#told.length : back
    if (back >= 0) this.#told.splice(back, 1)
    const before = this.#told.slice(0, place)
    const own = before.filter((told) => told.client === client).length
    const counts = new Map<string, number>()
    let requests = 0
    let tokens = 0
    for (const told of before) {
      const count = (counts.get(told.client) ?? 0) + 1
      counts.set(told.client, count)
      if (count > own + 1) continue
      requests += 1
      tokens += told.tokens
    }
    return { requests, tokens, place }
  }

  /** The caller was told to come back at `dueAtMs`. */
  add(
    client: string,
    tokens: number,
    dueAtMs: number,
    told: { readonly atMs: number; readonly place: number },
  ): void {
    this.#told.splice(told.place, 0, { client, tokens, dueAtMs, toldAtMs: told.atMs })
    if (this.#told.length > maxTold) this.#told.shift()
  }

  /** A caller was admitted, which may have been told to come back. */
  admit(client: string, nowMs: number): void {
    const index = this.#indexOf(client, nowMs)
    if (index >= 0) this.#told.splice(index, 1)
  }

  /** Of a caller that is back; one that asks in the first half of a wait is taken for another caller. */
  #indexOf(client: string, nowMs: number): number {
    return this.#told.findIndex(
      (told) => told.client === client && nowMs - told.toldAtMs >= (told.dueAtMs - told.toldAtMs) / 2,
    )
  }
}
