// The counters of a MemoryStore in memory that threads share. Every access needs the memory's lock.
import type { SharedMemory } from '../shared-memory.ts'
import { type CounterPlaces, OwnWindow, type WindowPlace } from './stores/memory.ts'
import { recordKinds, type SharedDirectory } from './shared-directory.ts'
import { type Slot, type SlotPlaces, Slots } from './slots.ts'
import { SlidingWindow } from './sliding-window.ts'

export class SharedCounters implements CounterPlaces {
  readonly modelSlots: Slots
  readonly providerSlots: Slots
  readonly #memory: SharedMemory
  readonly #directory: SharedDirectory
  readonly #threads: number
  readonly #windows = new Map<string, WindowPlace>()

  /** @param threads how many there are; each holds slots of its own, which end with it. */
  constructor(memory: SharedMemory, directory: SharedDirectory, threads: number) {
    this.#memory = memory
    this.#directory = directory
    this.#threads = threads
    this.modelSlots = new Slots(this.#slotsOf(recordKinds.modelSlots))
    this.providerSlots = new Slots(this.#slotsOf(recordKinds.providerSlots))
  }

  find(model: string): WindowPlace | undefined {
    const known = this.#windows.get(model)
    if (known !== undefined) return known
    const isThere = this.#directory.find(recordKinds.window, model) !== undefined
    return isThere ? this.windowOf(model, 0) : undefined
  }

  windowOf(model: string, capacity: number): WindowPlace {
    let place = this.#windows.get(model)
    if (place === undefined) {
      const record = this.#directory.findOrAdd(recordKinds.window, model, SharedWindow.recordBytes)
      // Without room this thread counts for itself, as a store does that can't reach its server.
      place = record === undefined ? new OwnWindow(capacity) : new SharedWindow(this.#memory, record)
      this.#windows.set(model, place)
    }
    place.grow(capacity)
    return place
  }

  models(): Iterable<string> {
    return this.#directory.namesOf(recordKinds.window)
  }

  /** Frees what a thread held that has ended. `mayBeTorn`: it ended in the middle of a change. */
  forget(thread: number, mayBeTorn: boolean): void {
    for (const kind of [recordKinds.modelSlots, recordKinds.providerSlots]) {
      for (const name of this.#directory.namesOf(kind)) {
        this.#slotAt(this.#directory.find(kind, name))?.releaseAllOf(thread)
      }
    }
    if (!mayBeTorn) return
    for (const model of this.models()) this.windowOf(model, 0).window.recount()
  }

  #slotsOf(kind: number): SlotPlaces {
    return {
      find: (name) => this.#slotAt(this.#directory.find(kind, name)),
      make: (name) => {
        const record = this.#directory.findOrAdd(kind, name, SharedSlot.recordBytes(this.#threads))
        return this.#slotAt(record) ?? { inUse: 0, meanHoldMs: 0 }
      },
    }
  }

  #slotAt(record: number | undefined): SharedSlot | undefined {
    return record === undefined ? undefined : new SharedSlot(this.#memory, record, this.#threads)
  }
}

/** A window whose ring moves when it grows; one word says where it is and how large, so that it is never half true. */
class SharedWindow implements WindowPlace {
  static readonly recordBytes = 8
  readonly #memory: SharedMemory
  /** Where the ring begins, in units of 8 bytes, times 32, and the binary logarithm of its capacity. 0: no ring. */
  readonly #place: Uint32Array
  #view: SlidingWindow | undefined
  #viewPlace = 0

  constructor(memory: SharedMemory, record: number) {
    this.#memory = memory
    this.#place = new Uint32Array(memory.buffer, record, 1)
  }

  get window(): SlidingWindow {
    const place = this.#place[0]!
    if (this.#view === undefined || place !== this.#viewPlace) {
      this.#viewPlace = place
      // Without room this thread counts for itself, as a store does that can't reach its server.
      this.#view = place === 0 ? new SlidingWindow(1024) : this.#viewAt(offsetOf(place), capacityAt(place))
    }
    return this.#view
  }

  grow(capacity: number): void {
    const place = this.#place[0]!
    const before = place === 0 ? 0 : capacityAt(place)
    if (capacity <= before) return
    const offset = this.#memory.allocate(SlidingWindow.byteLength(capacity))
    // The smaller ring goes on, and merges neighbours when it is full.
    if (offset === undefined) return
    const larger = this.#viewAt(offset, capacity)
    if (before > 0) this.window.resized(capacity, larger)
    this.#place[0] = offset * 4 + Math.log2(capacity)
    if (before > 0) this.#memory.free(offsetOf(place), SlidingWindow.byteLength(before))
  }

  #viewAt(offset: number, capacity: number): SlidingWindow {
    return new SlidingWindow(capacity, this.#memory.buffer, offset)
  }
}

function offsetOf(place: number): number {
  return Math.floor(place / 32) * 8
}

function capacityAt(place: number): number {
  return 2 ** (place % 32)
}

class SharedSlot implements Slot {
  readonly #meanHoldMs: Float64Array
  /** All in use, then those of each thread. */
  readonly #counts: Int32Array
  readonly #own: number

  constructor(memory: SharedMemory, record: number, threads: number) {
    this.#meanHoldMs = new Float64Array(memory.buffer, record, 1)
    this.#counts = new Int32Array(memory.buffer, record + 8, 1 + threads)
    this.#own = 1 + memory.thread
  }

  static recordBytes(threads: number): number {
    return 8 + 4 * (1 + threads)
  }

  get inUse(): number {
    return this.#counts[0]!
  }

  set inUse(count: number) {
    this.#counts[this.#own]! += count - this.#counts[0]!
    this.#counts[0] = count
  }

  get meanHoldMs(): number {
    return this.#meanHoldMs[0]!
  }

  set meanHoldMs(meanHoldMs: number) {
    this.#meanHoldMs[0] = meanHoldMs
  }

  releaseAllOf(thread: number): void {
    this.#counts[1 + thread] = 0
    this.#counts[0] = this.#counts.subarray(1).reduce((sum, count) => sum + count, 0)
  }
}
