// The composition root: builds the long-lived parts from a configuration, and ends them again.
import { performance } from 'node:perf_hooks'
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
import { addressGuard, addressIdentity, clientOf } from './server/guards/address.ts'
import { bodySizeGuard } from './server/guards/body-size.ts'
import { contentCodingGuard } from './server/guards/content-coding.ts'
import { framingGuard } from './server/guards/framing.ts'
import { headerCountGuard } from './server/guards/header-count.ts'
import { hostGuard } from './server/guards/host.ts'
import { methodGuard } from './server/guards/method.ts'
import { originMatcher } from './server/guards/origins.ts'
import { fetchSiteGuard, originGuard } from './server/guards/origin.ts'
import { peerUserCheck, socketOwner } from './server/guards/peer-user.ts'
import { targetGuard } from './server/guards/target.ts'
import { upgradeGuard } from './server/guards/upgrade.ts'
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
   * Stops accepting, lets calls under way finish for `server.shutdown_grace_ms`, then ends them.
   * @param reason for the log: the signal's name.
   */
  stop(reason: string): Promise<void>
}

export interface Surroundings {
  /** Where the log goes. */
  readonly stdout: NodeJS.WritableStream & { isTTY?: boolean }
  /** For `user-agent`. */
  readonly version: string
  /** For the log only. */
  readonly configFile: string
  /** Where the limits' counters are kept over a restart. Undefined: nowhere. */
  readonly stateDirectory: string | undefined
}

/** @throws StartError when an address can't be had, or a user to be served is none here. */
export async function startApp(
  config: Config,
  { stdout, version, configFile, stateDirectory }: Surroundings,
): Promise<App> {
  const now = () => performance.now()
  const events = createEvents(createLog(config.logging, stdout))
  const doormen = chooseDoormen(config, events)
  const providers = new Map<string, Provider>()
  for (const [name, provider] of config.providers) providers.set(name, createProvider(provider, version))
  const limits = await startLimits(config.rateLimits, stateDirectory, events, now)
  const snapshot: Snapshot = {
    routes: new RouteTable(config.models),
    providers,
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
      headerCountGuard,
      addressGuard(config.access.allowedIps, config.server.trustedProxies),
      hostGuard(config.server.allowedHosts),
      originGuard(isOriginAllowed),
      fetchSiteGuard(isOriginAllowed),
      upgradeGuard,
      methodGuard,
      targetGuard,
      framingGuard,
      contentCodingGuard,
      bodySizeGuard(config.server.maxRequestBodyBytes),
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
  const listeners = await listen(config.server, doormen, handlers)
  events.listening(listeners.addresses, configFile)

  return {
    addresses: listeners.addresses,
    events,
    providers,
    async stop(reason) {
      isDraining = true
      events.stopping(reason, openCalls)
      const grace = setTimeout(() => listeners.closeNow(), config.server.shutdownGraceMs)
      limits.admission.close()
      await listeners.close()
      clearTimeout(grace)
      await limits.save()
      await Promise.all([...providers.values()].map((provider) => provider.close()))
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

function createProvider(config: ProviderConfig, version: string): Provider {
  return config.kind === 'echo'
    ? createEcho(config.name)
    : createHttpProvider(config, `llm-gateway/${version}`)
}
