// What is reported of the store of limits that gateways share: that it is up, that it is down, and that it may lose limits.
import type { StoreConnection } from '../../admission/stores/valkey/connection.ts'
import type { SharedStore } from '../../config/store-types.ts'
import type { Events } from '../../observe/events.ts'
import type { Clock } from '../../platform/clock.ts'

/** How long a start may take to reach it before that is reported, in milliseconds. */
const firstWaitMs = 500

export class StoreReports {
  readonly #connection: Pick<StoreConnection, 'fault' | 'isUp' | 'joined'>
  readonly #settings: Pick<SharedStore, 'whenUnavailable'>
  readonly #events: Pick<Events, 'emit'>
  readonly #cancelFirst: () => void
  #isStopped = false

  constructor(
    connection: Pick<StoreConnection, 'fault' | 'isUp' | 'joined'>,
    settings: Pick<SharedStore, 'whenUnavailable'>,
    { clock, events }: { readonly clock: Pick<Clock, 'setTimer'>; readonly events: Pick<Events, 'emit'> },
  ) {
    this.#connection = connection
    this.#settings = settings
    this.#events = events
    this.#cancelFirst = clock.setTimer(() => this.report(), firstWaitMs)
  }

  /** At each change of `isUp`. */
  report(): void {
    this.#cancelFirst()
    if (this.#isStopped) return
    const { isUp, fault, joined } = this.#connection
    if (!isUp) {
      const { whenUnavailable: when_unavailable } = this.#settings
      this.#events.emit({ kind: 'limits_store_down', reason: fault!, when_unavailable })
      return
    }
    const { version: server, members, evictionPolicy: policy } = joined!
    this.#events.emit({ kind: 'limits_store_up', server, members })
    if (policy !== undefined) this.#events.emit({ kind: 'limits_store_evicts', policy })
  }

  /** The end of the gateway is none of the store. */
  stop(): void {
    this.#isStopped = true
    this.#cancelFirst()
  }
}
