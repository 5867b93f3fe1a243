// Calls under way, counted per name: the semaphores behind `max_parallel_requests` of models and providers.

/** What is known of one name. */
export interface Slot {
  inUse: number
  /** Moving average of how long a slot was held; 0 before the first release. */
  meanHoldMs: number
}

const newestWeight = 0.2

/** Counts per name. Also where no limit applies, so that a reload that brings one finds the truth. */
export class Slots {
  readonly #byName = new Map<string, Slot>()
  readonly #create: (name: string) => Slot

  /** @param create the place of a name's count; nothing is in use there, or what others who share it use. */
  constructor(create: (name: string) => Slot = () => ({ inUse: 0, meanHoldMs: 0 })) {
    this.#create = create
  }

  inUse(name: string): number {
    return this.#slotOf(name).inUse
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
    const { inUse, meanHoldMs } = this.#slotOf(name)
    if (inUse === 0) return 1000
    return Math.min(60_000, Math.max(1000, Math.ceil(meanHoldMs / inUse)))
  }

  #slotOf(name: string): Slot {
    let slot = this.#byName.get(name)
    if (slot === undefined) {
      slot = this.#create(name)
      this.#byName.set(name, slot)
    }
    return slot
  }
}
