// What a task sends, and what it has come to.
import type { Expected } from './connection.ts'
import { formats } from './formats.ts'
import { percentile } from './statistics.ts'
import type { Calls, Outcome } from './tasks.ts'
import { requestBytes } from './wire.ts'

/** What a task has come to so far. */
export class Tally {
  readonly #startedMs = performance.now()
  readonly #latencies: number[] = []
  readonly #lateness: number[] = []
  readonly #faults: Record<string, number> = {}
  calls = 0
  failed = 0
  events = 0
  together = 0

  end(fault: string | undefined, latencyMs?: number): void {
    this.calls += 1
    if (fault !== undefined) {
      this.failed += 1
      this.#faults[fault] = (this.#faults[fault] ?? 0) + 1
    } else if (latencyMs !== undefined) this.#latencies.push(latencyMs)
  }

  late(byMs: number): void {
    this.#lateness.push(byMs)
  }

  takeEvents(count: number): void {
    this.events += count
    if (count > 1) this.together += count
  }

  outcome(): Outcome {
    const elapsedMs = performance.now() - this.#startedMs
    const [sorted, late] = [
      Float64Array.from(this.#latencies).sort(),
      Float64Array.from(this.#lateness).sort(),
    ]
    const { calls, failed, events, together } = this
    const latency =
      sorted.length === 0
        ? undefined
        : { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99), max: sorted.at(-1)! }
    const latenessP99 = late.length === 0 ? 0 : percentile(late, 0.99)
    return { calls, failed, faults: this.#faults, elapsedMs, latency, latenessP99, events, together }
  }
}

/** Requests in turn, made before they are needed. */
export class Requests {
  readonly expected: Expected
  readonly #buffers: readonly Buffer[]
  #next = 0

  constructor({ address, models, script, bulkBytes, format = 'chat', keys = [] }: Calls) {
    const { body } = formats[format]
    this.#buffers = Array.from({ length: Math.max(models.length, keys.length) }, (_, index) => {
      const key = keys[index % keys.length]
      const headers =
        key === undefined ? address.headers : { ...address.headers, authorization: `Bearer ${key}` }
      return requestBytes({ ...address, headers }, body(models[index % models.length]!, script, bulkBytes))
    })
    const isStream = script.kind === 'stream' || script.kind === 'hold'
    this.expected = isStream ? { kind: 'stream', events: script.events, format } : { kind: 'whole' }
  }

  next(): Buffer {
    const buffer = this.#buffers[this.#next]!
    this.#next = (this.#next + 1) % this.#buffers.length
    return buffer
  }
}
