// What all calls of a process share, whichever thread serves them, and the one owner of it.
import { Admission } from '../admission/admission.ts'
import { Calibration } from '../admission/estimate.ts'
import { type FloodWindows, type LeasableWindows, MemoryFloodWindows } from '../admission/flood-windows.ts'
import { LimitsFile } from '../admission/limits-file.ts'
import { perClientRpmOf } from '../admission/limits-of.ts'
import { MemoryStore } from '../admission/stores/memory.ts'
import { BudgetBook } from '../admission/budget-book.ts'
import { BudgetsFile } from '../admission/budgets-file.ts'
import type { AdmissionStore } from '../admission/stores/store.ts'
import type { Coordinator } from '../call/coordinator.ts'
import { LocalCoordinator } from '../call/local-coordinator.ts'
import type { SpokenFormats } from '../call/spoken-formats.ts'
import type { KeySets } from '../clients/identity/key-set.ts'
import type { KeyRecord } from '../clients/keys/key-record.ts'
import type { Clock } from '../platform/clock.ts'
import { holdLock } from '../platform/process-lock.ts'
import type { Config } from '../config/types.ts'
import type { Cell } from '../ledger/call-row.ts'
import type { Ledger, UsageAnswer } from '../ledger/ledger.ts'
import type { UsageQuestion } from '../ledger/report.ts'
import { appendUnfinished, type UnfinishedCall } from '../ledger/unfinished-call.ts'
import type { Events } from '../observe/events.ts'
import { MemoryObjectOwners, type ObjectOwners } from '../routing/object-owners.ts'
import { ObjectOwnersFile } from '../routing/object-owners-file.ts'
import type { Discovered } from '../routing/route-table.ts'
import type { SharedStoreReport } from '../status/shared-store.ts'
import type { StatusSource } from '../status/status-source.ts'
import { budgetReporter } from './budget-reporter.ts'
import { Discovery } from './discovery.ts'
import { FormatDiscovery } from './format-discovery.ts'
import { FormatsFile } from './formats-file.ts'
import { IssuerKeys } from './issuer-keys.ts'
import { HealthChecks } from './health-checks.ts'
import { hasLedgerFile } from './open-ledger.ts'
import { budgetScopesIn } from './budget-scopes.ts'
import { LoadLooks } from './load-looks.ts'
import { MetricsSource, type ThreadFacts } from './metrics-source.ts'
import type { OpenedCounts } from './open-counts.ts'
import type { ProviderSet } from './provider-pool.ts'
import { KeptListsFile } from './services/kept-lists.ts'
import { ModelServers } from './services/model-servers.ts'
import type { ServiceChange } from '../upstream/services/service-change.ts'
import { knownModels, ServerLooks } from './server-looks.ts'
import type { SteeredServices } from './services/control-commands.ts'
import { serviceReporter } from './services/report-changes.ts'
import type { ServiceState } from '../upstream/services/services.ts'
import type { Pseudonyms } from '../vault/pseudonyms.ts'
import type { Machines } from './machines/machines.ts'
import { SharedLimits } from './machines/shared-limits.ts'
import { callNamed, pseudonymsOf, spendJournal, spendSource, usageReader } from './pseudonyms.ts'

export interface SharedServices {
  readonly coordinator: Coordinator
  readonly formats: SpokenFormats
  readonly owners: ObjectOwners
  /** The keys of those who sign identities. */
  readonly keySets: KeySets
  /** Undefined: requests of a client are not limited. */
  readonly floodWindows: FloodWindows | undefined
  /** Has the providers asked again that may have a model that is unknown so far; resolves within about a second. */
  refreshModels(model: string): Promise<void>
  /** `GET /metrics`, in slices of whole lines. */
  readMetrics(): Promise<readonly string[]>
  /** Reads the ledger. */
  readUsage(question: UsageQuestion): Promise<UsageAnswer>
  /** How limits stand that machines share. Undefined: they are this one's alone. */
  describeStore(): Promise<SharedStoreReport | undefined>
  /** Reports of what happens, for the status page. Undefined: not yet, while the gateway starts. */
  readonly status?: StatusSource | undefined
  /** What the providers list. */
  readonly discovered: Discovered
  /** Called with all lists of models when one has changed. One listener. */
  onModels: ((discovered: Discovered) => void) | undefined
  /** The server of a provider with a service ends, has ended or is another one: whoever listens there next is not known. */
  onServerEnded: ((provider: string) => void) | undefined
}

