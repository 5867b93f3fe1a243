// A gateway of several worker threads: `server.workers` above 1. This thread serves no connections. It owns what all calls
// share (limits, health, load, lists of models), the log, the file of the counters and the service manager's notifications,
// and it replaces a worker that ends by itself.
//
// All workers listen on the same port, and the kernel deals connections out to them. A Unix socket and sockets that a
// service manager passed can't be shared in this way: the first worker serves those.
import { setTimeout as setTimeoutPromise } from 'node:timers/promises'
import { systemClock } from '../../platform/clock.ts'
import { noKeys } from '../../clients/keys/key-file.ts'
import type { KeyFile } from '../../clients/keys/key-record.ts'
import type { Config } from '../../config/types.ts'
import { StartError } from '../../errors.ts'
import { resetServingFlags, setServingFlags } from '../../platform/node/serving-flags.ts'
import type { Events } from '../../observe/events.ts'
import type { CounterReader } from '../../observe/metrics/counters.ts'
import type { Registry } from '../../observe/metrics/registry.ts'
import type { RouteTable } from '../../routing/route-table.ts'
import { limitsReport } from '../../server/routes/limits.ts'
import { checkFree } from '../../server/listeners/listen.ts'
import type { OpenCall } from '../../status/open-call.ts'
import type { StatusSource } from '../../status/status-source.ts'
import type { Pseudonyms } from '../../vault/pseudonyms.ts'
import { Alerts } from '../alerts.ts'
import type { App, AppOptions } from '../app.ts'
import type { AppliedKeys, LoadedKeys } from '../key-application.ts'
import type { KeySource, SharedKeyCommands } from '../key-source.ts'
import { keySourceOf } from '../keys.ts'
import { oldestFirst } from '../open-calls.ts'
import type { OpenedAudit } from '../open-audit.ts'
import { type OpenedEvents, openEvents } from '../open-events.ts'
import { OwnServices } from '../own-services.ts'
import { ProviderPool, type ProviderSet } from '../provider-pool.ts'
import { describeBudgetsOfAll } from '../budget-scopes.ts'
import { pseudonymsOf, usageReader } from '../pseudonyms.ts'
import type { ThreadFacts } from '../metrics-source.ts'
import { settingsToRestartFor } from '../restart-settings.ts'
import { RoutesInForce } from '../routes-in-force.ts'
import { StatusReporter } from '../status-reporter.ts'
import { serializeConfig, type SerializedConfig } from './config-transfer.ts'
import { FloodLeases } from './flood-leases.ts'
import { Inbox } from './inbox.ts'
import type { FromWorker, WorkerStart } from './messages.ts'
import { ReceivedCounts } from './remote-counts.ts'
import { RestartDelay } from './restart-delay.ts'
import { sharedPort } from './shared-port.ts'
import { WorkerThread } from './worker-thread.ts'

/** Beyond `server.shutdown_grace_ms`: for the last bytes of calls and the end of the thread. */
const stopMarginMs = 5_000

/** How long a scrape waits for the threads. */
const maxMeasureMs = 250

const unsharable =
  'The sockets of the service manager can not be shared by threads: that takes ReusePort=yes in the socket unit, one port, ' +
  'and a manager of the same user.'

/** The file that a worker thread runs: TypeScript in a checkout, a bundled file in the package. */
const workerEntry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.cjs', import.meta.url)

/** @throws StartError as `startApp`. */
export async function startWorkerPool(
  config: Config,
  options: AppOptions,
  entry: URL = workerEntry,
): Promise<App> {
  const { stateDirectory } = options
  const { stdout, isJournal = false } = options
  const clock = systemClock
  const opened = openEvents(config, {
    stdout,
    isJournal,
    clock,
    version: options.version,
    stateDirectory,
    auditKey: options.auditKey,
  })
  const { events, ledger, counts } = opened
  const { server } = config
  if ((options.sockets ?? []).length === 0) await checkFree(server)
  const { version, starterPath } = options
  const owner = { clock, events, stateDirectory, store: undefined, ledger, counts, version, starterPath }
  const services = await OwnServices.start(config, owner)
  const { coordinator } = services
  const describeServices = () => services.watch.describeModelServers()
  const alerts = new Alerts(config, { ...opened, clock, coordinator, describeServices, stateDirectory })
  const pool = new WorkerPool(config, {
    ...opened,
    alerts,
    options,
    entry,
    services,
    hasLedger: ledger !== undefined,
    counters: counts?.registry,
  })
  try {
    await pool.start()
  } catch (error) {
    await pool.end()
    throw error
  }
  return pool
}

