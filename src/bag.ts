// Things that come and go with every call: each is put in and taken out in constant time, and nothing is allocated for
// that once the list is as long as it gets.

/** What a bag keeps in its items. */
export interface Bagged {
  /** Where it lies; below 0: in no bag. An item can be in one bag at a time. */
  place: number
}

/** Items in no order. */
export class Bag<T extends Bagged> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  add(item: T): void {
    item.place = this.#items.push(item) - 1
  }

  /** Nothing happens if it is in none. */
  delete(item: T): void {
    const { place } = item
    if (place < 0) return
    item.place = -1
    const last = this.#items.pop()!
    if (last === item) return
    this.#items[place] = last
    last.place = place
  }

  /** Takes out the one that came last, or what has taken its place. */
  take(): T | undefined {
    const item = this.#items.pop()
    if (item !== undefined) item.place = -1
    return item
  }

  /** Calls `visit` for each; any of them may leave or come meanwhile, and one may be visited twice then. */
  forEach(visit: (item: T) => void): void {
    for (let place = this.#items.length - 1; place >= 0; place--) {
      const item = this.#items[place]
      if (item !== undefined) visit(item)
    }
  }
}