export interface OwnerParts {
  /** Undefined: nothing is recorded. */
  readonly ledger: Ledger | undefined
  readonly clock: Clock
  readonly events: Events
  /** Where the counters are kept over a restart. Undefined: nowhere. */
  readonly stateDirectory: string | undefined
  /** Where calls are counted; undefined: in this process's memory, which alone is kept over a restart. */
  readonly store: AdmissionStore | undefined
  /** Undefined: there are no metrics. */
  readonly counts: OpenedCounts | undefined
  readonly version: string
  /** Of the socket of the process that starts model servers. Absent: none can be started. */
  readonly starterPath?: string | undefined
}

/** The owner: limits, health and load of targets, what was learnt of providers, and what is asked of them besides calls. */
export class OwnServices implements SharedServices {
  readonly coordinator: LocalCoordinator
  readonly owners = new MemoryObjectOwners()
  readonly floodWindows: LeasableWindows | undefined
  discovered: Discovered = new Map()
  status: StatusSource | undefined
  onModels: ((discovered: Discovered) => void) | undefined
  /** The server of a provider with a service ends, has ended or is another one: whoever listens there next is not known. */
  onServerEnded: ((provider: string) => void) | undefined
  readonly #onServiceChange: (change: ServiceChange) => void
  readonly formats: FormatDiscovery
  readonly keySets: KeySets
  readonly #issuerKeys: IssuerKeys | undefined
  /** What metrics have of the threads that serve calls. */
  describeThreads: (() => Promise<ThreadFacts>) | undefined
  /** Called when something was found of the formats that providers speak. One listener. */
  onFormats: (() => void) | undefined
  readonly #discovery: Discovery
  readonly #healthChecks: HealthChecks
  readonly #serverLooks: ServerLooks
  readonly #loadLooks: LoadLooks
  /** Undefined: the limits are of this gateway alone. */
  readonly sharedLimits: SharedLimits | undefined
  /** Those that share them. */
  readonly machines: Machines | undefined
  readonly #file: LimitsFile | undefined
  readonly #budgetsFile: BudgetsFile | undefined
  readonly #formatsFile: FormatsFile | undefined
  readonly #ownersFile: ObjectOwnersFile | undefined
  readonly #keptListsFile: KeptListsFile | undefined
  readonly #modelServers: ModelServers
  readonly #metrics: MetricsSource | undefined
  readonly #ledger: Ledger | undefined
  readonly #pseudonyms: Pseudonyms | undefined
  readonly #wallNow: Clock['wallNow']
  #isStopped = false

