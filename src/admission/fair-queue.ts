// Who is next: round-robin between clients, first come first served within one.

/** A queue of queues. Removal is linear in one client's items; the caller bounds the length. */
export class FairQueue<T> {
  /** In the order of their turns: the first client's first item is next. */
  readonly #byClient = new Map<string, T[]>()
  /** Everything, in the order of arrival. */
  readonly #items = new Set<T>()

  get length(): number {
    return this.#items.size
  }

  /** A client that is new to the queue gets the last turn. */
  add(client: string, item: T): void {
    this.#items.add(item)
    const own = this.#byClient.get(client)
    if (own === undefined) this.#byClient.set(client, [item])
    else own.push(item)
  }

  /** The item whose turn it is. It stays the first, whoever comes, until it is removed. */
  first(): T | undefined {
    for (const own of this.#byClient.values()) return own[0]
    return undefined
  }

  /**
   * For a queue that is full: the newest item of the client that has the most, where that client would still have at
   * least as many as `client` with one more. Undefined: it is `client` that has to do without.
   */
  givesWayTo(client: string): T | undefined {
    const own = this.#byClient.get(client)?.length ?? 0
    let fullest: readonly T[] = []
    for (const items of this.#byClient.values()) if (items.length > fullest.length) fullest = items
    return fullest.length > own + 1 ? fullest.at(-1) : undefined
  }

  /** Sends the client whose turn it is to the end of the turns. */
  passTurn(): void {
    for (const [client, own] of this.#byClient) {
      this.#byClient.delete(client)
      this.#byClient.set(client, own)
      return
    }
  }

  /** Takes an item out; its client keeps its turn. False: it was not there. */
  remove(client: string, item: T): boolean {
    if (!this.#items.delete(item)) return false
    const own = this.#byClient.get(client)!
    own.splice(own.indexOf(item), 1)
    if (own.length === 0) this.#byClient.delete(client)
    return true
  }

  /** In the order of arrival. Items may be removed on the way. */
  [Symbol.iterator](): Iterator<T> {
    return this.#items.values()
  }
}
