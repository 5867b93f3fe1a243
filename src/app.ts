// The composition root: builds the long-lived parts from a configuration, and ends them again.
import { isDeepStrictEqual } from 'node:util'
import { Admission } from './admission/admission.ts'
import { Calibration } from './admission/estimate.ts'
import { MemoryStore } from './admission/memory-store.ts'
import type { AdmissionStore } from './admission/store.ts'
import { SnapshotFile } from './admission/snapshot-file.ts'
import type { Call, Snapshot } from './call/call.ts'
import { handleCall } from './call/handle-call.ts'
import { createTicker } from './call/ticker.ts'
import { UsageRefusals } from './call/usage-refusals.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Config, ProviderConfig, RateLimitConfig } from './config/types.ts'
import { createEvents, type Events } from './observe/events.ts'
import { createLog } from './observe/log.ts'
import { ProviderLoad } from './routing/provider-load.ts'
import { RouteTable } from './routing/route-table.ts'
import { TargetHealth } from './routing/target-health.ts'
import { addressGuard, addressIdentity, clientOf } from './server/guards/address.ts'
import { bodySizeGuard } from './server/guards/body-size.ts'
import { contentCodingGuard } from './server/guards/content-coding.ts'
import { expectGuard } from './server/guards/expect.ts'
import { framingGuard } from './server/guards/framing.ts'
import { headerCountGuard } from './server/guards/header-count.ts'
import { hostGuard } from './server/guards/host.ts'
import { originMatcher } from './server/guards/origins.ts'
import { fetchSiteGuard, originGuard } from './server/guards/origin.ts'
import { peerUserCheck, socketOwner } from './server/guards/peer-user.ts'
import { targetGuard } from './server/guards/target.ts'
import { upgradeGuard } from './server/guards/upgrade.ts'
import { type InheritedSocket, listenInherited } from './server/inherited.ts'
import { type Doormen, listen } from './server/listeners.ts'
import { PeerTable } from './server/peer-table.ts'
import { createHandlers } from './server/server.ts'
import { createEcho } from './upstream/echo.ts'
import type { Provider } from './upstream/provider.ts'
import { createHttpProvider } from './upstream/send.ts'
import { systemUsers } from './unix-users.ts'

export interface App {
  /** `http://127.0.0.1:4000` and so on. */
  readonly addresses: readonly string[]
  readonly events: Events
  readonly providers: ReadonlyMap<string, Provider>
  /**
   * Serves by another configuration from the next call on; calls under way end as they began.
   * @returns the sections of the file that changed and that only a restart applies.
   */
  reload(config: Config): string[]
  /**
   * Stops accepting, lets calls under way finish for `server.shutdown_grace_ms`, then ends them.
   * @param reason for the log: the signal's name.
   */
  stop(reason: string): Promise<void>
}

export interface Surroundings {
  /** Where the log goes. */
  readonly stdout: NodeJS.WritableStream & { isTTY?: boolean }
  /** True when that is the systemd journal. */
  readonly isJournal?: boolean
  /** For `user-agent`. */
  readonly version: string
  /** For the log only. */
  readonly configFile: string
  /** Where the limits' counters are kept over a restart. Undefined: nowhere. */
  readonly stateDirectory: string | undefined
  /** Opened by a service manager: served in the place of `server.hosts`, if there are any. */
  readonly sockets?: readonly InheritedSocket[]
  /** The machine's own when absent. */
  readonly clock?: Clock
  /** Where calls are counted; when absent this process's memory, which alone is kept over a restart. */
  readonly store?: AdmissionStore
}

