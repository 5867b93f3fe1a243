// The composition root: builds the long-lived parts from a configuration, and ends them again.
import { performance } from 'node:perf_hooks'
import { isDeepStrictEqual } from 'node:util'
import { Admission } from './admission/admission.ts'
import { Calibration } from './admission/estimate.ts'
import { MemoryStore } from './admission/memory-store.ts'
import { SnapshotFile } from './admission/snapshot-file.ts'
import type { SetTimer } from './admission/waiting-line.ts'
import type { Call, Snapshot } from './call/call.ts'
import { handleCall } from './call/handle-call.ts'
import { createTicker } from './call/ticker.ts'
import { UsageRefusals } from './call/usage-refusals.ts'
import type { Config, ProviderConfig, RateLimitConfig } from './config/types.ts'
import { createEvents, type Events } from './observe/events.ts'
import { createLog } from './observe/log.ts'
import { RouteTable } from './routing/route-table.ts'
import { addressGuard, clientOf } from './server/guards/address.ts'
import { hostGuard } from './server/guards/host.ts'
import { originMatcher } from './server/guards/origins.ts'
import { fetchSiteGuard, originGuard } from './server/guards/origin.ts'
import { upgradeGuard } from './server/guards/upgrade.ts'
import { type InheritedSocket, listenInherited } from './server/inherited.ts'
import { listen } from './server/listeners.ts'
import { createHandlers } from './server/server.ts'
import { createEcho } from './upstream/echo.ts'
import type { Provider } from './upstream/provider.ts'
import { createHttpProvider } from './upstream/send.ts'

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
}

/** @throws ListenError when an address can't be had. */
export async function startApp(
  config: Config,
  { stdout, isJournal = false, version, configFile, stateDirectory, sockets = [] }: Surroundings,
): Promise<App> {
  const now = () => performance.now()
  const events = createEvents(createLog(config.logging, { stream: stdout, isJournal }))
  const limits = await startLimits(config.rateLimits, stateDirectory, events, now)
  let snapshot: Snapshot = {
    routes: new RouteTable(config.models),
    providers: createProviders(config, version),
    admission: limits.admission,
    calibration: limits.calibration,
    usageRefusals: new UsageRefusals(),
    events,
    ticker: createTicker(now),
    now,
  }

  let isDraining = false
  let openCalls = 0
  const serveCall = async (call: Call) => {
    openCalls += 1
    await handleCall(call, snapshot)
    openCalls -= 1
  }

  const isOriginAllowed = originMatcher(
    config.cors.enabled ? config.cors.allowedOrigins : [],
    config.cors.allowAll,
  )
  const handlers = await createHandlers({
    guards: [
      addressGuard(config.access.allowedIps, config.server.trustedProxies),
      hostGuard(config.server.allowedHosts),
      originGuard(isOriginAllowed),
      fetchSiteGuard(isOriginAllowed),
      upgradeGuard,
    ],
    isOriginAllowed,
    maxBodyBytes: config.server.maxRequestBodyBytes,
    clientOf: clientOf(config.server.trustedProxies),
    serveCall,
    routes: () => snapshot.routes,
    isDraining: () => isDraining,
    events,
    now,
  })
  const isInherited = sockets.length > 0
  const listeners = isInherited
    ? await listenInherited(sockets, handlers)
    : await listen(config.server.hosts, config.server.port, handlers)
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
      snapshot = { ...snapshot, routes, providers }
      limits.admission.applyLimits(next.rateLimits)
      return fixedSections.filter((name) => !isDeepStrictEqual(config[name], next[name]))
    },
    async stop(reason) {
      isDraining = true
      events.stopping(reason, openCalls)
      const grace = setTimeout(() => {
        limits.admission.close()
        listeners.closeNow()
      }, config.server.shutdownGraceMs)
      // Connections that outlive a restart still bring calls; elsewhere nobody is to wait in a line for nothing.
      if (!isInherited) limits.admission.close()
      await listeners.close()
      clearTimeout(grace)
      await limits.save()
      await Promise.all([...snapshot.providers.values()].map((provider) => provider.close()))
      events.stopped()
    },
  }
}

interface Limits {
  readonly admission: Admission
  readonly calibration: Calibration
  /** Writes the counters down a last time. */
  save(): Promise<void>
}

/** Admission with its counters as the last run left them. */
async function startLimits(
  config: RateLimitConfig,
  stateDirectory: string | undefined,
  events: Events,
  now: () => number,
): Promise<Limits> {
  const store = new MemoryStore()
  const calibration = new Calibration()
  const setTimer: SetTimer = (fn, delayMs) => {
    const timer = setTimeout(fn, delayMs)
    return () => clearTimeout(timer)
  }
  if (stateDirectory === undefined) {
    const admission = new Admission({ store, calibration, limits: config, now, setTimer })
    return { admission, calibration, save: () => Promise.resolve() }
  }
  const file = new SnapshotFile({
    directory: stateDirectory,
    store,
    calibration,
    now,
    wallNow: Date.now,
    setTimer,
    onFault: (cause) => events.limitsNotSaved(cause),
  })
  events.limitsLoaded(await file.load())
  const onChange = () => file.touch()
  const admission = new Admission({ store, calibration, limits: config, now, setTimer, onChange })
  return { admission, calibration, save: () => file.stop() }
}

/** What is built once, at the start. */
const fixedSections = ['server', 'access', 'cors', 'routing', 'logging'] as const

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
