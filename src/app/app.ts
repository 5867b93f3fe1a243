// The composition root: builds the long-lived parts from a configuration, and ends them again.
import type { BudgetState } from '../admission/budget.ts'
import type { AdmissionStore } from '../admission/stores/store.ts'
import { Alerts } from './alerts.ts'
import { ClientChecks } from './client-checks.ts'
import type { LoadedKeys } from './key-application.ts'
import type { SharedKeyCommands } from './key-source.ts'
import type { Machines } from './machines/machines.ts'
import { ownClientId, type Peers, peersOf, viewUsersOf } from './peer-identifiers.ts'
import type { OpenedAudit } from './open-audit.ts'
import { type OpenedEvents, openEvents } from './open-events.ts'
import { OwnServices } from './own-services.ts'
import { ProviderPool } from './provider-pool.ts'
import { describeBudgetsOfAll } from './budget-scopes.ts'
import { pseudonymsOf, usageReader } from './pseudonyms.ts'
import { settingsToRestartFor } from './restart-settings.ts'
import type { SharedServices } from './shared-services.ts'
import { oldestFirst, OpenCallReporter } from './open-calls.ts'
import type { SteeredServices } from './services/control-commands.ts'
import { Snapshots } from './snapshots.ts'
import { StatusReporter } from './status-reporter.ts'
import { budgetScopesOf } from '../call/budget-request.ts'
import { createTicker, type Ticker } from '../call/ticker.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import { descriptorsOf } from '../platform/descriptors.ts'
import type { OpenedAuditKey } from '../config/record-keys.ts'
import type { Config } from '../config/types.ts'
import { dialects as allDialects, type Dialects } from '../dialects/table.ts'
import { callCancelled, shuttingDown } from '../errors.ts'
import type { Attention } from '../observe/alerts/attention.ts'
import type { Events } from '../observe/events.ts'
import type { CounterReader } from '../observe/metrics/counters.ts'
import type { CallTracing } from '../observe/tracing/call-tracing.ts'
import { forwardedForReader } from '../clients/forwarded-for.ts'
import type { KeyFile } from '../clients/keys/key-record.ts'
import { originMatcher } from '../server/allowed-origins.ts'
import { type InheritedSocket, listenInherited } from '../server/listeners/inherited.ts'
import { guardsOf } from '../server/guards/table.ts'
import { httpLimits } from '../server/listeners/http-server.ts'
import { connectionLimits } from '../server/listeners/open-connections.ts'
import { listen } from '../server/listeners/listen.ts'
import type { Listeners } from '../server/listeners/listeners.ts'
import { ownPageReader } from '../server/view-check.ts'
import { limitsReport } from '../server/routes/limits.ts'
import { createHandlers } from '../server/server.ts'
import { TimeSlicer } from '../server/time-slicer.ts'
import type { StatusSource } from '../status/status-source.ts'
import type { OpenCall } from '../status/open-call.ts'
import type { Provider } from '../upstream/provider.ts'

export interface App {
  /** `http://127.0.0.1:4000` and so on. */
  readonly addresses: readonly string[]
  readonly events: Events
  readonly providers: ReadonlyMap<string, Provider>
  /**
   * Serves by another configuration from the next call on; calls under way end as they began.
   * @returns the keys of the file whose values changed and that only a restart applies; all others are applied.
   */
  reload(config: Config): string[] | Promise<string[]>
  /**
   * Stops accepting, lets calls under way finish for `server.shutdown_grace_ms`, then ends them: a stream with an error
   * event, what has not begun with 503.
   * @param reason for the log: the signal's name.
   */
  stop(reason: string): Promise<void>
  /** As `GET /v1/limits` reports them, of all models. @param client as whom the report is made. */
  limits(client: string): Promise<object>
  /**
   * How budgets stand by what all machines have spent; of the thread that owns them.
   * @param keyIds of the keys whose budgets are wanted. Undefined: all budgets.
   */
  budgets(keyIds: ReadonlySet<string> | undefined): Promise<readonly BudgetState[]>
  /** Reports of what happens. */
  readonly status: StatusSource
  /** `GET /metrics`, in slices of whole lines. */
  metrics(): Promise<readonly string[]>
  /** What was counted of the whole process. Undefined: nobody reads it, or another thread has it. */
  readonly counters: CounterReader | undefined
  /**
   * Checks requests against these keys from now on, and ends the calls whose keys were revoked. Absent as `openCalls`.
   * @returns how many calls it ended.
   */
  setKeys?(file: KeyFile): number
  /** The same for secrets that are revoked, ahead of the keys without them. `setKeys` counts the calls. */
  revokeKeys?(secretIds: ReadonlySet<string>): void
  /** Loads the key file now if it has changed; resolves when every thread has it. Undefined: keys are off. */
  reloadKeys(): Promise<LoadedKeys> | undefined
  /** Undefined: keys are not shared with other gateways. */
  readonly sharedKeys: SharedKeyCommands | undefined
  /** What needs a person now, the most severe first. */
  attention(): readonly Attention[]
  /** Those that are started when they are called. Undefined: there are none, or another thread has them. */
  modelServers(): SteeredServices | undefined
  /** Those that share limits with this one. Undefined: there are none, or another thread has them. */
  machines(): Machines | undefined
  /** Undefined: the gateway writes no audit log. */
  readonly audit: OpenedAudit | undefined
  /** Absent in a gateway of several threads. */
  openCalls?(): number
  /** The calls under way in all threads, the oldest first. Bodies that are still being read are no calls yet. */
  openCallReports(): Promise<OpenCall[]>
  /**
   * Ends a call with an error for its client, and closes its provider's connection.
   * @param by the client id of the user who wants it: `user:ann`. Absent: the gateway's own.
   * @returns false: no call with this request id is under way.
   */
  cancelCall(id: string, by?: string): Promise<boolean>
  /** Of a gateway of several threads: whether each of them has answered since this was asked last. */
  isAlive?(): boolean
}