interface PoolParts extends OpenedEvents {
  readonly options: AppOptions
  readonly entry: URL
  readonly services: OwnServices
  readonly alerts: Alerts
  /** Whether the ends of calls are recorded. */
  readonly hasLedger: boolean
  /** Undefined: nobody reads counts. */
  readonly counters: Registry | undefined
}

class WorkerPool implements App {
  readonly events: Events
  readonly status: StatusSource
  addresses: readonly string[] = []
  readonly #config: Config
  #newest: Config
  readonly #parts: PoolParts
  readonly #pseudonyms: Pseudonyms | undefined
  readonly #providers: ProviderPool
  readonly #inbox = new Inbox<FromWorker>()
  readonly #leases: FloodLeases | undefined
  readonly #workers = new Map<number, WorkerThread>()
  readonly #keyWatch: KeySource | undefined
  /** In force, or on the way to the threads. */
  #keyFile: KeyFile
  /** As they were measured last. */
  readonly #openCalls = new WeakMap<WorkerThread, number>()
  readonly #relaunches = new Map<number, NodeJS.Timeout>()
  readonly #restartDelay = new RestartDelay(systemClock.now)
  #providerSet: ProviderSet
  #reloaded: SerializedConfig | undefined
  readonly #routesInForce = new RoutesInForce()
  #starting = 0
  #isStopping = false

