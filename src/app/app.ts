// The gateway of a process, and the composition root: it owns what calls share, the keys of clients, the reports of what happens
// and the messages about what needs a person. Its threads serve the calls.
import type { BudgetState } from '../admission/budget.ts'
import type { AdmissionStore } from '../admission/stores/store.ts'
import { Alerts } from './alerts.ts'
import { describeBudgetsOfAll } from './budget-scopes.ts'
import type { AppliedKeys, LoadedKeys } from './key-application.ts'
import type { KeySource, SharedKeyCommands } from './key-source.ts'
import { keySourceOf } from './keys.ts'
import type { Machines } from './machines/machines.ts'
import type { OpenedAudit } from './open-audit.ts'
import { oldestFirst } from './open-calls.ts'
import { type OpenedEvents, openEvents } from './open-events.ts'
import { OwnServices } from './own-services.ts'
import type { ProviderSet } from './provider-pool.ts'
import { pseudonymsOf, usageReader } from './pseudonyms.ts'
import { settingsToRestartFor } from './restart-settings.ts'
import type { SteeredServices } from './services/control-commands.ts'
import { ServingThread } from './serving-thread.ts'
import type { ServingThreads } from './serving-threads.ts'
import { StatusReporter } from './status-reporter.ts'
import { WorkerPool } from './workers/worker-pool.ts'
import type { Ticker } from '../call/ticker.ts'
import { noKeys } from '../clients/keys/key-file.ts'
import type { KeyFile } from '../clients/keys/key-record.ts'
import type { OpenedAuditKey } from '../config/record-keys.ts'
import type { Config } from '../config/types.ts'
import type { Dialects } from '../dialects/table.ts'
import type { Attention } from '../observe/alerts/attention.ts'
import type { Events } from '../observe/events.ts'
import type { CounterReader } from '../observe/metrics/counters.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import type { InheritedSocket } from '../server/listeners/inherited.ts'
import { checkFree } from '../server/listeners/listen.ts'
import { limitsReport } from '../server/routes/limits.ts'
import type { OpenCall } from '../status/open-call.ts'
import type { StatusSource } from '../status/status-source.ts'
import type { Pseudonyms } from '../vault/pseudonyms.ts'

export interface AppOptions {
  /** Where the log goes. */
  readonly stdout: NodeJS.WritableStream & { isTTY?: boolean }
  /** True when that is the systemd journal. */
  readonly isJournal?: boolean
  /** For `user-agent`. */
  readonly version: string
  /** The key file is looked for beside it. */
  readonly configFile: string
  /** Where the limits' counters are kept over a restart. Undefined: nowhere. */
  readonly stateDirectory: string | undefined
  /** Of the socket of the process that starts model servers. Absent: none can be started. */
  readonly starterPath?: string | undefined
  /** Of the audit log's chain. Absent: there is none. */
  readonly auditKey?: OpenedAuditKey
  /** Opened by a service manager: served in the place of `server.hosts`, if there are any. */
  readonly sockets?: readonly InheritedSocket[]
  /** The machine's own when absent, and with several threads. */
  readonly clock?: Clock
  /** What looks at the deadlines of calls; when absent one that runs by the clock. One thread only, as the following. */
  readonly ticker?: Ticker
  /** The wire formats that are served; all that there are when absent. */
  readonly dialects?: Dialects
  /** Where calls are counted; when absent this process's memory, which alone is kept over a restart. */
  readonly store?: AdmissionStore
  /** When the release was built, in milliseconds since 1970: no right clock shows an earlier time. The package's when absent. */
  readonly builtAtMs?: number
  /** The file that worker threads run; the package's own when absent. */
  readonly workerEntry?: URL
  /** The file that the ledger's thread runs; the package's own when absent. */
  readonly writerEntry?: URL
}

/** @throws StartError when an address can't be had, or a user to be served does not exist here. */
export async function startApp(config: Config, options: AppOptions): Promise<App> {
  const { stdout, isJournal = false, version, stateDirectory, starterPath, auditKey, store } = options
  const { writerEntry } = options
  const hasWorkers = config.server.workers > 1
  const clock = hasWorkers ? systemClock : (options.clock ?? systemClock)
  if (hasWorkers && (options.sockets ?? []).length === 0) await checkFree(config.server)
  const opened = openEvents(config, {
    stdout,
    isJournal,
    clock,
    version,
    stateDirectory,
    writerEntry,
    auditKey,
  })
  const { events, ledger, counts } = opened
  const owner = { clock, events, stateDirectory, starterPath, store, version, ledger, counts }
  const services = await OwnServices.start(config, owner)
  try {
    const app = new App(config, { ...options, clock, opened, services })
    await app.start()
    return app
  } catch (error) {
    // An open connection of its own would keep the process alive.
    await services.abandon()
    throw error
  }
}

