// What a process counts and notes of its events, where anything reads it: metrics, the status page, notifications.
import type { MetricsConfig } from '../config/observe-types.ts'
import type { Events, GatewayEvent, Sink } from '../observe/events.ts'
import { Registry } from '../observe/metrics/registry.ts'
import type { Reloads } from '../observe/reloads.ts'
import { metricsSink } from '../observe/sinks/metrics.ts'
import type { Clock } from '../platform/clock.ts'

export interface OpenedCounts {
  readonly registry: Registry
  /** Provider → when it listed its models last, in milliseconds since 1970. */
  readonly listedAtMs: ReadonlyMap<string, number>
  readonly reloads: Reloads
  readonly sinks: readonly Sink[]
}

interface CountsParts extends Pick<OpenedCounts, 'reloads'>, Pick<Events, 'emit'>, Pick<Clock, 'wallNow'> {}

export function openCounts(
  { maxModels, maxSeries, hasClientLabel }: MetricsConfig,
  { emit, wallNow, reloads }: CountsParts,
): OpenedCounts {
  const registry = new Registry(maxSeries, () => emit({ kind: 'metrics_full', max_series: maxSeries }))
  const lists = new ListTimes(wallNow)
  const counting = metricsSink(registry, { maxModels, hasClients: hasClientLabel })
  return { registry, listedAtMs: lists.listedAtMs, reloads, sinks: [counting, lists] }
}

class ListTimes implements Sink {
  readonly name = 'lists'
  readonly wants = isPoll
  readonly listedAtMs = new Map<string, number>()
  readonly #wallNow: Clock['wallNow']

  constructor(wallNow: Clock['wallNow']) {
    this.#wallNow = wallNow
  }

  receive(event: GatewayEvent): void {
    if (event.kind !== 'polled' || event.poll !== 'models' || !event.is_ok) return
    this.listedAtMs.set(event.provider, this.#wallNow())
  }
}

function isPoll(kind: GatewayEvent['kind']): boolean {
  return kind === 'polled'
}
