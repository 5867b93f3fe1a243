// Values by number, for what comes and goes with every call. V8 links the table that a Map has outgrown to the one after it;
// once such a table is in old space, the whole chain with all that was ever in it survives every minor collection. With a
// Map for their open requests, two workers took 129 µs of CPU a call, with this 104.

/** Ids of one slot are this far apart. */
const stride = 2 ** 20

/** What both tables do: their arrays are as long as the most values that were in them at a time. */
class Slots<Value> {
  protected readonly kept: (Value | undefined)[] = []
  /** The id that a slot has now, or had last. */
  protected readonly ids: number[] = []

  get(id: number): Value | undefined {
    const slot = id % stride
    return this.ids[slot] === id ? this.kept[slot] : undefined
  }

  /** Removes and returns it. */
  take(id: number): Value | undefined {
    const slot = id % stride
    if (this.ids[slot] !== id) return undefined
    const value = this.kept[slot]
    this.kept[slot] = undefined
    return value
  }

  /** All that are in it, in no order. */
  values(): Value[] {
    return this.kept.filter((value) => value !== undefined)
  }
}

/** Gives its values their ids. */
export class SlotTable<Value> extends Slots<Value> {
  readonly #free: number[] = []

  /** Adds a value under an id that no other value of this table has had. */
  add(value: Value): number {
    const slot = this.#free.pop() ?? this.ids.length
    const id = slot < this.ids.length ? this.ids[slot]! + stride : slot
    this.ids[slot] = id
    this.kept[slot] = value
    return id
  }

  override take(id: number): Value | undefined {
    const value = super.take(id)
    if (value !== undefined) this.#free.push(id % stride)
    return value
  }
}

/** Keeps values under the ids that another thread's `SlotTable` has given, which alone knows the free ones. */
export class MirroredSlots<Value> extends Slots<Value> {
  set(id: number, value: Value): void {
    const slot = id % stride
    // No holes: V8 would turn the array into a dictionary.
    for (let next = this.ids.length; next < slot; next++) {
      this.ids[next] = -1
      this.kept[next] = undefined
    }
    this.ids[slot] = id
    this.kept[slot] = value
  }
}
