// A list without an order, for what comes and goes with every call: adding and removing take constant time, and allocate
// nothing once the list has reached its longest length.

/** What an item of an `UnorderedList` carries for it. */
export interface Indexed {
  /** The item's position in the list; below 0: it is in no list. An item can be in one list at a time. */
  index: number
}

/** Removing an item moves the last one into its position. */
export class UnorderedList<T extends Indexed> {
  readonly #items: T[] = []
  /** Of the item that `forNext` visits next; below 0: a round begins. */
  #next = -1

  get size(): number {
    return this.#items.length
  }

  add(item: T): void {
    item.index = this.#items.push(item) - 1
  }

  /** Does nothing for an item that is in no list. */
  delete(item: T): void {
    const { index } = item
    if (index < 0) return
    item.index = -1
    const last = this.#items.pop()!
    if (last === item) return
    this.#items[index] = last
    last.index = index
  }

  /** Removes and returns the item in the last position. */
  take(): T | undefined {
    const item = this.#items.pop()
    if (item !== undefined) item.index = -1
    return item
  }

  /** Calls `visit` for each item. Items may be added and deleted meanwhile; one may then be visited twice. */
  forEach(visit: (item: T) => void): void {
    for (let index = this.#items.length - 1; index >= 0; index--) {
      const item = this.#items[index]
      if (item !== undefined) visit(item)
    }
  }

  /**
   * Calls `visit` for at most so many items, going on where the last call of it has ended. It goes from the last position to
   * the first: what a deletion moves has been visited, so that no item waits longer than one round and the rest of another.
   */
  forNext(count: number, visit: (item: T) => void): void {
    if (this.#next < 0 || this.#next >= this.#items.length) this.#next = this.#items.length - 1
    const end = Math.max(-1, this.#next - count)
    for (; this.#next > end; this.#next--) {
      const item = this.#items[this.#next]
      if (item !== undefined) visit(item)
    }
  }
}
