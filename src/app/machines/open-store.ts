// The connection to the store that gateways share, and what is reported of it.
import { hostname } from 'node:os'

import { connectStore, type StoreConnection } from '../../admission/stores/valkey/connection.ts'
import type { SharedStore } from '../../config/store-types.ts'
import { readStoreUrl } from '../../config/store-url.ts'
import type { Events } from '../../observe/events.ts'
import type { Clock } from '../../platform/clock.ts'
import { randomId } from '../../platform/random-id.ts'
import { machineId } from './machine-id.ts'

/** Of what the keys in the store hold. */
const storeSchema = 1

/** How long what a gateway was granted is valid without another word of it, in milliseconds. */
const storeLeaseMs = 3000

/** How long a start waits for the store, in milliseconds; then it goes on without it. */
const startWaitMs = 500

export interface OpenedStore {
  readonly connection: StoreConnection
  readonly settings: SharedStore
  /** Called at each change of `connection.isUp`, after it was reported. One listener. */
  onChange: (() => void) | undefined
  /** Leaves; nothing is reported of that. */
  close(): Promise<void>
}

interface StoreParts {
  readonly clock: Pick<Clock, 'setTimer'>
  readonly events: Pick<Events, 'emit'>
  readonly version: string
  readonly stateDirectory: string | undefined
}

/**
 * Connects, and waits a moment for it; later changes are events.
 * @throws Error when the client library is not installed.
 */
export async function openStore(
  settings: SharedStore,
  { clock, events, version, stateDirectory }: StoreParts,
): Promise<OpenedStore> {
  const url = settings.url!
  const read = readStoreUrl(url.reveal(), url.source)
  if (read.kind === 'refused') throw new Error(`the URL from ${url.source} ${read.message}`)
  const machine = await machineId(stateDirectory, (cause) => events.emit({ kind: 'limits_not_saved', cause }))
  const connection = await connectStore({
    endpoint: read.endpoint,
    ca: settings.ca,
    prefix: settings.prefix,
    member: { machine, process: randomId().slice(0, 8), host: hostname(), version },
    schema: storeSchema,
    leaseMs: storeLeaseMs,
    setTimer: clock.setTimer,
    chance: Math.random,
  })
  let isClosed = false
  const opened: OpenedStore = {
    connection,
    settings,
    onChange: undefined,
    close: () => {
      isClosed = true
      return connection.close()
    },
  }
  const report = () => {
    const { isUp, fault, joined } = connection
    if (isUp) {
      const { version: server, members, evictionPolicy } = joined!
      events.emit({ kind: 'limits_store_up', server, members })
      if (evictionPolicy !== undefined) events.emit({ kind: 'limits_store_evicts', policy: evictionPolicy })
    } else if (!isClosed) {
      const { whenUnavailable: when_unavailable } = settings
      events.emit({ kind: 'limits_store_down', reason: fault!, when_unavailable })
    }
    opened.onChange?.()
  }
  await new Promise<void>((resolve) => {
    const cancel = clock.setTimer(resolve, startWaitMs)
    connection.onChange = () => {
      cancel()
      resolve()
    }
  })
  connection.onChange = report
  report()
  return opened
}
