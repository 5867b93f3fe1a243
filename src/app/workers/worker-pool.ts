// A gateway of several worker threads that acts as one: `server.workers` above 1. This thread serves nothing. It holds
// what there is once: the log, the file of the counters, the word of the service manager; and it replaces a worker that
// ends by itself.
//
// All workers listen on the same port, and the kernel deals connections out to them. A Unix socket and sockets that a
// service manager passed can't be shared in this way: the first worker serves those.
import { Calibration } from '../../admission/estimate.ts'
import { SharedRates } from '../../admission/shared-rates.ts'
import { createSharedStore, SharedStore } from '../../admission/shared-store.ts'
import { SnapshotFile } from '../../admission/limits-file.ts'
import { Providers, type ProviderSet } from '../providers.ts'
import { type App, perClientRpmOf, settingsToRestartFor, type Surroundings } from '../app.ts'
import { threadClock } from '../../clock.ts'
import { packConfig, type PackedConfig } from './config-transfer.ts'
import type { Config } from '../../config/types.ts'
import { StartError } from '../../errors.ts'
import { createEvents, type Events } from '../../observe/events.ts'
import { createLog, type LogOutput, sharedOutput } from '../../observe/log.ts'
import { checkFree } from '../../server/listeners.ts'
import { createSharedWindows, SharedWindows } from '../../server/shared-windows.ts'
import { SharedMemory } from '../../shared-memory.ts'
import type { SharedPlaces, WorkerStart } from './messages.ts'
import { Restarts } from './restart-delay.ts'
import { tcpPlaces } from './shared-port.ts'
import { workerEntry } from './worker-entry.ts'
import { WorkerThread } from './worker-thread.ts'

/** How long the counters may be locked by others; more means that their owner has ended, which this thread will see. */
const maxLockWaitMs = 1_000

/** Beyond `server.shutdown_grace_ms`: for the last words of calls and the end of the thread. */
const stopMarginMs = 5_000

const unsharable =
  'The sockets of the service manager can not be shared by threads: that takes ReusePort=yes in the socket unit, one port, ' +
  'and a manager of the same user.'

/** @throws StartError as `startApp`. */
export async function startFleet(
  config: Config,
  surroundings: Surroundings,
  entry: URL = workerEntry,
): Promise<App> {
  const fleet = new Fleet(config, surroundings, entry)
  try {
    await fleet.start()
  } catch (error) {
    await fleet.end()
    throw error
  }
  return fleet
}

class Fleet implements App {
  readonly events: Events
  addresses: readonly string[] = []
  readonly #config: Config
  readonly #surroundings: Surroundings
  readonly #entry: URL
  readonly #output: LogOutput
  readonly #places: SharedPlaces
  readonly #store: SharedStore
  readonly #floodWindows: SharedWindows | undefined
  readonly #file: SnapshotFile | undefined
  readonly #providers: Providers
  readonly #workers = new Map<number, WorkerThread>()
  readonly #relaunches = new Map<number, NodeJS.Timeout>()
  readonly #restarts = new Restarts(threadClock.now)
  #providerSet: ProviderSet
  #reloaded: PackedConfig | undefined
  #shutdownGraceMs: number
  #isStopping = false

