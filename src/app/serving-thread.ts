// A thread that serves calls: it accepts connections, checks who calls, and handles the calls by the configuration in force.
// What calls share is with its owner, in this thread or in another one.
import { ClientChecks } from './client-checks.ts'
import type { AppliedKeys } from './key-application.ts'
import type { ThreadFacts } from './metrics-source.ts'
import { OpenCallReporter, oldestFirst } from './open-calls.ts'
import { ownClientId, type Peers, peersOf, viewUsersOf } from './peer-identifiers.ts'
import { ProviderPool, type ProviderSet } from './provider-pool.ts'
import { pseudonymsOf, usageReader } from './pseudonyms.ts'
import type { ServingThreads, ThreadLook } from './serving-threads.ts'
import type { SharedServices } from './shared-services.ts'
import { Snapshots } from './snapshots.ts'
import { budgetScopesOf } from '../call/budget-request.ts'
import { createTicker, type Ticker } from '../call/ticker.ts'
import { forwardedForReader, type ForwardedFor } from '../clients/forwarded-for.ts'
import type { KeyFile } from '../clients/keys/key-record.ts'
import type { Config } from '../config/types.ts'
import { dialects as allDialects, type Dialects } from '../dialects/table.ts'
import { callCancelled, shuttingDown } from '../errors.ts'
import type { Events } from '../observe/events.ts'
import type { CallTracing } from '../observe/tracing/call-tracing.ts'
import type { Clock } from '../platform/clock.ts'
import { descriptorsOf } from '../platform/descriptors.ts'
import type { RouteTable } from '../routing/route-table.ts'
import { originMatcher } from '../server/allowed-origins.ts'
import { guardsOf } from '../server/guards/table.ts'
import { httpLimits } from '../server/listeners/http-server.ts'
import { type InheritedSocket, listenInherited } from '../server/listeners/inherited.ts'
import { listen } from '../server/listeners/listen.ts'
import type { Listeners } from '../server/listeners/listeners.ts'
import { connectionLimits } from '../server/listeners/open-connections.ts'
import { createHandlers } from '../server/server.ts'
import { TimeSlicer } from '../server/time-slicer.ts'
import { ownPageReader } from '../server/view-check.ts'
import type { CallHistory } from '../status/call-history.ts'
import type { StatusSource } from '../status/status-source.ts'

export interface ServingThreadParts {
  /** What all calls share. */
  readonly shared: SharedServices
  readonly status: StatusSource
  readonly events: Events
  readonly tracing: CallTracing
  readonly history: CallHistory
  /** The keys that are in force. */
  readonly keyFile: KeyFile
  /** For `user-agent`. */
  readonly version: string
  /** Opened by a service manager: served in the place of `server.hosts`, if there are any. */
  readonly sockets: readonly InheritedSocket[]
  readonly clock: Clock
  /** Whether other threads listen at the same port. */
  readonly sharesPort: boolean
  /** What looks at the deadlines of calls; when absent one that runs by the clock. */
  readonly ticker?: Ticker | undefined
  /** The wire formats that are served; all that there are when absent. */
  readonly dialects?: Dialects | undefined
  /** When the release was built, in milliseconds since 1970. The package's when absent. */
  readonly builtAtMs?: number | undefined
}

export class ServingThread implements ServingThreads {
  readonly #parts: ServingThreadParts
  /** As it was at the start. */
  readonly #config: Config
  #inForce: Config
  readonly #peers: Peers
  readonly #forwardedFor: ForwardedFor
  readonly #snapshots: Snapshots
  readonly #clients: ClientChecks
  readonly #reporter: OpenCallReporter
  readonly #draining = new AbortController()
  readonly #stopped = new AbortController()
  readonly #hasSeveralClients: boolean
  readonly #slicer: TimeSlicer
  #listeners: Listeners | undefined