interface AppParts extends AppOptions {
  readonly clock: Clock
  readonly opened: OpenedEvents
  readonly services: OwnServices
}

export class App {
  readonly events: Events
  /** Reports of what happens. */
  readonly status: StatusSource
  /** As it was at the start. */
  readonly #config: Config
  #inForce: Config
  readonly #parts: AppParts
  readonly #pseudonyms: Pseudonyms | undefined
  readonly #alerts: Alerts
  /** Undefined: keys are off. */
  readonly #keySource: KeySource | undefined
  /** In force, or on the way to the threads. */
  #keyFile: KeyFile
  readonly #threads: ServingThreads

  /** Serves nothing yet. @throws StartError when a user to be served does not exist here. */
  constructor(config: Config, parts: AppParts) {
    const { opened, services, clock, stateDirectory, builtAtMs } = parts
    const { events } = opened
    this.#config = this.#inForce = config
    this.#parts = parts
    this.events = events
    this.#pseudonyms = pseudonymsOf(config.usage)
    this.#alerts = new Alerts(config, {
      ...opened,
      clock,
      coordinator: services.coordinator,
      describeServices: () => services.watch.describeModelServers(),
      stateDirectory,
    })
    this.#keySource = keySourceOf(config, {
      clock,
      events,
      stateDirectory,
      configFile: parts.configFile,
      machines: services.sharedLimits,
      apply: (file) => this.#applyKeys(file),
      revoke: (secretIds) => this.#threads.revokeKeys(secretIds),
      ...(builtAtMs !== undefined && { builtAtMs }),
    })
    this.#keyFile = this.#keySource?.load() ?? noKeys
    this.status = this.#statusReporter()
    this.#threads = this.#createThreads()
    services.describeThreads = () => this.#threads.describe()
  }

  #createThreads(): ServingThreads {
    const { opened, services, sockets = [], ...parts } = this.#parts
    const { status } = this
    const keyFile = this.#keyFile
    if (this.#config.server.workers > 1)
      return new WorkerPool(this.#config, { ...parts, opened, services, sockets, status, keyFile })
    const { events, tracing, history } = opened
    const { version, clock, ticker, dialects, builtAtMs } = parts
    return new ServingThread(this.#config, {
      shared: services,
      status,
      events,
      tracing,
      history,
      keyFile,
      version,
      sockets,
      clock,
      sharesPort: false,
      ticker,
      dialects,
      builtAtMs,
    })
  }

  #statusReporter(): StatusReporter {
    const { opened, services, clock, version, configFile } = this.#parts
    return new StatusReporter({
      clock,
      version,
      configFile,
      services,
      readUsage: usageReader((question) => services.readUsage(question), this.#pseudonyms),
      pseudonyms: this.#pseudonyms,
      config: () => this.#inForce,
      keys: () => this.#keyFile.keys,
      routes: () => this.#threads.routes(),
      look: () => this.#threads.look(),
      workers: () => this.#threads.count(),
      isDraining: () => this.#threads.isDraining,
      reload: () => opened.reloads.latest,
      attention: () => this.attention(),
      cancel: (id, by) => this.#threads.cancelCall(id, by),
    })
  }

  /** @throws StartError as `startApp`. */
  async start(): Promise<void> {
    // Before the first call, which may be waiting at the socket, and may be for a model that is to be discovered.
    this.#follow(this.#config)
    await this.#threads.start()
    this.#keySource?.start(this.#threads.count().running)
    this.#alerts.follow(this.#config)
    this.events.emit({ kind: 'listening', addresses: this.addresses, config: this.#parts.configFile })
  }

  /** `http://127.0.0.1:4000` and so on. */
  get addresses(): readonly string[] {
    return this.#threads.addresses
  }

  /** As this thread asks them about models and health. */
  get providers(): ProviderSet {
    return this.#threads.providers
  }

  /**
   * Serves by another configuration from the next call on; calls under way end as they began.
   * @returns the keys of the file whose values changed and that only a restart applies; all others are applied.
   */
  reload(config: Config): string[] | Promise<string[]> {
    const reloaded = this.#threads.reload(config)
    this.#inForce = config
    this.#follow(config)
    this.#alerts.follow(config)
    const toRestartFor = settingsToRestartFor(this.#config, config)
    return reloaded === undefined ? toRestartFor : reloaded.then(() => toRestartFor)
  }

  #follow(config: Config): void {
    this.#parts.services.follow(config, this.providers, this.#keyFile.keys)
  }

  /**
   * Stops accepting, lets calls under way finish for `server.shutdown_grace_ms`, then ends them: a stream with an error
   * event, what has not begun with 503.
   * @param reason for the log: the signal's name.
   */
  async stop(reason: string): Promise<void> {
    const { services, opened } = this.#parts
    this.#threads.drain()
    this.#alerts.stop()
    services.stopWatching()
    await this.#threads.stop(reason, () => services.watch.close())
    await this.#keySource?.stop()
    await services.save()
    await this.#alerts.saved()
    await this.#threads.close()
    this.events.emit({ kind: 'stopped' })
    await opened.audit?.close()
  }

  /** As `GET /v1/limits` reports them, of all models. @param client as whom the report is made. */
  async limits(client: string): Promise<object> {
    const { services } = this.#parts
    const reports = await services.coordinator.describe(this.#threads.routes().models())
    return limitsReport({ id: client }, reports, { store: await services.describeStore() })
  }

  /**
   * How budgets stand by what all machines have spent.
   * @param keyIds of the keys whose budgets are wanted. Undefined: all budgets.
   */
  budgets(keyIds: ReadonlySet<string> | undefined): Promise<readonly BudgetState[]> {
    const book = this.#parts.services.coordinator.admission.budgets
    const sources = { config: this.#inForce, keys: this.#keyFile.keys, book }
    return describeBudgetsOfAll(sources, keyIds, this.#pseudonyms)
  }

  /** `GET /metrics`, in slices of whole lines. */
  metrics(): Promise<readonly string[]> {
    return this.#parts.services.readMetrics()
  }

  /** What was counted of the whole process. Undefined: nobody reads it. */
  get counters(): CounterReader | undefined {
    return this.#parts.opened.counts?.registry
  }

  /** What needs a person now, the most severe first. */
  attention(): readonly Attention[] {
    return this.#alerts.attention()
  }

  /** Those that are started when they are called. Undefined: there are none. */
  modelServers(): SteeredServices | undefined {
    return this.#parts.services.watch.modelServersBy(this.#inForce)
  }

  /** Those that share limits with this one. Undefined: there are none. */
  machines(): Machines | undefined {
    return this.#parts.services.machines
  }

  /** Undefined: the gateway writes no audit log. */
  get audit(): OpenedAudit | undefined {
    return this.#parts.opened.audit
  }

  /** Loads the key file now if it has changed; resolves when every thread has it. Undefined: keys are off. */
  reloadKeys(): Promise<LoadedKeys> | undefined {
    return this.#keySource?.reload()
  }

  /** Undefined: keys are not shared with other gateways. */
  get sharedKeys(): SharedKeyCommands | undefined {
    return this.#keySource?.shared
  }

  async #applyKeys(file: KeyFile): Promise<AppliedKeys> {
    this.#keyFile = file
    return await this.#threads.setKeys(file)
  }

  /** Undefined: of several threads it is not known at once. */
  openCalls(): number | undefined {
    return this.#threads.openCalls()
  }

  /** The calls under way in all threads, the oldest first. */
  async openCallReports(): Promise<OpenCall[]> {
    const looks = await this.#threads.look()
    return oldestFirst(looks.flatMap(({ calls }) => calls))
  }

  /**
   * Ends a call with an error for its client, and closes its provider's connection.
   * @param by the client id of the user who wants it: `user:ann`. Absent: the gateway's own.
   * @returns false: no call with this request id is under way.
   */
  cancelCall(id: string, by?: string): Promise<boolean> {
    return this.#threads.cancelCall(id, by)
  }

  /** Of a gateway of several threads: whether each of them has answered since this was asked last. */
  isAlive(): boolean {
    return this.#threads.isAlive()
  }
}
