// Calls under way, counted per name: the semaphores behind `max_parallel_requests` of models and providers.

/** What is known of one name. */
export interface Slot {
  inUse: number
  /** Moving average of how long a slot was held; 0 before the first release. */
  meanHoldMs: number
}

/** Where the slots of names are that this thread has not met yet. */
export interface SlotPlaces {
  find(name: string): Slot | undefined
  make(name: string): Slot
}

/** Nowhere: whatever is not known is free. */
const ownPlaces: SlotPlaces = {
  find: () => undefined,
  make: () => ({ inUse: 0, meanHoldMs: 0 }),
}

const newestWeight = 0.2

/** Counts per name. Also where no limit applies, so that a reload that brings one finds the truth. */
export class Slots {
  readonly #byName = new Map<string, Slot>()
  readonly #places: SlotPlaces

  /** @param places where the counts are; nothing is in use there, or what others who share them use. */
  constructor(places: SlotPlaces = ownPlaces) {
    this.#places = places
  }

  inUse(name: string): number {
    return this.#find(name)?.inUse ?? 0
  }

  isFree(name: string, limit: number | undefined): boolean {
    return limit === undefined || this.inUse(name) < limit
  }

  take(name: string): void {
    this.#slotOf(name).inUse++
  }

  release(name: string, heldMs: number): void {
    const slot = this.#slotOf(name)
    if (slot.inUse === 0) throw new RangeError(`no slot of ${name} is held`)
    slot.inUse--
    slot.meanHoldMs =
      slot.meanHoldMs === 0 ? heldMs : slot.meanHoldMs + newestWeight * (heldMs - slot.meanHoldMs)
  }

  /** When the next slot may be expected, judged by how long calls took; 1,000 to 60,000. */
  expectedFreeMs(name: string): number {
    const slot = this.#find(name)
    if (slot === undefined || slot.inUse === 0) return 1000
    return Math.min(60_000, Math.max(1000, Math.ceil(slot.meanHoldMs / slot.inUse)))
  }

  /** Asking leaves no trace. */
  #find(name: string): Slot | undefined {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const found = this.#places.find(name)
    if (found !== undefined) this.#byName.set(name, found)
    return found
  }

  #slotOf(name: string): Slot {
    let slot = this.#find(name)
    if (slot === undefined) {
      slot = this.#places.make(name)
      this.#byName.set(name, slot)
    }
    return slot
  }
}
