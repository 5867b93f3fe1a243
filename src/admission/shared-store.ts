// Admission's counters for several threads of one process: in memory that they share, behind one lock, so that verdicts
// are as if all calls of all threads ran one after another. What decides is MemoryStore; here is who may enter when.
//
// A thread that ends gives its slots back through `forget`; what it had reserved stays charged until it leaves the
// window. When the memory is full (32,000 models and more), threads count what finds no room each for itself.
import type { ModelLimits } from '../domain.ts'
import { SharedMemory } from '../shared-memory.ts'
import { MemoryStore, type SavedModel } from './stores/memory.ts'
import type { Charge } from './outcome.ts'
import { SharedCounters } from './shared-counters.ts'
import { SharedDirectory } from './shared-directory.ts'
import { ThreadLines } from './shared-lines.ts'
import type {
  AdmissionStore,
  Admitted,
  Candidate,
  Demand,
  Limited,
  ModelUse,
  Reservation,
  TooLarge,
} from './stores/store.ts'

/** What all threads are given; made once. */
export interface SharedStorePlace {
  readonly buffer: SharedArrayBuffer
  readonly threads: number
  /** Where the parts begin. */
  readonly directory: number
  readonly lines: number
  readonly changed: number
}

/** @param threads how many will use it; their numbers are below that. */
export function createSharedStore(threads: number): SharedStorePlace {
  const buffer = SharedMemory.create()
  const memory = new SharedMemory(buffer, 0)
  const directory = SharedDirectory.create(memory)
  const lines = memory.allocate(ThreadLines.recordBytes(threads))!
  return { buffer, threads, directory, lines, changed: memory.allocate(4)! }
}

/** One thread's way to the counters. `nowMs` is of a clock that the threads share. */
export class SharedStore implements AdmissionStore {
  onFreed: (() => void) | undefined
  readonly memory: SharedMemory
  readonly directory: SharedDirectory
  readonly lines: ThreadLines
  readonly #counters: SharedCounters
  readonly #counts: MemoryStore
  readonly #changed: Int32Array
  #hasFreed = false

  /** @param memory over the place's buffer. */
  constructor(memory: SharedMemory, place: SharedStorePlace) {
    const { threads } = place
    this.memory = memory
    this.directory = new SharedDirectory(memory, place.directory)
    this.lines = new ThreadLines(memory, this.directory, { record: place.lines, threads })
    this.#counters = new SharedCounters(memory, this.directory, threads)
    this.#counts = new MemoryStore(this.#counters)
    this.#changed = new Int32Array(memory.buffer, place.changed, 1)
    // Whoever listens asks again, which it may not before the lock is open.
    this.#counts.onFreed = () => (this.#hasFreed = true)
    this.lines.onTurn = () => this.onFreed?.()
  }

  reserve(
    demand: Demand,
    limits: ModelLimits | undefined,
    nowMs: number,
    turn = Infinity,
  ): Admitted | Limited | TooLarge {
    this.memory.lock()
    try {
      const ahead = this.lines.ahead(demand.model, turn)
      if (ahead > 0) return this.#refusalBehind(ahead, demand, { limits, nowMs })
      return this.#counts.reserve(demand, limits, nowMs)
    } finally {
      this.memory.unlock()
    }
  }

  probe(demand: Demand, limits: ModelLimits | undefined, nowMs: number): Limited | TooLarge | undefined {
    this.memory.lock()
    try {
      const ahead = this.lines.ahead(demand.model, Infinity)
      if (ahead > 0) return this.#refusalBehind(ahead, demand, { limits, nowMs })
      return this.#counts.probe(demand, limits, nowMs)
    } finally {
      this.memory.unlock()
    }
  }

  grow(reservation: Reservation, tokens: number, nowMs: number): void {
    this.#locked(() => this.#counts.grow(reservation, tokens, nowMs))
  }

  settle(reservation: Reservation, charge: Charge, nowMs: number): void {
    this.#locked(() => this.#counts.settle(reservation, charge, nowMs))
    this.#tellFreed()
  }

  move(reservation: Reservation, providers: readonly Candidate[], nowMs: number): boolean {
    const hasMoved = this.#locked(() => this.#counts.move(reservation, providers, nowMs))
    this.#tellFreed()
    return hasMoved
  }

  use(model: string, limits: ModelLimits | undefined, nowMs: number): ModelUse {
    return this.#locked(() => this.#counts.use(model, limits, nowMs))
  }

  /** As MemoryStore's, of all threads together, with the lock open between two models. */
  dump(nowMs: number): SavedModel[] {
    Atomics.store(this.#changed, 0, 0)
    const models = this.#locked(() => [...this.#counters.models()])
    return models.flatMap((model) => this.#locked(() => this.#counts.dump(nowMs, [model])))
  }

  /** As MemoryStore's. */
  restore(saved: readonly SavedModel[], nowMs: number): void {
    this.#locked(() => this.#counts.restore(saved, nowMs))
  }

  /** Notes that there is something to save. True if that was not known in any thread since the last `dump`. */
  markChanged(): boolean {
    return Atomics.exchange(this.#changed, 0, 1) === 0
  }

  /** Frees the slots and the places in line of a thread that has ended, wherever in its work. */
  forget(thread: number): void {
    const mayBeTorn = this.memory.takeOver(thread)
    this.#locked(() => {
      this.#counters.forget(thread, mayBeTorn)
      this.lines.forget(thread)
    })
    this.lines.wakeOthers()
  }

  /** For itself, or because of who waits in another thread. */
  #refusalBehind(
    ahead: number,
    demand: Demand,
    at: { limits: ModelLimits | undefined; nowMs: number },
  ): Limited | TooLarge {
    const own = this.#counts.probe(demand, at.limits, at.nowMs)
    if (own !== undefined) return own
    const { standing } = this.#counts.use(demand.model, at.limits, at.nowMs)
    const numbers = { limit: ahead, used: ahead, requested: 1, retryAfterMs: 1000 }
    return { kind: 'limited', dimension: 'parallel', provider: undefined, ...numbers, standing }
  }

  #tellFreed(): void {
    if (!this.#hasFreed) return
    this.#hasFreed = false
    this.onFreed?.()
    this.lines.wakeOthers()
  }

  #locked<Result>(run: () => Result): Result {
    this.memory.lock()
    try {
      return run()
    } finally {
      this.memory.unlock()
    }
  }
}
