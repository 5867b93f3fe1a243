// A worker thread: a whole gateway, but for what it has in common with the others.
import { parentPort, workerData } from 'node:worker_threads'
import { Admission } from '../../admission/admission.ts'
import { Calibration } from '../../admission/estimate.ts'
import { SharedRates } from '../../admission/shared-rates.ts'
import { SharedStore } from '../../admission/shared-store.ts'
import { type App, type Common, perClientRpmOf, startApp } from '../app.ts'
import { threadClock } from '../../clock.ts'
import { unpackConfig } from './config-transfer.ts'
import type { Config } from '../../config/types.ts'
import { StartError } from '../../errors.ts'
import { createEvents } from '../../observe/events.ts'
import { createLog } from '../../observe/log.ts'
import { SharedWindows } from '../../server/shared-windows.ts'
import { SharedMemory } from '../../shared-memory.ts'
import { LogBatch } from './log-batch.ts'
import type { FromWorker, Order, ToWorker, WorkerStart } from './messages.ts'

const port = parentPort!
const start = workerData as WorkerStart
const say = (message: FromWorker) => port.postMessage(message)
const log = new LogBatch(start.isTTY, (text) => say({ kind: 'log', text }))
// Also after an error that nobody caught.
process.on('exit', () => log.flush())
let openCalls = 0

startOne().then(serve, (error: unknown) => {
  if (!(error instanceof StartError)) throw error
  say({ kind: 'refused', message: error.message })
})

function serve(app: App): void {
  say({ kind: 'listening', addresses: app.addresses })
  port.on('message', ({ id, ...order }: ToWorker) => {
    follow(app, order)
    say({ kind: 'answer', id, openCalls })
  })
}

async function startOne(): Promise<App> {
  const config = unpackConfig(start.config)
  const { hosts, port: ownPort, unixSocket, isJournal, version, configFile, sockets } = start
  const app = await startApp(
    { ...config, server: { ...config.server, hosts, port: ownPort, unixSocket } },
    {
      stdout: process.stdout,
      isJournal,
      version,
      configFile,
      stateDirectory: undefined,
      sockets,
      clock: threadClock,
      common: commonOf(config),
    },
  )
  if (start.reloaded !== undefined) await app.reload(unpackConfig(start.reloaded))
  return app
}

function follow(app: App, order: Order): void {
  switch (order.kind) {
    case 'reload':
      void app.reload(unpackConfig(order.config))
      return
    case 'stop':
      void app.stop(order.reason).then(() => {
        log.flush()
        say({ kind: 'stopped' })
      })
      return
    case 'ping':
      return
    default:
      order satisfies never
  }
}

function commonOf(config: Config): Common {
  const { places, thread, isJournal } = start
  const { now, setTimer } = threadClock
  const store = new SharedStore(new SharedMemory(places.store.buffer, thread), places.store)
  const calibration = new Calibration(new SharedRates(store.memory, store.directory))
  const onChange = () => {
    if (store.markChanged()) say({ kind: 'changed' })
  }
  const parts = { store, calibration, limits: config.rateLimits, now, setTimer, onChange }
  const rpm = perClientRpmOf(config)
  return {
    limits: { admission: new Admission(parts), calibration, save: () => Promise.resolve() },
    floodWindows:
      rpm === undefined || places.floodWindows === undefined
        ? undefined
        : new SharedWindows(new SharedMemory(places.floodWindows.buffer, thread), places.floodWindows, {
            rpm,
            now,
          }),
    events: {
      ...createEvents(createLog(config.logging, { stream: log, isJournal })),
      // The coordinator tells of these, once for all.
      listening() {},
      limitsLoaded() {},
      stopping: (_, count) => (openCalls = count),
      stopped() {},
    },
  }
}
