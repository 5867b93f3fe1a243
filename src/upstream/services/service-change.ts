// What becomes of a service, for events, metrics and the log.
import type { ServiceState } from './services.ts'

export type ServiceStateName = ServiceState['state']

/** A service has come to another state. */
export interface ServiceChange {
  readonly provider: string
  readonly unit: string
  readonly group: string | undefined
  readonly from: ServiceStateName
  readonly to: ServiceStateName
  /**
   * Why. `starting`: `call`, `boot`, `command`, `adopted` (somebody else has started it), `restart` (by the manager), `address` (it runs, and a reload has
   * given its provider another one);
   * `draining`, `stopping`, `stopped`: `idle`, `group`, `command`, `failed`, `removed` (from the configuration), `outside`; `ready` after
   * it drained: `resumed`, or why its stop was refused; `failed`: as `NotStarted.result`.
   */
  readonly reason?: string
  /** Of `ready`: since its start, in milliseconds. */
  readonly tookMs?: number
  /** Of `failed`: until it may be started again, in milliseconds. */
  readonly retryAfterMs?: number
  /** Of `failed` with `timeout`: what the last probe got. */
  readonly probe?: string
  /** Calls under way. */
  readonly calls: number
}
