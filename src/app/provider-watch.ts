// What a gateway knows of its providers besides what calls report, and what is asked of them for it: the models that they list, their
// health, the formats that they speak, what local servers do, and the servers that are started on demand.
import type { LocalCoordinator } from '../call/local-coordinator.ts'
import type { Config } from '../config/types.ts'
import type { Events } from '../observe/events.ts'
import type { Clock } from '../platform/clock.ts'
import type { Discovered } from '../routing/discovered-names.ts'
import type { ServiceChange } from '../upstream/services/service-change.ts'
import type { ServiceState } from '../upstream/services/services.ts'
import { Discovery } from './discovery.ts'
import { FormatDiscovery } from './format-discovery.ts'
import { FormatsFile } from './formats-file.ts'
import { HealthChecks } from './health-checks.ts'
import { LoadLooks } from './load-looks.ts'
import type { ProviderSet } from './provider-pool.ts'
import { knownModels, ServerLooks } from './server-looks.ts'
import type { SteeredServices } from './services/control-commands.ts'
import { KeptListsFile } from './services/kept-lists.ts'
import { ModelServers } from './services/model-servers.ts'
import { serviceReporter } from './services/report-changes.ts'

export interface ProviderWatchParts {
  readonly clock: Clock
  readonly events: Events
  /** Receives what is found, watches the load of servers and starts services by it. */
  readonly coordinator: LocalCoordinator
  /** Where what was found is kept over a restart. Undefined: nowhere. */
  readonly stateDirectory: string | undefined
  /** Of the socket of the process that starts model servers. Absent: none can be started. */
  readonly starterPath?: string | undefined
  readonly version: string
}

export class ProviderWatch {
  /** What the providers list. */
  discovered: Discovered = new Map()
  /** Called with all lists of models when one has changed. One listener. */
  onModels: ((discovered: Discovered) => void) | undefined
  /** The server of a provider with a service ends, has ended or is another one: whoever listens there next is not known. */
  onServerEnded: ((provider: string) => void) | undefined
  /** Called when something was found of the formats that providers speak. One listener. */
  onFormats: (() => void) | undefined
  readonly formats: FormatDiscovery
  readonly #coordinator: LocalCoordinator
  readonly #modelServers: ModelServers
  readonly #discovery: Discovery
  readonly #healthChecks: HealthChecks
  readonly #serverLooks: ServerLooks
  readonly #loadLooks: LoadLooks
  readonly #formatsFile: FormatsFile | undefined
  readonly #keptListsFile: KeptListsFile | undefined
  readonly #reportService: (change: ServiceChange) => void
  #isStopped = false

  constructor({ clock, events, coordinator, stateDirectory, starterPath, version }: ProviderWatchParts) {
    this.#coordinator = coordinator
    this.#reportService = serviceReporter(events)
    const { health, serverFacts: facts, load } = coordinator
    this.#modelServers = new ModelServers({
      clock,
      userAgent: `llm-gateway/${version}`,
      starterPath,
      onChange: (change) => this.#onService(change),
      onLeft: (service) => events.emit({ kind: 'service_left', ...service }),
      callsOf: (provider) => load.of(provider),
      onStarter: (change) =>
        events.emit(
          change.kind === 'found'
            ? { kind: 'starter_found' }
            : { kind: 'starter_lost', reason: change.reason },
        ),
      onBug: (error) => events.emit({ kind: 'internal_error', error, where: 'a service' }),
    })
    const isOpen = (provider: string) => this.#modelServers.isOpen(provider)
    this.formats = new FormatDiscovery({
      clock,
      events,
      isOpen,
      onChange: () => {
        this.#formatsFile?.touch()
        this.onFormats?.()
      },
    })
    const { now, setTimer } = clock
    const pollParts = { clock: { now, setTimer, chance: Math.random }, events, isOpen }
    this.#healthChecks = new HealthChecks({ ...pollParts, health })
    this.#discovery = new Discovery({
      ...pollParts,
      onKept: () => this.#keptListsFile?.touch(),
      onChange: (discovered) => {
        this.discovered = discovered
        for (const [provider, models] of discovered) facts.setListed(provider, knownModels(models))
        this.onModels?.(discovered)
      },
    })
    this.#serverLooks = new ServerLooks({ ...pollParts, facts })
    this.#loadLooks = new LoadLooks({ ...pollParts, facts, load, software: this.#serverLooks })
    coordinator.loadWatch = this.#loadLooks
    if (stateDirectory === undefined) return
    this.#formatsFile = new FormatsFile({
      directory: stateDirectory,
      findings: () => this.formats.findings,
      onFault: (cause) => events.emit({ kind: 'formats_not_saved', cause }),
    })
    this.#keptListsFile = new KeptListsFile({
      directory: stateDirectory,
      lists: () => this.#discovery.kept,
      onFault: (cause) => events.emit({ kind: 'model_lists_not_saved', cause }),
    })
  }

  /** Takes up what the last process has found. Before the first configuration. */
  load(): void {
    if (this.#formatsFile !== undefined) this.formats.restore(this.#formatsFile.load())
    if (this.#keptListsFile !== undefined) this.#discovery.restore(this.#keptListsFile.load())
  }

  /** Goes over to a configuration, and asks its providers what is to be known of them. Waits for no answer. */
  follow(config: Config, providers: ProviderSet): void {
    this.formats.follow(config, providers)
    // A reload may still come while the last calls end.
    if (this.#isStopped) return
    this.#modelServers.follow(config)
    this.#coordinator.services = this.#modelServers.pool
    this.#discovery.follow(config, providers)
    this.#healthChecks.follow(config, providers)
    this.#serverLooks.follow(config, providers)
    this.#loadLooks.follow(providers)
  }

  /** Has the providers asked again that may have a model that is unknown so far; resolves within about a second. */
  refresh(model: string): Promise<void> {
    return this.#discovery.refresh(model)
  }

  /** @param config in force. @returns undefined: no configuration so far has had a service. */
  modelServersBy({ services }: Pick<Config, 'services'>): SteeredServices | undefined {
    const { pool, starterFault } = this.#modelServers
    return pool && { control: pool, manager: services.manager, starterFault }
  }

  describeModelServers(): readonly ServiceState[] {
    return this.#modelServers.pool?.describe() ?? []
  }

  /** Asks nothing more. Services go on. */
  stop(): void {
    this.#isStopped = true
    this.#discovery.stop()
    this.#healthChecks.stop()
    this.#serverLooks.stop()
    this.#loadLooks.stop()
  }

  /** Refuses the calls that wait for a server to start. The servers go on. */
  close(): void {
    this.#modelServers.close()
  }

  /** Resolves when what was found is written. */
  async save(): Promise<void> {
    await Promise.all([this.#formatsFile?.stop(), this.#keptListsFile?.stop()])
  }

  /** What was held against a server, and what it had in memory, ends with its process. */
  #onService(change: ServiceChange): void {
    this.#reportService(change)
    const { provider, from, to } = change
    const { health, placer } = this.#coordinator
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
}