  constructor(config: Config, surroundings: Surroundings, entry: URL) {
    const { stdout, isJournal = false, version, stateDirectory } = surroundings
    this.#config = config
    this.#surroundings = surroundings
    this.#entry = entry
    this.#output = sharedOutput(stdout)
    this.events = createEvents(createLog(config.logging, { stream: this.#output, isJournal }))
    this.#shutdownGraceMs = config.server.shutdownGraceMs
    this.#providers = new Providers(`llm-gateway/${version}`)
    this.#providerSet = this.#providers.open(config.providers)

    const rpm = perClientRpmOf(config)
    const floodWindows = rpm === undefined ? undefined : createSharedWindows()
    this.#places = { store: createSharedStore(config.server.workers + 1), floodWindows }
    const memoryOf = (buffer: SharedArrayBuffer) => new SharedMemory(buffer, 0, maxLockWaitMs)
    const { now } = threadClock
    this.#store = new SharedStore(memoryOf(this.#places.store.buffer), this.#places.store)
    this.#floodWindows =
      floodWindows && new SharedWindows(memoryOf(floodWindows.buffer), floodWindows, { rpm: rpm!, now })
    this.#file =
      stateDirectory === undefined
        ? undefined
        : new SnapshotFile({
            directory: stateDirectory,
            store: this.#store,
            calibration: new Calibration(new SharedRates(this.#store.memory, this.#store.directory)),
            ...threadClock,
            onFault: (cause) => this.events.limitsNotSaved(cause),
          })
  }

  /** For the question whether they are there; each worker has its own. */
  get providers(): ProviderSet {
    return this.#providerSet
  }

  async start(): Promise<void> {
    const { server } = this.#config
    const { sockets = [], configFile } = this.#surroundings
    if (sockets.length === 0) await checkFree(server)
    if (this.#file !== undefined) this.events.limitsLoaded(await this.#file.load())
    const first = this.#launch(1).started
    // The others join what the first one got where only that tells.
    if (server.port === 0 || sockets.length > 0) this.addresses = await first
    const numbers = Array.from({ length: server.workers - 1 }, (_, index) => index + 2)
    try {
      await Promise.all([first, ...numbers.map((number) => this.#launch(number).started)])
    } catch (error) {
      if (sockets.length === 0 || !(error instanceof StartError)) throw error
      const others = numbers.map((number) => this.#workers.get(number)).filter((each) => each !== undefined)
      for (const number of numbers) this.#workers.delete(number)
      await Promise.all(others.map((worker) => worker.end()))
      this.events.workersMissing(1, unsharable)
    }
    this.addresses = await first
    for (const [number, worker] of this.#workers) this.#replaceAtEnd(number, worker)
    this.events.listening(this.addresses, configFile)
  }

  async reload(next: Config): Promise<string[]> {
    const before = this.#providerSet
    this.#reloaded = packConfig(next)
    this.#providerSet = this.#providers.open(next.providers)
    void this.#providers.release(before)
    this.#shutdownGraceMs = next.server.shutdownGraceMs
    await this.#all((worker) => worker.order({ kind: 'reload', config: this.#reloaded! }))
    return settingsToRestartFor(this.#config, next)
  }

  async stop(reason: string): Promise<void> {
    this.#isStopping = true
    for (const timer of this.#relaunches.values()) clearTimeout(timer)
    const limitMs = this.#shutdownGraceMs + stopMarginMs
    const openCalls = await this.#all((worker) => worker.stop(reason, limitMs))
    this.events.stopping(
      reason,
      openCalls.reduce((sum, count) => sum + count, 0),
    )
    await this.#all((worker) => worker.ended)
    await this.#file?.stop()
    await this.#providers.release(this.#providerSet)
    this.events.stopped()
  }

  /** One that is being replaced has ended, and hangs no more. */
  isAlive(): boolean {
    return [...this.#workers.values()].map((worker) => worker.isAlive()).every(Boolean)
  }

  /** Ends what a start that failed has left. */
  async end(): Promise<void> {
    this.#isStopping = true
    await this.#all((worker) => worker.end())
    await this.#providers.release(this.#providerSet)
  }

  #all<Result>(ask: (worker: WorkerThread) => Promise<Result>): Promise<Result[]> {
    return Promise.all(Array.from(this.#workers.values(), ask))
  }

  #launch(number: number): WorkerThread {
    const worker = new WorkerThread(this.#entry, this.#startOf(number), {
      onLog: (text) => void this.#output.write(text),
      onChange: () => this.#file?.touch(),
    })
    this.#workers.set(number, worker)
    return worker
  }

  #startOf(number: number): WorkerStart {
    const { server } = this.#config
    const { sockets = [], isJournal = false, version, configFile, stdout } = this.#surroundings
    const isFirst = number === 1
    const places = this.addresses.length === 0 ? server : tcpPlaces(this.addresses)
    return {
      thread: number,
      places: this.#places,
      config: packConfig(this.#config),
      reloaded: this.#reloaded,
      hosts: places.hosts,
      port: places.port,
      unixSocket: isFirst ? server.unixSocket : undefined,
      sockets: isFirst ? sockets : [],
      isJournal,
      isTTY: stdout.isTTY === true,
      version,
      configFile,
    }
  }

  #replaceAtEnd(number: number, worker: WorkerThread): void {
    void worker.ended.then((cause) => {
      this.#store.forget(number)
      this.#floodWindows?.forget(number)
      if (this.#isStopping || cause === undefined) return
      this.#workers.delete(number)
      const delayMs = this.#restarts.delayMs()
      this.events.workerEnded(number, cause, delayMs)
      // The passed sockets went with it, and only a new process gets them again.
      if (number === 1 && (this.#surroundings.sockets ?? []).length > 0) throw cause
      this.#relaunches.set(
        number,
        setTimeout(() => this.#relaunch(number), delayMs),
      )
    })
  }

  #relaunch(number: number): void {
    this.#relaunches.delete(number)
    const worker = this.#launch(number)
    this.#replaceAtEnd(number, worker)
    worker.started.then(
      () => this.events.workerRestarted(number),
      () => {}, // its end is told of
    )
  }
}