  private constructor(config: Config, parts: OwnerParts, sharedLimits: SharedLimits | undefined) {
    const { clock, events, stateDirectory, ledger, counts, version } = parts
    const store = parts.store ?? sharedLimits?.store
    this.sharedLimits = sharedLimits
    this.#ledger = ledger
    this.#pseudonyms = pseudonymsOf(config.usage)
    this.machines = sharedLimits?.openMachines(
      usageReader((question) => this.readUsage(question), this.#pseudonyms),
    )
    this.#wallNow = clock.wallNow
    this.#onServiceChange = serviceReporter(events)
    this.#issuerKeys = IssuerKeys.of(config.identity, { clock, events, stateDirectory })
    this.keySets = this.#issuerKeys?.store ?? noKeySets
    const { now, setTimer } = clock
    const chance = Math.random
    const rpm = perClientRpmOf(config)
    this.floodWindows =
      rpm === undefined ? undefined : (sharedLimits?.floodWindows(rpm) ?? new MemoryFloodWindows(rpm, now))
    const calibration = new Calibration()
    const memory = new MemoryStore()
    this.#file =
      stateDirectory === undefined || store !== undefined
        ? undefined
        : new LimitsFile({
            directory: stateDirectory,
            store: memory,
            calibration,
            ...clock,
            onFault: (cause) => events.emit({ kind: 'limits_not_saved', cause }),
          })
    this.#ownersFile =
      stateDirectory === undefined
        ? undefined
        : new ObjectOwnersFile({
            directory: stateDirectory,
            owners: this.owners,
            setTimer,
            onFault: (cause) => events.emit({ kind: 'owners_not_kept', cause }),
          })
    const pseudonyms = this.#pseudonyms
    const budgets = new BudgetBook({
      wallNow: clock.wallNow,
      now,
      onChange: () => this.#budgetsFile?.touch(),
      journal: ledger && spendJournal(ledger.spending, pseudonyms),
      onNews: budgetReporter(events, setTimer),
      ceilings: sharedLimits?.budgets,
    })
    ledger?.followSpending(spendSource(budgets, pseudonyms))
    this.#budgetsFile =
      stateDirectory === undefined
        ? undefined
        : new BudgetsFile({
            directory: stateDirectory,
            book: budgets,
            store: ledger,
            wallNow: clock.wallNow,
            now,
            setTimer,
            hold: holdLock,
            onCopyUsed: (reason) => events.emit({ kind: 'budgets_copy_used', reason }),
            onLost: (reason) => events.emit({ kind: 'budgets_lost', reason }),
            onFault: (cause) => events.emit({ kind: 'budgets_not_saved', cause }),
          })
    const admission = new Admission({
      store: store ?? memory,
      calibration,
      budgets,
      limits: config.rateLimits,
      now,
      setTimer,
      onChange: () => this.#file?.touch(),
    })
    this.#modelServers = new ModelServers({
      clock,
      userAgent: `llm-gateway/${version}`,
      starterPath: parts.starterPath,
      onChange: (change) => this.#onService(change),
      onLeft: (service) => events.emit({ kind: 'service_left', ...service }),
      callsOf: (provider) => this.coordinator.load.of(provider),
      onStarter: (change) =>
        events.emit(
          change.kind === 'found'
            ? { kind: 'starter_found' }
            : { kind: 'starter_lost', reason: change.reason },
        ),
      onBug: (error) => events.emit({ kind: 'internal_error', error, where: 'a service' }),
    })
    const isOpen = (provider: string) => this.#modelServers.isOpen(provider)
    const formats = new FormatDiscovery({
      clock,
      events,
      isOpen,
      onChange: () => {
        this.#formatsFile?.touch()
        this.onFormats?.()
      },
    })
    this.formats = formats
    this.#formatsFile =
      stateDirectory === undefined
        ? undefined
        : new FormatsFile({
            directory: stateDirectory,
            findings: () => formats.findings,
            onFault: (cause) => events.emit({ kind: 'formats_not_saved', cause }),
          })
    const hasShown = (provider: string, format: string) => formats.hasShown(provider, format)
    this.coordinator = new LocalCoordinator({
      admission,
      calibration,
      now,
      chance,
      hasShown,
      onCooled: ({ target: { provider, model }, isOfProvider, failureKind, forMs }) => {
        const target_model = isOfProvider ? undefined : model
        events.emit({ kind: 'target_cooled', provider, target_model, trouble: failureKind, for_ms: forMs })
      },
    })
    const sources = {
      coordinator: this.coordinator,
      discovered: () => this.discovered,
      describeServices: () => this.describeModelServers(),
      store: () => this.sharedLimits?.connection,
      describeStore: () => this.describeStore(),
    }
    this.#metrics = counts && new MetricsSource(config, { counts, version, clock, ...sources })
    const pollParts = { clock: { now, setTimer, chance }, events, isOpen }
    this.#healthChecks = new HealthChecks({ ...pollParts, health: this.coordinator.health })
    this.#keptListsFile =
      stateDirectory === undefined
        ? undefined
        : new KeptListsFile({
            directory: stateDirectory,
            lists: () => this.#discovery.kept,
            onFault: (cause) => events.emit({ kind: 'model_lists_not_saved', cause }),
          })
    this.#discovery = new Discovery({
      ...pollParts,
      onKept: () => this.#keptListsFile?.touch(),
      onChange: (discovered) => {
        this.discovered = discovered
        for (const [provider, models] of discovered) facts.setListed(provider, knownModels(models))
        this.onModels?.(discovered)
      },
    })
    const { serverFacts: facts, load } = this.coordinator
    this.#serverLooks = new ServerLooks({ ...pollParts, facts })
    this.#loadLooks = new LoadLooks({ ...pollParts, facts, load, software: this.#serverLooks })
    this.coordinator.loadWatch = this.#loadLooks
  }

  /** With the counters as the last run left them. Follows no configuration yet. */
  static async start(config: Config, parts: OwnerParts): Promise<OwnServices> {
    const { clock, events, stateDirectory: directory, version } = parts
    const opened = { clock, events, stateDirectory: directory, version }
    const services = new OwnServices(config, parts, await SharedLimits.open(config, opened))
    if (services.#file !== undefined) {
      parts.events.emit({ kind: 'limits_loaded', fact: services.#file.load() })
    }
    if (services.#formatsFile !== undefined) services.formats.restore(services.#formatsFile.load())
    if (services.#keptListsFile !== undefined) services.#discovery.restore(services.#keptListsFile.load())
    services.#ownersFile?.load()
    services.#issuerKeys?.store.start()
    const { ledger, stateDirectory = '' } = parts
    const mayBeRecorded = ledger !== undefined && mayHaveBudgets(config) && hasLedgerFile(stateDirectory)
    await services.#budgetsFile?.load(config.budgets, mayBeRecorded)
    return services
  }

  /**
   * Goes over to a configuration, and asks its providers what is to be known of them. Waits for no answer.
   * @param keys in force. Default: none.
   */
  follow(config: Config, providers: ProviderSet, keys: readonly KeyRecord[] = []): void {
    this.sharedLimits?.follow(config, mayHaveBudgets(config))
    this.coordinator.follow(config, providers.values())
    if (this.sharedLimits !== undefined) this.#stateSpending(config, keys)
    this.formats.follow(config, providers)
    this.#metrics?.follow(config)
    // A reload may still come while the last calls end.
    if (this.#isStopped) return
    this.#modelServers.follow(config)
    this.coordinator.services = this.#modelServers.pool
    this.#discovery.follow(config, providers)
    this.#healthChecks.follow(config, providers)
    this.#serverLooks.follow(config, providers)
    this.#loadLooks.follow(providers)
  }

  /**
   * Has machines that share budgets told what this one has spent of them, whether a call comes or not: what was spent before its
   * start, the store may have lost, or lose later. Waits for no answer.
   */
  #stateSpending(config: Config, keys: readonly KeyRecord[]): void {
    const { budgets } = this.coordinator.admission
    const spending = budgets.describeAll()
    const spent = new Set(spending.map(({ name }) => name))
    void budgets.look(budgetScopesIn(config, keys, spending).filter(({ name }) => spent.has(name)))
  }

  /** What was held against a server, and what it had in memory, ends with its process. */
  #onService(change: ServiceChange): void {
    this.#onServiceChange(change)
    const { provider, from, to } = change
    const { health, placer } = this.coordinator
    if (to === 'ready') {
      health.forget(provider)
      if (from !== 'draining') this.formats.restarted(provider)
    } else health.recordCheck(provider, undefined)
    if (to !== 'ready' && to !== 'draining') this.onServerEnded?.(provider)
    if (to === 'stopped' || to === 'failed') placer.forgetCache(provider)
    for (const asking of [this.#discovery, this.#healthChecks, this.#serverLooks, this.#loadLooks]) {
      asking.reconsider(provider)
    }
  }

  /** @param config in force. */
  modelServersBy({ services }: Pick<Config, 'services'>): SteeredServices | undefined {
    const { pool, starterFault } = this.#modelServers
    return pool && { control: pool, manager: services.manager, starterFault }
  }

  describeModelServers(): readonly ServiceState[] {
    return this.#modelServers.pool?.describe() ?? []
  }

  refreshModels(model: string): Promise<void> {
    return this.#discovery.refresh(model)
  }

  /** Takes the ends of calls that another thread has served: `Ledger.recordRows`. */
  recordRows(rows: readonly Cell[]): void {
    this.#ledger?.recordRows(rows)
  }

  /** Makes a row of a call that budgets apply to and whose thread has died. */
  recordUnfinished(call: UnfinishedCall): void {
    const named = this.#pseudonyms === undefined ? call : callNamed(call, this.#pseudonyms)
    const rows: Cell[] = []
    appendUnfinished(rows, named, this.#wallNow())
    this.#ledger?.recordRows(rows)
  }

  async readUsage(question: UsageQuestion): Promise<UsageAnswer> {
    const seesAll = question.client === undefined && question.key === undefined
    const spending = seesAll ? this.coordinator.admission.budgets.describeAll() : []
    if (this.#ledger === undefined) return { state: undefined, report: undefined, spending }
    const report = await this.#ledger.read(question)
    return { state: this.#ledger.state(), report, spending }
  }

  async describeStore(): Promise<SharedStoreReport | undefined> {
    return this.machines?.report()
  }

  async readMetrics(): Promise<readonly string[]> {
    const threads = await this.describeThreads?.()
    return threads === undefined || this.#metrics === undefined ? [] : this.#metrics.read(threads)
  }

  /** Asks providers nothing more, and leaves the file of the counters to the process that replaces this one. */
  stopWatching(): void {
    this.#isStopped = true
    this.sharedLimits?.offer()
    this.#file?.offer()
    this.#budgetsFile?.offer()
    this.#discovery.stop()
    this.#issuerKeys?.store.stop()
    this.#healthChecks.stop()
    this.#serverLooks.stop()
    this.#loadLooks.stop()
  }

  /** Ends what a start that failed has begun. Nothing is saved: another gateway may have the state directory. */
  async abandon(): Promise<void> {
    this.stopWatching()
    this.closeServices()
    await this.sharedLimits?.disconnect()
  }

  /** Refuses the calls that wait for a server to start. The servers go on. */
  closeServices(): void {
    this.#modelServers.close()
  }

  /** Writes the counters down a last time, and the ends of the last calls. */
  async save(): Promise<void> {
    this.closeServices()
    const files = [
      this.#file?.stop(),
      this.#budgetsFile?.stop(),
      this.#ownersFile?.stop(),
      this.#formatsFile?.stop(),
      this.#keptListsFile?.stop(),
    ]
    await Promise.all([...files, this.#issuerKeys?.saved(), this.#ledger?.stop(), this.sharedLimits?.close()])
  }
}

/** Nothing is signed. */
const noKeySets: KeySets = { find: () => ({ set: undefined, isReachable: false }) }

/** Of keys it is known later only. */
function mayHaveBudgets({ budgets, clients, keys }: Config): boolean {
  if (keys.mode !== 'off') return true
  const terms = [...clients.byPattern.values(), clients.default]
  return budgets.total.length > 0 || terms.some((each) => each !== undefined && each.budgets.length > 0)
}
