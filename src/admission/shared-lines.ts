// The lines of several threads for the same models: whose first call is next, and how a thread learns that it may be.
import type { SharedMemory } from '../shared-memory.ts'
import { recordKinds, type SharedDirectory } from './shared-directory.ts'
import type { SharedLines } from './stores/store.ts'

interface Line {
  /** Waiting in all threads, then in each. */
  readonly waiting: Int32Array
  /** Of each thread's first call; 0 where none waits. */
  readonly turns: Float64Array
}

export class ThreadLines implements SharedLines {
  /** Called when the turn may have come to this thread. */
  onTurn: (() => void) | undefined
  readonly #memory: SharedMemory
  readonly #directory: SharedDirectory
  readonly #threads: number
  readonly #lines = new Map<string, Line | undefined>()
  readonly #lastTurn: Float64Array
  /** Of each thread how many of its calls wait, then how often it was woken. */
  readonly #waiting: Int32Array
  readonly #wakes: Int32Array
  #isListening = false

  /** @param record `recordBytes` that all threads know. */
  constructor(memory: SharedMemory, directory: SharedDirectory, at: { record: number; threads: number }) {
    const { buffer } = memory
    const { record, threads } = at
    this.#memory = memory
    this.#directory = directory
    this.#threads = threads
    this.#lastTurn = new Float64Array(buffer, record, 1)
    this.#waiting = new Int32Array(buffer, record + 8, threads)
    this.#wakes = new Int32Array(buffer, record + 8 + 4 * threads, threads)
  }

  static recordBytes(threads: number): number {
    return 8 + 8 * threads
  }

  announce(model: string, waiting: number, hasNewFirst: boolean): number {
    const { thread } = this.#memory
    let turn = 0
    this.#memory.lock()
    try {
      const line = this.#lineOf(model)
      if (line !== undefined) {
        const more = waiting - line.waiting[1 + thread]!
        line.waiting[1 + thread] = waiting
        line.waiting[0]! += more
        this.#waiting[thread]! += more
        if (waiting === 0) line.turns[thread] = 0
        else if (hasNewFirst) line.turns[thread] = this.#lastTurn[0]! += 1
        turn = line.turns[thread]!
      }
    } finally {
      this.#memory.unlock()
    }
    if (waiting > 0) this.#listen()
    // Whose first call is next may now be another's.
    if (hasNewFirst) this.wakeOthers()
    return turn
  }

  waiting(model: string): number {
    // Most often nobody waits at all; the lock is for thousands of models that are asked for in a row then.
    if (!this.#waiting.some((count) => count > 0)) return 0
    this.#memory.lock()
    try {
      return this.#lineOf(model)?.waiting[0] ?? 0
    } finally {
      this.#memory.unlock()
    }
  }

  /** How many wait in other threads before a call with this turn. Only with the lock. */
  ahead(model: string, turn: number): number {
    const { thread } = this.#memory
    if (!this.#waiting.some((count, other) => count > 0 && other !== thread)) return 0
    const line = this.#lineOf(model)
    if (line === undefined) return 0
    let count = 0
    for (let other = 0; other < this.#threads; other++) {
      const first = line.turns[other]!
      if (other !== thread && first > 0 && first < turn) count += line.waiting[1 + other]!
    }
    return count
  }

  /** Has every other thread with a line look at it again. */
  wakeOthers(): void {
    for (let other = 0; other < this.#threads; other++) {
      if (other === this.#memory.thread || Atomics.load(this.#waiting, other) === 0) continue
      Atomics.add(this.#wakes, other, 1)
      Atomics.notify(this.#wakes, other)
    }
  }

  /** Takes out who waited in a thread that has ended. Only with the lock; the others are to be woken then. */
  forget(thread: number): void {
    this.#waiting[thread] = 0
    for (const model of this.#directory.namesOf(recordKinds.line)) {
      const line = this.#lineOf(model)
      if (line === undefined) continue
      line.turns[thread] = 0
      line.waiting[1 + thread] = 0
      line.waiting[0] = line.waiting.subarray(1).reduce((sum, count) => sum + count, 0)
    }
  }

  #lineOf(model: string): Line | undefined {
    if (this.#lines.has(model)) return this.#lines.get(model)
    const turnBytes = 8 * this.#threads
    const record = this.#directory.findOrAdd(recordKinds.line, model, turnBytes + 4 * (1 + this.#threads))
    const { buffer } = this.#memory
    const line =
      record === undefined
        ? undefined
        : {
            turns: new Float64Array(buffer, record, this.#threads),
            waiting: new Int32Array(buffer, record + turnBytes, 1 + this.#threads),
          }
    this.#lines.set(model, line)
    return line
  }

  /** Until no call waits here. What was freed before this began is seen by who asks once more after announcing. */
  #listen(): void {
    if (this.#isListening) return
    this.#isListening = true
    const { thread } = this.#memory
    const woken = Atomics.waitAsync(this.#wakes, thread, Atomics.load(this.#wakes, thread)).value
    void Promise.resolve(woken).then(() => {
      this.#isListening = false
      if (this.#waiting[thread] === 0) return
      this.#listen()
      this.onTurn?.()
    })
  }
}