  /** Listens nowhere yet. @throws StartError when a user to be served does not exist here. */
  constructor(config: Config, parts: ServingThreadParts) {
    const { shared, events, tracing, clock, sockets, version, keyFile, builtAtMs } = parts
    this.#parts = parts
    this.#config = this.#inForce = config
    tracing.follow(config)
    this.#peers = peersOf(config, events, sockets)
    this.#hasSeveralClients = mayHaveSeveralClients(config)
    this.#slicer = new TimeSlicer(clock.now, setImmediate)
    const { coordinator, formats, owners } = shared
    const longLived = {
      dialects: parts.dialects ?? allDialects,
      coordinator,
      formats,
      owners,
      events,
      tracing,
      ticker: parts.ticker ?? createTicker(clock),
      hasSeveralClients: this.#hasSeveralClients,
      ...clock,
      timeSlices: this.#slicer,
      chance: Math.random,
    }
    const pool = new ProviderPool(`llm-gateway/${version}`)
    this.#snapshots = new Snapshots(config, longLived, pool, (model) => shared.refreshModels(model))
    shared.onServerEnded = (name) => this.providers.get(name)?.retireConnections?.()
    shared.onModels = (discovered) => this.#snapshots.setDiscovered(discovered)
    if (shared.discovered.size > 0) this.#snapshots.setDiscovered(shared.discovered)
    this.#reporter = new OpenCallReporter(clock, pseudonymsOf(config.usage))
    this.#forwardedFor = forwardedForReader(config.server.trustedProxies.cidrs)
    this.#clients = new ClientChecks(config, {
      clock,
      keyFile,
      builtAtMs,
      forwardedFor: this.#forwardedFor,
      floodWindows: shared.floodWindows,
      keySets: shared.keySets,
      interrupt: (error, isConcerned) => this.#snapshots.interrupt(error, isConcerned),
    })
  }

  get addresses(): readonly string[] {
    return this.#listeners?.addresses ?? []
  }

  get providers(): ProviderSet {
    return this.#snapshots.current.providers
  }

  get isDraining(): boolean {
    return this.#draining.signal.aborted
  }

  async start(): Promise<void> {
    const { server } = this.#config
    const { sockets, sharesPort } = this.#parts
    const { identifiers } = this.#peers
    const handlers = await this.#createHandlers()
    const limits = { ...httpLimits, ...connectionLimits(descriptorsOf('self'), 1 / server.workers) }
    this.#listeners = await (sockets.length > 0
      ? listenInherited(sockets, identifiers, handlers, limits)
      : listen({ ...server, reusePort: sharesPort }, identifiers, handlers, limits))
  }

  #createHandlers(): ReturnType<typeof createHandlers> {
    const { shared, status, events, clock, dialects = allDialects } = this.#parts
    const { cors, server, metrics, status: statusConfig, usage } = this.#config
    const { observers, findUser } = this.#peers
    const { coordinator } = shared
    const [snapshots, clients] = [this.#snapshots, this.#clients]
    const isOriginAllowed = originMatcher(cors)
    const hasRest = () => snapshots.current.rest !== undefined
    return createHandlers({
      guards: guardsOf(this.#config, {
        isOriginAllowed,
        forwardedFor: this.#forwardedFor,
        hasRest,
        isOwnPage: ownPageReader(observers, () => this.#inForce.status.hasPlayground),
      }),
      observers,
      findUser,
      isServedViaProxy: () => this.#inForce.status.isServedViaProxy,
      hasMetrics: metrics.enabled,
      hasStatusPage: statusConfig.enabled,
      isOriginAllowed,
      maxBodyBytes: server.maxRequestBodyBytes,
      bodyMemoryBytes: Math.floor(server.bodyMemoryBytes / server.workers),
      floodWindows: shared.floodWindows,
      floodWaitMs: () => this.#inForce.rateLimits.perClientMaxWaitMs,
      stopped: this.#stopped.signal,
      slicer: this.#slicer,
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
      hasSeveralClients: this.#hasSeveralClients,
      routes: () => snapshots.current.routes,
      knownModels: (targets) => coordinator.knownModels(targets),
      describeLimits: (models) => coordinator.describe(models),
      describeStore: () => shared.describeStore(),
      readUsage: usageReader((question) => shared.readUsage(question), pseudonymsOf(usage)),
      ownClientId: ownClientId(),
      describeClient: (scope) => coordinator.describeClient(scope),
      async describeBudgets(client) {
        const scopes = budgetScopesOf(client, snapshots.current)
        return scopes.length === 0 ? [] : coordinator.describeBudgets(scopes)
      },
      status,
      hasPlayground: () => this.#inForce.status.hasPlayground && !needsCredentials(this.#config),
      draining: this.#draining.signal,
      readMetrics: () => shared.readMetrics(),
      isDraining: () => this.isDraining,
      events,
      now: clock.now,
      wallNow: clock.wallNow,
      setTimer: clock.setTimer,
    })
  }

  reload(next: Config): undefined {
    this.#snapshots.replace(next)
    this.#clients.follow(next)
    this.#parts.tracing.follow(next)
    this.#peers.observers.follow(viewUsersOf(next))
    this.#inForce = next
  }

  setKeys(file: KeyFile): AppliedKeys {
    return { threads: 1, ended: this.#clients.setKeys(file) }
  }

  revokeKeys(secretIds: ReadonlySet<string>): void {
    this.#clients.revokeKeys(secretIds)
  }

  routes(): RouteTable {
    return this.#snapshots.current.routes
  }

  async look(): Promise<readonly [ThreadLook]> {
    return [this.lookNow()]
  }

  lookNow(): ThreadLook {
    const records = this.#snapshots.records()
    return {
      calls: oldestFirst(records.map((record) => this.#reporter.report(record))),
      recent: this.#parts.history.look(),
    }
  }

  count(): ThreadFacts['workers'] {
    return { wanted: 1, running: 1 }
  }

  async describe(): Promise<ThreadFacts> {
    return { isDraining: this.isDraining, openCalls: this.openCalls(), workers: this.count() }
  }

  openCalls(): number {
    return this.#snapshots.openCalls
  }

  async cancelCall(id: string, by = ownClientId()): Promise<boolean> {
    const records = this.#snapshots.cancel(id, callCancelled())
    for (const { call } of records) {
      this.#parts.events.emit({ kind: 'call_cancelled', request_id: id, client: call.client.id, by })
    }
    return records.length > 0
  }

  /** It is this thread that asks. */
  isAlive(): boolean {
    return true
  }

  drain(): void {
    this.#draining.abort()
  }

  async stop(reason: string, onGraceOver: () => void = () => {}): Promise<void> {
    this.drain()
    this.#parts.events.emit({ kind: 'stopping', reason, open_calls: this.openCalls() })
    await endCalls(this.#listeners!, this.#inForce.server.shutdownGraceMs, () => {
      this.#stopped.abort()
      this.#parts.shared.coordinator.close()
      onGraceOver()
      this.#snapshots.interrupt(shuttingDown())
    })
    // A call whose connection is gone has still to be settled.
    await this.#snapshots.settled()
  }

  async close(): Promise<void> {
    await this.#snapshots.close()
    await this.#parts.tracing.stop()
  }
}

/** Whether the calls of a page, which has neither a key nor an identity, are refused. */
function needsCredentials({ keys, identity }: Config): boolean {
  return keys.mode === 'required' || identity.isRequired
}

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
