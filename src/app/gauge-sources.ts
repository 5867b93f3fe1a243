// What the gateway is asked when somebody reads its metrics.
import type { StoreConnection } from '../admission/stores/valkey/connection.ts'
import type { LocalCoordinator } from '../call/local-coordinator.ts'
import type { Config } from '../config/types.ts'
import type { Clock } from '../platform/clock.ts'
import type { Discovered } from '../routing/discovered-names.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { SharedStoreReport } from '../status/shared-store.ts'
import type { ServiceState } from '../upstream/services/services.ts'

/** What gauges are read from. */
export interface GaugeSources {
  readonly version: string
  /** Milliseconds since 1970. */
  readonly startedAtMs: number
  /** In force. */
  readonly config: Pick<Config, 'providers' | 'models' | 'budgets' | 'metrics' | 'rateLimits'>
  readonly discovered: Discovered
  readonly routes: Pick<RouteTable, 'find'>
  readonly coordinator: LocalCoordinator
  /** Model servers that the gateway starts. */
  readonly services: readonly ServiceState[]
  /** Of limits, if gateways share one. */
  readonly store: Pick<StoreConnection, 'isUp' | 'joined'> | undefined
  /** Those gateways, as last heard; asked after the limits. */
  readonly describeStore: () => Promise<SharedStoreReport | undefined>
  readonly isDraining: boolean
  readonly openCalls: number
  /** Threads that serve calls. */
  readonly workers: { readonly wanted: number; readonly running: number }
  readonly clock: Pick<Clock, 'now' | 'wallNow'>
}
