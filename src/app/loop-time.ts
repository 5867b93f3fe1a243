// How long the event loop of a thread was busy.
import { performance } from 'node:perf_hooks'
import type { SeriesWriter } from '../observe/metrics/counters.ts'

export class LoopTime {
  readonly #writer: SeriesWriter
  readonly #worker: string
  #countedMs = 0

  /** @param worker the thread's number; 0 is the main thread. */
  constructor(writer: SeriesWriter, worker: string) {
    this.#writer = writer
    this.#worker = worker
  }

  /** Counts what has passed since it was called last. A measurement that runs all the time would falsify what it measures. */
  count(): void {
    const { active } = performance.eventLoopUtilization()
    const cell = this.#writer.cell('event_loop_active_seconds_total', [this.#worker])
    this.#writer.add(cell, Math.max(0, active - this.#countedMs) / 1000)
    this.#countedMs = active
  }
}
