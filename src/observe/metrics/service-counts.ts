// What becomes of model servers, as counts.
import type { GatewayEvent } from '../events.ts'
import type { SeriesWriter } from './counters.ts'
import { bucketsOf, type FamilyName } from './families.ts'
import { observeValue } from './observe-value.ts'

const startBuckets = bucketsOf('service_start_seconds')!

export class ServiceCounts {
  readonly #writer: SeriesWriter
  /** Those that the gateway itself is starting. */
  readonly #starting = new Set<string>()

  constructor(writer: SeriesWriter) {
    this.#writer = writer
  }

  /** Other events change nothing. */
  count(event: GatewayEvent): void {
    const { kind } = event
    if (kind === 'service_starting') {
      if (event.reason === 'restart') this.#add('service_stops_total', event.provider, 'failed')
      else this.#starting.add(event.provider)
    } else if (kind === 'service_ready') this.#endStart(event.provider, 'ok', event.took_ms)
    else if (kind === 'service_failed') {
      if (event.was_ready) this.#add('service_stops_total', event.provider, 'failed')
      else this.#endStart(event.provider, 'failed', undefined)
    } else if (kind === 'service_stopping' || kind === 'service_stopped') {
      this.#starting.delete(event.provider)
      if (event.reason !== undefined) this.#add('service_stops_total', event.provider, event.reason)
    }
  }

  /** Of a start by somebody else, nothing is counted. */
  #endStart(provider: string, result: 'ok' | 'failed', tookMs: number | undefined): void {
    if (!this.#starting.delete(provider)) return
    this.#add('service_starts_total', provider, result)
    if (tookMs === undefined) return
    const cell = this.#writer.cell('service_start_seconds', [provider])
    observeValue(this.#writer, cell, startBuckets, tookMs / 1000)
  }

  #add(name: FamilyName, provider: string, label: string): void {
    this.#writer.add(this.#writer.cell(name, [provider, label]), 1)
  }
}