  constructor(config: Config, parts: PoolParts) {
    this.#config = config
    this.#newest = config
    this.#parts = parts
    this.#pseudonyms = pseudonymsOf(config.usage)
    this.events = parts.events
    const { floodWindows } = parts.services
    this.#leases = floodWindows === undefined ? undefined : new FloodLeases(floodWindows)
    const apply = (file: KeyFile) => this.#applyKeys(file)
    const { options, events } = parts
    const revoke = (secretIds: ReadonlySet<string>) =>
      void this.#all((worker) => worker.request({ kind: 'revoke', secretIds }))
    this.#keyWatch = keySourceOf(config, {
      ...options,
      clock: systemClock,
      events,
      machines: parts.services.sharedLimits,
      apply,
      revoke,
    })
    this.#keyFile = this.#keyWatch?.load() ?? noKeys
    this.#providers = new ProviderPool(`llm-gateway/${parts.options.version}`)
    this.#providerSet = this.#providers.open(config.providers)
    this.status = this.#statusReporter()
  }

  /** As this thread asks them about models and health. */
  get providers(): ProviderSet {
    return this.#providerSet
  }

  async start(): Promise<void> {
    const { server } = this.#config
    const { services, options } = this.#parts
    const { sockets = [], configFile } = options
    services.onModels = (discovered) => {
      for (const worker of this.#workers.values()) worker.post({ kind: 'models', discovered })
    }
    services.onServerEnded = (provider) => {
      this.#providerSet.get(provider)?.retireConnections?.()
      for (const worker of this.#workers.values()) worker.post({ kind: 'server_ended', provider })
    }
    services.watch.onFormats = () => {
      const found = services.formats.confirmed()
      for (const worker of this.#workers.values()) worker.post({ kind: 'formats', found })
    }
    services.describeThreads = () => this.#describeThreads()
    services.follow(this.#config, this.#providerSet, this.#keyFile.keys)
    const first = this.#launch(1).started
    // The others join the port of the first one where it is not known before.
    if (server.port === 0 || sockets.length > 0) this.addresses = await first
    const numbers = Array.from({ length: server.workers - 1 }, (_, index) => index + 2)
    try {
      await Promise.all([first, ...numbers.map((number) => this.#launch(number).started)])
    } catch (error) {
      if (sockets.length === 0 || !(error instanceof StartError)) throw error
      const others = numbers.map((number) => this.#workers.get(number)).filter((each) => each !== undefined)
      for (const number of numbers) this.#workers.delete(number)
      await Promise.all(others.map((worker) => worker.terminate()))
      this.events.emit({ kind: 'workers_missing', workers: 1, reason: unsharable })
    }
    this.addresses = await first
    for (const [number, worker] of this.#workers) this.#replaceAtEnd(number, worker)
    this.#keyWatch?.start(this.#workers.size)
    this.#parts.alerts.follow(this.#config)
    this.events.emit({ kind: 'listening', addresses: this.addresses, config: configFile })
  }

  async reload(next: Config): Promise<string[]> {
    const before = this.#providerSet
    this.#newest = next
    this.#reloaded = serializeConfig(next)
    this.#providerSet = this.#providers.open(next.providers)
    this.#parts.services.follow(next, this.#providerSet, this.#keyFile.keys)
    this.#parts.alerts.follow(next)
    void this.#providers.release(before)
    await this.#all((worker) => worker.request({ kind: 'reload', config: this.#reloaded! }))
    return settingsToRestartFor(this.#config, next)
  }

  attention(): ReturnType<App['attention']> {
    return this.#parts.alerts.attention()
  }

  get counters(): CounterReader | undefined {
    return this.#parts.counters
  }

  metrics(): Promise<readonly string[]> {
    return this.#parts.services.readMetrics()
  }

  /** A thread that does not answer counts with what it answered last. */
  async #describeThreads(): Promise<ThreadFacts> {
    const measuring = this.#all(async (worker) => {
      this.#openCalls.set(worker, await worker.request({ kind: 'measure' }))
    })
    await Promise.race([measuring, setTimeoutPromise(maxMeasureMs, undefined, { ref: false })])
    const workers = [...this.#workers.values()]
    return {
      isDraining: this.#isStopping,
      openCalls: workers.reduce((sum, worker) => sum + (this.#openCalls.get(worker) ?? 0), 0),
      workers: { wanted: this.#config.server.workers, running: workers.length },
    }
  }

  modelServers(): ReturnType<App['modelServers']> {
    return this.#parts.services.watch.modelServersBy(this.#newest)
  }

  machines(): ReturnType<App['machines']> {
    return this.#parts.services.machines
  }

  get audit(): OpenedAudit | undefined {
    return this.#parts.audit
  }

  async limits(client: string): Promise<object> {
    const { services } = this.#parts
    const reports = await services.coordinator.describe(this.#routes().models())
    return limitsReport({ id: client }, reports, { store: await services.describeStore() })
  }

  budgets(keyIds: ReadonlySet<string> | undefined): ReturnType<App['budgets']> {
    const book = this.#parts.services.coordinator.admission.budgets
    const sources = { config: this.#newest, keys: this.#keyFile.keys, book }
    return describeBudgetsOfAll(sources, keyIds, this.#pseudonyms)
  }

  #routes(): RouteTable {
    return this.#routesInForce.of(this.#newest, this.#parts.services.discovered)
  }

  #statusReporter(): StatusReporter {
    const { options, services, history, reloads } = this.#parts
    const pseudonyms = this.#pseudonyms
    const { workers: wanted } = this.#config.server
    return new StatusReporter({
      clock: systemClock,
      version: options.version,
      configFile: options.configFile,
      services,
      readUsage: usageReader((question) => services.readUsage(question), pseudonyms),
      pseudonyms,
      config: () => this.#newest,
      keys: () => this.#keyFile.keys,
      routes: () => this.#routes(),
      look: async () => [
        // Of the requests that this thread itself sends to providers.
        { calls: [], recent: history.look() },
        ...(await this.#all((worker) => worker.look())),
      ],
      workers: () => ({ wanted, running: this.#workers.size }),
      isDraining: () => this.#isStopping,
      reload: () => reloads.latest,
      attention: () => this.attention(),
      cancel: (id, by) => this.cancelCall(id, by),
    })
  }

  async openCallReports(): Promise<OpenCall[]> {
    const looks = await this.#all((worker) => worker.look())
    return oldestFirst(looks.flatMap(({ calls }) => calls))
  }

  /** Does not wait for threads that are busy once another one had the call. */
  cancelCall(id: string, by?: string): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const asked = this.#all(async (worker) => {
      if ((await worker.request({ kind: 'cancel_call', id, by })) > 0) resolve(true)
    })
    void asked.then(() => resolve(false))
    return promise
  }

  reloadKeys(): Promise<LoadedKeys> | undefined {
    return this.#keyWatch?.reload()
  }

  get sharedKeys(): SharedKeyCommands | undefined {
    return this.#keyWatch?.shared
  }

  /** A worker that starts later has them from its start on. */
  async #applyKeys(file: KeyFile): Promise<AppliedKeys> {
    this.#keyFile = file
    const ended = await this.#all((worker) => worker.request({ kind: 'keys', file }))
    return { threads: ended.length, ended: ended.reduce((sum, count) => sum + count, 0) }
  }

  async stop(reason: string): Promise<void> {
    this.#isStopping = true
    this.#parts.services.stopWatching()
    this.#parts.alerts.stop()
    for (const timer of this.#relaunches.values()) clearTimeout(timer)
    const limitMs = this.#newest.server.shutdownGraceMs + stopMarginMs
    const openCalls = await this.#all((worker) => worker.stop(reason, limitMs))
    this.events.emit({
      kind: 'stopping',
      reason,
      open_calls: openCalls.reduce((sum, count) => sum + count, 0),
    })
    await this.#all(async (worker) => Promise.race([worker.ended, worker.stopped]))
    await this.#keyWatch?.stop()
    await this.#parts.services.save()
    await this.#parts.alerts.saved()
    await this.#providers.release(this.#providerSet)
    this.events.emit({ kind: 'stopped' })
    await this.#parts.audit?.close()
  }

  /** A worker that is being replaced has ended, and hangs no more. */
  isAlive(): boolean {
    return [...this.#workers.values()].map((worker) => worker.checkLiveness()).every(Boolean)
  }

  /** Ends what a start that failed has left. */
  async end(): Promise<void> {
    this.#isStopping = true
    await this.#parts.services.abandon()
    await this.#keyWatch?.stop()
    await this.#all((worker) => worker.terminate())
    await this.#providers.release(this.#providerSet)
  }

  #all<Result>(run: (worker: WorkerThread) => Promise<Result>): Promise<Result[]> {
    return Promise.all(Array.from(this.#workers.values(), run))
  }

  #launch(number: number): WorkerThread {
    const { entry, services, logOutput, counters } = this.#parts
    const onLog = (text: string) => void logOutput.write(text)
    const received = counters && new ReceivedCounts(counters)
    const worker = new WorkerThread({
      entry,
      start: this.#startOf(number),
      inbox: this.#inbox,
      leases: this.#leases,
      services,
      status: this.status,
      onLog,
      onRows: (rows) => services.recordRows(rows),
      onUnfinished: (call) => services.recordUnfinished(call),
      onCounts: (message) => received?.receive(message),
      onAudited: (event) => this.#parts.audit?.sink.receive(event),
      onBug: (error) => this.events.emit({ kind: 'internal_error', error, where: 'the end of a worker' }),
    })
    this.#workers.set(number, worker)
    // A thread that starts under the flags compiles everything anew.
    this.#starting += 1
    resetServingFlags()
    const onSettled = () => {
      this.#starting -= 1
      if (this.#starting === 0) setServingFlags()
    }
    worker.started.then(onSettled, onSettled)
    return worker
  }

  #startOf(number: number): Omit<WorkerStart, 'port'> {
    const { server } = this.#config
    const { sockets = [], version, configFile } = this.#parts.options
    const isFirst = number === 1
    const { hosts, port } = this.addresses.length === 0 ? server : sharedPort(this.addresses)
    return {
      number,
      hasLedger: this.#parts.hasLedger,
      hasCounts: this.#parts.counters !== undefined,
      hasAudit: this.#parts.audit !== undefined,
      config: serializeConfig(this.#config),
      reloaded: this.#reloaded,
      discovered: this.#parts.services.discovered,
      foundFormats: this.#parts.services.formats.confirmed(),
      prefixKey: this.#parts.services.coordinator.prefixKey,
      keyFile: this.#keyFile,
      hosts,
      tcpPort: port,
      unixSocket: isFirst ? server.unixSocket : undefined,
      sockets: isFirst ? sockets : [],
      version,
      configFile,
    }
  }

  #replaceAtEnd(number: number, worker: WorkerThread): void {
    void worker.ended.then((cause) => {
      if (this.#isStopping || cause === undefined) return
      this.#workers.delete(number)
      const delayMs = this.#restartDelay.next()
      this.events.emit({ kind: 'worker_ended', worker: number, cause, restart_in_ms: delayMs })
      // The passed sockets went with it, and only a new process gets them again: the rejection ends this one.
      if (number === 1 && (this.#parts.options.sockets ?? []).length > 0) throw cause
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
      () => this.events.emit({ kind: 'worker_restarted', worker: number }),
      () => {}, // its end is reported
    )
  }
}
