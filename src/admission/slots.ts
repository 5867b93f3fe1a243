// Calls under way, counted per name: the semaphores behind `max_parallel_requests` of models and providers.

interface Slot {
  inUse: number
  /** Moving average of how long a slot was held; 0 before the first release. */
  meanHoldMs: number
}

const newestWeight = 0.2

/** Counts per name. Also where no limit applies, so that a reload that brings one finds the truth. */
export class Slots {
  readonly #byName = new Map<string, Slot>()

  inUse(name: string): number {
    return this.#byName.get(name)?.inUse ?? 0
  }

  isFree(name: string, limit: number | undefined): boolean {
    return limit === undefined || this.inUse(name) < limit
  }

  take(name: string): void {
    const slot = this.#byName.get(name)
    if (slot === undefined) this.#byName.set(name, { inUse: 1, meanHoldMs: 0 })
    else slot.inUse++
  }

  release(name: string, heldMs: number): void {
    const slot = this.#byName.get(name)
    if (slot === undefined || slot.inUse === 0) throw new RangeError(`no slot of ${name} is held`)
    slot.inUse--
    slot.meanHoldMs =
      slot.meanHoldMs === 0 ? heldMs : slot.meanHoldMs + newestWeight * (heldMs - slot.meanHoldMs)
  }

  /** When the next slot may be expected, judged by how long calls took; 1,000 to 60,000. */
  expectedFreeMs(name: string): number {
    const slot = this.#byName.get(name)
    if (slot === undefined || slot.inUse === 0) return 1000
    return Math.min(60_000, Math.max(1000, Math.ceil(slot.meanHoldMs / slot.inUse)))
  }
}
