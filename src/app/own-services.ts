// The one owner of what all calls of a process share, whichever thread serves them.
import { Admission } from '../admission/admission.ts'
import { Calibration } from '../admission/estimate.ts'
import { type LeasableWindows, MemoryFloodWindows } from '../admission/flood-windows.ts'
import { LimitsFile } from '../admission/limits-file.ts'
import { perClientRpmOf } from '../admission/limits-of.ts'
import { MemoryStore } from '../admission/stores/memory.ts'
import { BudgetBook } from '../admission/budget-book.ts'
import { BudgetsFile } from '../admission/budgets-file.ts'
import type { AdmissionStore } from '../admission/stores/store.ts'
import { LocalCoordinator } from '../call/local-coordinator.ts'
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
import { MemoryObjectOwners } from '../routing/object-owners.ts'
import { ObjectOwnersFile } from '../routing/object-owners-file.ts'
import type { Discovered } from '../routing/discovered-names.ts'
import type { SharedStoreReport } from '../status/shared-store.ts'
import { budgetReporter } from './budget-reporter.ts'
import type { FormatDiscovery } from './format-discovery.ts'
import { IssuerKeys } from './issuer-keys.ts'
import { hasLedgerFile } from './open-ledger.ts'
import { budgetScopesIn } from './budget-scopes.ts'
import { MetricsSource, type ThreadFacts } from './metrics-source.ts'
import type { OpenedCounts } from './open-counts.ts'
import type { ProviderSet } from './provider-pool.ts'
import { ProviderWatch } from './provider-watch.ts'
import type { Pseudonyms } from '../vault/pseudonyms.ts'
import type { Machines } from './machines/machines.ts'
import { SharedLimits } from './machines/shared-limits.ts'
import { callNamed, pseudonymsOf, spendJournal, spendSource, usageReader } from './pseudonyms.ts'
import type { SharedServices } from './shared-services.ts'

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

/** Limits, budgets, and the health and load of targets; what is asked of providers besides calls is its `watch`. */
export class OwnServices implements SharedServices {
  readonly coordinator: LocalCoordinator
  readonly watch: ProviderWatch
  readonly owners = new MemoryObjectOwners()
  readonly floodWindows: LeasableWindows | undefined
  readonly keySets: KeySets
  readonly #issuerKeys: IssuerKeys | undefined
  /** What metrics have of the threads that serve calls. */
  describeThreads: (() => Promise<ThreadFacts>) | undefined
  /** Undefined: the limits are of this gateway alone. */
  readonly sharedLimits: SharedLimits | undefined
  /** Those that share them. */
  readonly machines: Machines | undefined
  readonly #file: LimitsFile | undefined
  readonly #budgetsFile: BudgetsFile | undefined
  readonly #ownersFile: ObjectOwnersFile | undefined
  readonly #metrics: MetricsSource | undefined
  readonly #ledger: Ledger | undefined
  readonly #pseudonyms: Pseudonyms | undefined
  readonly #wallNow: Clock['wallNow']

  private constructor(config: Config, parts: OwnerParts, sharedLimits: SharedLimits | undefined) {
    const { clock, events, stateDirectory, starterPath, ledger, counts, version } = parts
    const store = parts.store ?? sharedLimits?.store
    this.sharedLimits = sharedLimits
    this.#ledger = ledger
    this.#pseudonyms = pseudonymsOf(config.usage)
    this.machines = sharedLimits?.openMachines(
      usageReader((question) => this.readUsage(question), this.#pseudonyms),
    )
    this.#wallNow = clock.wallNow
    this.#issuerKeys = IssuerKeys.of(config.identity, { clock, events, stateDirectory })
    this.keySets = this.#issuerKeys?.store ?? noKeySets
    const { now, setTimer } = clock
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
    this.coordinator = new LocalCoordinator({
      admission,
      calibration,
      now,
      chance: Math.random,
      hasShown: (provider, format) => this.watch.formats.hasShown(provider, format),
      onCooled: ({ target: { provider, model }, isOfProvider, failureKind, forMs }) => {
        const target_model = isOfProvider ? undefined : model
        events.emit({ kind: 'target_cooled', provider, target_model, trouble: failureKind, for_ms: forMs })
      },
    })
    const { coordinator } = this
    this.watch = new ProviderWatch({ clock, events, coordinator, stateDirectory, starterPath, version })
    const sources = {
      coordinator,
      discovered: () => this.discovered,
      describeServices: () => this.watch.describeModelServers(),
      store: () => this.sharedLimits?.connection,
      describeStore: () => this.describeStore(),
    }
    this.#metrics = counts && new MetricsSource(config, { counts, version, clock, ...sources })
  }

  /** With the counters as the last run left them. Follows no configuration yet. */
  static async start(config: Config, parts: OwnerParts): Promise<OwnServices> {
    const { clock, events, stateDirectory: directory, version } = parts
    const opened = { clock, events, stateDirectory: directory, version }
    const services = new OwnServices(config, parts, await SharedLimits.open(config, opened))
    if (services.#file !== undefined) {
      parts.events.emit({ kind: 'limits_loaded', fact: services.#file.load() })
    }
    services.watch.load()
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
    this.#metrics?.follow(config)
    this.watch.follow(config, providers)
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

  get formats(): FormatDiscovery {
    return this.watch.formats
  }

  get discovered(): Discovered {
    return this.watch.discovered
  }

  get onModels(): SharedServices['onModels'] {
    return this.watch.onModels
  }

  set onModels(listener: SharedServices['onModels']) {
    this.watch.onModels = listener
  }

  get onServerEnded(): SharedServices['onServerEnded'] {
    return this.watch.onServerEnded
  }

  set onServerEnded(listener: SharedServices['onServerEnded']) {
    this.watch.onServerEnded = listener
  }

  refreshModels(model: string): Promise<void> {
    return this.watch.refresh(model)
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
    this.sharedLimits?.offer()
    this.#file?.offer()
    this.#budgetsFile?.offer()
    this.#issuerKeys?.store.stop()
    this.watch.stop()
  }

  /** Ends what a start that failed has begun. Nothing is saved: another gateway may have the state directory. */
  async abandon(): Promise<void> {
    this.stopWatching()
    this.watch.close()
    await this.sharedLimits?.disconnect()
  }

  /** Writes the counters down a last time, and the ends of the last calls. */
  async save(): Promise<void> {
    this.watch.close()
    const files = [this.#file?.stop(), this.#budgetsFile?.stop(), this.#ownersFile?.stop(), this.watch.save()]
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
