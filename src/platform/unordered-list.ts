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
}