/** What a worker thread has from the main thread (workers/). */
interface WorkerServices {
  readonly shared: SharedServices
  readonly status: StatusSource
  readonly events: Events
  readonly tracing: CallTracing
  /** The keys that are in force. */
  readonly keyFile: KeyFile
}

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
  /** The machine's own when absent. */
  readonly clock?: Clock
  /** What looks at the deadlines of calls; when absent one that runs by the clock. */
  readonly ticker?: Ticker
  /** The wire formats that are served; all that there are when absent. */
  readonly dialects?: Dialects
  /** Where calls are counted; when absent this process's memory, which alone is kept over a restart. */
  readonly store?: AdmissionStore
  /** When the release was built, in milliseconds since 1970: no right clock shows an earlier time. The package's when absent. */
  readonly builtAtMs?: number
  /** Absent: this thread serves alone, and owns what calls share. */
  readonly worker?: WorkerServices
}

/** @throws StartError when an address can't be had, or a user to be served does not exist here. */
export async function startApp(config: Config, options: AppOptions): Promise<App> {
  const { stdout, isJournal = false, version, sockets = [], clock = systemClock } = options
  const { stateDirectory, worker } = options
  const opened =
    worker === undefined
      ? openEvents(config, { stdout, isJournal, clock, version, stateDirectory, auditKey: options.auditKey })
      : undefined
  const events = worker?.events ?? opened!.events
  const tracing = worker?.tracing ?? opened!.tracing
  tracing.follow(config)
  const peers = peersOf(config, events, sockets)
  const own =
    worker === undefined
      ? await OwnServices.start(config, {
          clock,
          events,
          stateDirectory,
          starterPath: options.starterPath,
          store: options.store,
          version,
          ledger: opened?.ledger,
          counts: opened?.counts,
        })
      : undefined
  try {
    return await serve(config, options, { opened, own, events, tracing, peers })
  } catch (error) {
    // An open connection of its own would keep the process alive.
    await own?.abandon()
    throw error
  }
}

/** What is there before anything is served. */
interface Ground {
  /** Undefined in a worker thread, as `own` is. */
  readonly opened: OpenedEvents | undefined
  readonly own: OwnServices | undefined
  readonly events: Events
  readonly tracing: CallTracing
  readonly peers: Peers
}

