// What a process counts and notes of its events, where anything reads it: metrics, the status page, notifications.
import type { MetricsConfig } from '../config/types.ts'
import type { Events, GatewayEvent, Sink } from '../observe/events.ts'
import { Registry } from '../observe/metrics/registry.ts'
import { metricsSink } from '../observe/sinks/metrics.ts'
import type { Clock } from '../platform/clock.ts'

/** Times are in milliseconds since 1970. */
interface NotedTimes {
  /** Provider → when it listed its models last. */
  readonly listedAtMs: ReadonlyMap<string, number>
  readonly isLastReloadGood: boolean
  /** When the configuration in force was loaded. */
  readonly loadedAtMs: number
}

export interface OpenedCounts {
  readonly registry: Registry
  readonly times: NotedTimes
  readonly sinks: readonly Sink[]
}

/** @param wallNow milliseconds since 1970. */
export function openCounts(
  { maxModels, maxSeries, hasClientLabel }: MetricsConfig,
  { emit, wallNow }: { readonly emit: Events['emit']; readonly wallNow: Clock['wallNow'] },
): OpenedCounts {
  const registry = new Registry(maxSeries, () => emit({ kind: 'metrics_full', max_series: maxSeries }))
  const noted = new TimesSink(wallNow)
  const counting = metricsSink(registry, { maxModels, hasClients: hasClientLabel })
  return { registry, times: noted, sinks: [counting, noted] }
}

class TimesSink implements NotedTimes, Sink {
  readonly name = 'metrics'
  readonly listedAtMs = new Map<string, number>()
  isLastReloadGood = true
  loadedAtMs: number
  readonly #wallNow: Clock['wallNow']

  constructor(wallNow: Clock['wallNow']) {
    this.#wallNow = wallNow
    this.loadedAtMs = wallNow()
  }

  receive(event: GatewayEvent): void {
    const { kind } = event
    if (kind === 'polled') {
      if (event.poll === 'models' && event.is_ok) this.listedAtMs.set(event.provider, this.#wallNow())
    } else if (kind === 'reloaded') {
      this.isLastReloadGood = true
      this.loadedAtMs = this.#wallNow()
    } else if (kind === 'reload_refused') this.isLastReloadGood = false
  }
}