/** @throws StartError when an address can't be had, or a user to be served is none here. */
export async function startApp(
  config: Config,
  {
    stdout,
    isJournal = false,
    version,
    configFile,
    stateDirectory,
    sockets = [],
    clock = systemClock,
    store,
  }: Surroundings,
): Promise<App> {
  const { now, wallNow, setTimer } = clock
  const events = createEvents(createLog(config.logging, { stream: stdout, isJournal }))
  const doormen = chooseDoormen(config, events)
  const limits = await startLimits(config.rateLimits, { stateDirectory, clock, store }, events)
  let snapshot: Snapshot = {
    routes: new RouteTable(config.models),
    providers: createProviders(config, version),
    admission: limits.admission,
    calibration: limits.calibration,
    usageRefusals: new UsageRefusals(),
    routing: config.routing,
    health: new TargetHealth(),
    load: new ProviderLoad(),
    events,
    ticker: createTicker(clock),
    now,
    wallNow,
    chance: Math.random,
    setTimer,
  }

  let isDraining = false
  const openCalls = new Set<Promise<void>>()
  const serveCall = async (call: Call) => {
    const ended = handleCall(call, snapshot)
    openCalls.add(ended)
    await ended
    openCalls.delete(ended)
  }

  const isOriginAllowed = originMatcher(
    config.cors.enabled ? config.cors.allowedOrigins : [],
    config.cors.allowAll,
  )
  const handlers = await createHandlers({
    guards: [
      headerCountGuard,
      addressGuard(config.access.allowedIps, config.server.trustedProxies),
      hostGuard(config.server.allowedHosts),
      originGuard(isOriginAllowed),
      fetchSiteGuard(isOriginAllowed),
      upgradeGuard,
      expectGuard,
      targetGuard,
      framingGuard,
      contentCodingGuard,
      bodySizeGuard(config.server.maxRequestBodyBytes),
    ],
    isOriginAllowed,
    maxBodyBytes: config.server.maxRequestBodyBytes,
    perClientRpm: floodLimitOf(config),
    clientOf: clientOf(config.server.trustedProxies),
    serveCall,
    routes: () => snapshot.routes,
    admission: limits.admission,
    isDraining: () => isDraining,
    events,
    now,
  })
  const isInherited = sockets.length > 0
  const listeners = isInherited
    ? await listenInherited(sockets, doormen, handlers)
    : await listen(config.server, doormen, handlers)
  events.listening(listeners.addresses, configFile)

  return {
    addresses: listeners.addresses,
    events,
    get providers() {
      return snapshot.providers
    },
    reload(next) {
      // The old providers' idle connections end by themselves; calls that still wait need them open.
      const [routes, providers] = [new RouteTable(next.models), createProviders(next, version)]
      snapshot = { ...snapshot, routes, providers, routing: next.routing }
      limits.admission.applyLimits(next.rateLimits)
      const fixed: string[] = fixedSections.filter((name) => !isDeepStrictEqual(config[name], next[name]))
      if (floodLimitOf(config) !== floodLimitOf(next)) fixed.push('rate_limit_settings.per_client')
      return fixed
    },
    async stop(reason) {
      isDraining = true
      events.stopping(reason, openCalls.size)
      const grace = setTimeout(() => {
        limits.admission.close()
        listeners.closeNow()
      }, config.server.shutdownGraceMs)
      // Connections that outlive a restart still bring calls; elsewhere nobody is to wait in a line for nothing.
      if (!isInherited) limits.admission.close()
      await listeners.close()
      clearTimeout(grace)
      // A call whose connection is gone has still to be settled before that is saved.
      await Promise.all(openCalls)
      await limits.save()
      await Promise.all([...snapshot.providers.values()].map((provider) => provider.close()))
      events.stopped()
    },
  }
}

/** Who says whom the listeners let in. */
function chooseDoormen({ access }: Config, events: Events): Doormen {
  const parts = { users: systemUsers(), ownUid: process.getuid?.() ?? 0 }
  const byUser = peerUserCheck({
    ...parts,
    allowedUsers: access.allowedUsers,
    platform: process.platform,
    table: new PeerTable(),
    onUnreadable: (cause) => events.peersUnreadable(cause),
  })
  return { tcp: byUser ?? addressIdentity, unixSocket: socketOwner(parts) }
}

interface Limits {
  readonly admission: Admission
  readonly calibration: Calibration
  /** Writes the counters down a last time. */
  save(): Promise<void>
}

interface LimitSurroundings extends Pick<Surroundings, 'stateDirectory'> {
  readonly clock: Clock
  readonly store: AdmissionStore | undefined
}

/** Admission with its counters as the last run left them. */
async function startLimits(
  limits: RateLimitConfig,
  { stateDirectory, clock, store }: LimitSurroundings,
  events: Events,
): Promise<Limits> {
  const { now, wallNow, setTimer } = clock
  const calibration = new Calibration()
  const memory = new MemoryStore()
  const parts = { store: store ?? memory, calibration, limits, now, setTimer }
  if (stateDirectory === undefined || store !== undefined) {
    return { admission: new Admission(parts), calibration, save: () => Promise.resolve() }
  }
  const file = new SnapshotFile({
    directory: stateDirectory,
    store: memory,
    calibration,
    now,
    wallNow,
    setTimer,
    onFault: (cause) => events.limitsNotSaved(cause),
  })
  events.limitsLoaded(await file.load())
  const admission = new Admission({ ...parts, onChange: () => file.touch() })
  return { admission, calibration, save: () => file.stop() }
}

/** What is built once, at the start. */
const fixedSections = ['server', 'access', 'cors', 'logging'] as const

function floodLimitOf({ rateLimits }: Config): number | undefined {
  return rateLimits.enabled ? rateLimits.perClientRpm : undefined
}

function createProviders(config: Config, version: string): Map<string, Provider> {
  return new Map(
    Array.from(config.providers, ([name, provider]) => [name, createProvider(provider, version)]),
  )
}

function createProvider(config: ProviderConfig, version: string): Provider {
  return config.kind === 'echo'
    ? createEcho(config.name)
    : createHttpProvider(config, `llm-gateway/${version}`)
}