/** Builds the parts that serve calls, and listens. @throws StartError as `startApp`. */
async function serve(
  config: Config,
  options: AppOptions,
  { opened, own, events, tracing, peers: { identifiers, observers, findUser } }: Ground,
): Promise<App> {
  const { version, configFile, sockets = [], clock = systemClock } = options
  const { stateDirectory, worker, dialects = allDialects } = options
  const shared: SharedServices = worker?.shared ?? own!
  const alerts =
    own === undefined || opened === undefined
      ? undefined
      : new Alerts(config, {
          ...opened,
          clock,
          coordinator: own.coordinator,
          describeServices: () => own.watch.describeModelServers(),
          stateDirectory,
        })
  const { coordinator, formats } = shared
  const ticker = options.ticker ?? createTicker(clock)
  const { owners } = shared
  const hasSeveralClients = mayHaveSeveralClients(config)
  const slicer = new TimeSlicer(clock.now, setImmediate)
  const services = { coordinator, formats, owners, events, tracing, ticker, hasSeveralClients }
  const longLived = { dialects, ...services, ...clock, timeSlices: slicer, chance: Math.random }
  const providers = new ProviderPool(`llm-gateway/${version}`)
  const snapshots = new Snapshots(config, longLived, providers, (model) => shared.refreshModels(model))
  const pseudonyms = pseudonymsOf(config.usage)
  const readUsage = usageReader((question) => shared.readUsage(question), pseudonyms)
  shared.onServerEnded = (name) => snapshots.current.providers.get(name)?.retireConnections?.()
  shared.onModels = (discovered) => snapshots.setDiscovered(discovered)
  if (shared.discovered.size > 0) snapshots.setDiscovered(shared.discovered)
  const { cors, server } = config
  let inForce = config
  const draining = new AbortController()
  const stopped = new AbortController()

  const reporter = new OpenCallReporter(clock, pseudonyms)
  const isOriginAllowed = originMatcher(cors)
  const forwardedFor = forwardedForReader(server.trustedProxies.cidrs)
  const hasRest = () => snapshots.current.rest !== undefined
  const clients = new ClientChecks(config, {
    clock,
    events,
    configFile,
    stateDirectory,
    ...(options.builtAtMs !== undefined && { builtAtMs: options.builtAtMs }),
    forwardedFor,
    floodWindows: shared.floodWindows,
    keySets: shared.keySets,
    keyFile: worker?.keyFile,
    machines: own?.sharedLimits,
    interrupt: (error, isConcerned) => snapshots.interrupt(error, isConcerned),
  })
  const openCallReports = () => oldestFirst(snapshots.records().map((record) => reporter.report(record)))
  const cancelCall = (id: string, by = ownClientId()) => {
    const records = snapshots.cancel(id, callCancelled())
    for (const { call } of records) {
      events.emit({ kind: 'call_cancelled', request_id: id, client: call.client.id, by })
    }
    return records.length > 0
  }
  const status =
    own === undefined
      ? worker!.status
      : new StatusReporter({
          clock,
          version,
          configFile,
          services: own,
          readUsage,
          pseudonyms,
          config: () => inForce,
          keys: () => clients.keyFile.keys,
          routes: () => snapshots.current.routes,
          look: async () => [{ calls: openCallReports(), recent: opened!.history.look() }],
          workers: () => oneThread,
          isDraining: () => draining.signal.aborted,
          reload: () => opened!.reloads.latest,
          attention: () => alerts?.attention() ?? [],
          cancel: async (id, by) => cancelCall(id, by),
        })
  const handlers = await createHandlers({
    guards: guardsOf(config, {
      isOriginAllowed,
      forwardedFor,
      hasRest,
      isOwnPage: ownPageReader(observers, () => inForce.status.hasPlayground),
    }),
    observers,
    findUser,
    isServedViaProxy: () => inForce.status.isServedViaProxy,
    hasMetrics: config.metrics.enabled,
    hasStatusPage: config.status.enabled,
    isOriginAllowed,
    maxBodyBytes: server.maxRequestBodyBytes,
    bodyMemoryBytes: Math.floor(server.bodyMemoryBytes / server.workers),
    floodWindows: shared.floodWindows,
    floodWaitMs: () => inForce.rateLimits.perClientMaxWaitMs,
    stopped: stopped.signal,
    slicer,
    clientOf: clients.clientOf,
    keyCheck: clients.keyCheck,
    identityCheck: clients.identityCheck,
    dialects,
    serveCall(call) {
      clients.endIfRevoked(call)
      snapshots.serve(call)
    },
    serveRest(call) {
      clients.endIfRevoked(call)
      snapshots.serveRest(call)
    },
    hasRest,
    findProvider: (name) => snapshots.current.providers.get(name),
    hasSeveralClients,
    routes: () => snapshots.current.routes,
    knownModels: (targets) => coordinator.knownModels(targets),
    describeLimits: (models) => coordinator.describe(models),
    describeStore: () => shared.describeStore(),
    readUsage,
    ownClientId: ownClientId(),
    describeClient: (scope) => coordinator.describeClient(scope),
    async describeBudgets(client) {
      const scopes = budgetScopesOf(client, snapshots.current)
      return scopes.length === 0 ? [] : coordinator.describeBudgets(scopes)
    },
    status,
    hasPlayground: () => inForce.status.hasPlayground && !needsCredentials(config),
    draining: draining.signal,
    readMetrics: () => shared.readMetrics(),
    isDraining: () => draining.signal.aborted,
    events,
    now: clock.now,
    wallNow: clock.wallNow,
    setTimer: clock.setTimer,
  })
  const limits = { ...httpLimits, ...connectionLimits(descriptorsOf('self'), 1 / server.workers) }
  if (own !== undefined) {
    own.describeThreads = async () => ({
      isDraining: draining.signal.aborted,
      openCalls: snapshots.openCalls,
      workers: oneThread,
    })
  }
  // Before the first call, which may be waiting at the socket, and may be for a model that is to be discovered.
  own?.follow(config, snapshots.current.providers, clients.keyFile.keys)
  const listeners = await (sockets.length > 0
    ? listenInherited(sockets, identifiers, handlers, limits)
    : listen({ ...server, reusePort: worker !== undefined }, identifiers, handlers, limits))
  clients.start()
  alerts?.follow(config)
  events.emit({ kind: 'listening', addresses: listeners.addresses, config: configFile })

  return {
    addresses: listeners.addresses,
    events,
    audit: opened?.audit,
    status,
    attention: () => alerts?.attention() ?? [],
    get providers() {
      return snapshots.current.providers
    },
    reload(next) {
      snapshots.replace(next)
      own?.follow(next, snapshots.current.providers, clients.keyFile.keys)
      clients.follow(next)
      tracing.follow(next)
      alerts?.follow(next)
      inForce = next
      observers.follow(viewUsersOf(next))
      return settingsToRestartFor(config, next)
    },
    async limits(client) {
      const reports = await coordinator.describe(snapshots.current.routes.models())
      return limitsReport({ id: client }, reports, { store: await shared.describeStore() })
    },
    async budgets(keyIds) {
      if (own === undefined) return []
      const { keys } = clients.keyFile
      const sources = { config: inForce, keys, book: own.coordinator.admission.budgets }
      return describeBudgetsOfAll(sources, keyIds, pseudonyms)
    },
    modelServers: () => own?.watch.modelServersBy(inForce),
    machines: () => own?.machines,
    metrics: () => shared.readMetrics(),
    counters: opened?.counts?.registry,
    setKeys: (file) => clients.setKeys(file),
    revokeKeys: (secretIds) => clients.revokeKeys(secretIds),
    reloadKeys: () => clients.reloadKeys(),
    sharedKeys: clients.sharedKeys,
    openCalls: () => snapshots.openCalls,
    openCallReports: async () => openCallReports(),
    cancelCall: async (id, by) => cancelCall(id, by),
    async stop(reason) {
      draining.abort()
      alerts?.stop()
      own?.stopWatching()
      events.emit({ kind: 'stopping', reason, open_calls: snapshots.openCalls })
      await endCalls(listeners, inForce.server.shutdownGraceMs, () => {
        stopped.abort()
        coordinator.close()
        own?.watch.close()
        snapshots.interrupt(shuttingDown())
      })
      // A call whose connection is gone has still to be settled before that is saved.
      await snapshots.settled()
      await clients.stop()
      await own?.save()
      await alerts?.saved()
      await snapshots.close()
      await tracing.stop()
      events.emit({ kind: 'stopped' })
      await opened?.audit?.close()
    },
  }
}

/** Whether the calls of a page, which has neither a key nor an identity, are refused. */
function needsCredentials({ keys, identity }: Config): boolean {
  return keys.mode === 'required' || identity.isRequired
}

const oneThread = { wanted: 1, running: 1 }

/** Whether others than the gateway's own user may call it, who share the objects of its providers' accounts. */
function mayHaveSeveralClients({ access, identity, keys, server }: Config): boolean {
  if (keys.mode !== 'off' || identity.sources.length > 0) return true
  const [first, ...others] = access.allowedUsers
  return first !== 'self' || others.length > 0 || server.trustedProxies.users.length > 0
}

/** How long the last bytes of calls that were ended may take to their clients. */
const lastWordsMs = 1_000

/** Resolves when no connection is left. @param interrupt ends the calls that are still under way after the grace. */
async function endCalls(listeners: Listeners, graceMs: number, interrupt: () => void): Promise<void> {
  let deadline = setTimeout(() => {
    interrupt()
    deadline = setTimeout(() => listeners.closeNow(), lastWordsMs)
  }, graceMs)
  await listeners.close()
  clearTimeout(deadline)
}
