// `GET /metrics` of a process: what was counted, and what is read when somebody asks.
import type { StoreConnection } from '../admission/stores/valkey/connection.ts'
import type { LocalCoordinator } from '../call/local-coordinator.ts'
import type { Config } from '../config/types.ts'
import type { Clock } from '../platform/clock.ts'
import type { Discovered } from '../routing/discovered-names.ts'
import type { SharedStoreReport } from '../status/shared-store.ts'
import type { ServiceState } from '../upstream/services/services.ts'
import { LoopTime } from './loop-time.ts'
import { metricsText } from './metrics-text.ts'
import type { OpenedCounts } from './open-counts.ts'
import { presetSeries } from './preset-series.ts'
import { RoutesInForce } from './routes-in-force.ts'

/** What the threads that serve calls are doing. */
export interface ThreadFacts {
  readonly isDraining: boolean
  readonly openCalls: number
  readonly workers: { readonly wanted: number; readonly running: number }
}

export interface MetricsSourceParts {
  readonly counts: OpenedCounts
  readonly version: string
  readonly clock: Pick<Clock, 'now' | 'wallNow'>
  readonly coordinator: LocalCoordinator
  readonly discovered: () => Discovered
  readonly describeServices: () => readonly ServiceState[]
  /** Of limits, if gateways share one. */
  readonly store: () => Pick<StoreConnection, 'isUp' | 'joined'> | undefined
  readonly describeStore: () => Promise<SharedStoreReport | undefined>
}

export class MetricsSource {
  readonly #parts: MetricsSourceParts
  readonly #loopTime: LoopTime
  readonly #startedAtMs: number
  readonly #routes = new RoutesInForce()
  #config: Config

  constructor(config: Config, parts: MetricsSourceParts) {
    this.#parts = parts
    this.#config = config
    this.#loopTime = new LoopTime(parts.counts.registry, '0')
    this.#startedAtMs = parts.clock.wallNow()
  }

  /** Goes over to a configuration. */
  follow(config: Config): void {
    this.#config = config
    presetSeries(this.#parts.counts.registry, config)
  }

  /** In slices of whole lines. */
  read(threads: ThreadFacts): Promise<string[]> {
    const { counts, version, clock, coordinator, discovered, describeServices, store, describeStore } =
      this.#parts
    this.#loopTime.count()
    const config = this.#config
    const listed = discovered()
    return metricsText(counts, {
      ...threads,
      version,
      startedAtMs: this.#startedAtMs,
      config,
      discovered: listed,
      services: describeServices(),
      store: store(),
      describeStore,
      routes: this.#routes.of(config, listed),
      coordinator,
      clock,
    })
  }
}
