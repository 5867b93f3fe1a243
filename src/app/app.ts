// The composition root: builds the long-lived parts from a configuration, and ends them again.
import { isDeepStrictEqual } from 'node:util'
import type { AdmissionStore } from '../admission/store.ts'
import { guardsOf, peerIdentifiersOf } from './guards.ts'
import { type Limits, startLimits } from './limits.ts'
import { ProviderWatch } from './provider-watch.ts'
import { Providers } from './providers.ts'
import { Snapshots } from './snapshots.ts'
import { createTicker, type Ticker } from '../call/ticker.ts'
import { UsageRefusals } from '../call/usage-refusals.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import type { Config } from '../config/types.ts'
import { dialects as allDialects, type Dialects } from '../dialects/table.ts'
import { GatewayError } from '../errors.ts'
import { createEvents, type Events } from '../observe/events.ts'
import { openLogOutput } from '../observe/log-output.ts'
import { createLog } from '../observe/log.ts'
import { logSink } from '../observe/sinks/log.ts'
import { ProviderLoad } from '../routing/provider-load.ts'
import { TargetHealth } from '../routing/target-health.ts'
import { ClientWindows, type FloodLimit, type FloodWindows } from '../server/flood-limit.ts'
import { clientReader, forwardedForReader } from '../clients/forwarded-for.ts'
import { originMatcher } from '../server/allowed-origins.ts'
import { type InheritedSocket, listenInherited } from '../server/listeners/inherited.ts'
import { listen } from '../server/listeners/tcp.ts'
import { createHandlers } from '../server/server.ts'
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
  /** Of a gateway of several threads: whether each of them has answered since this was asked last. */
  isAlive?(): boolean
}

/** What a gateway has in common with others of this process that serve together with it (fleet/). */
export interface Common {
  readonly limits: Limits
  readonly floodWindows: FloodWindows | undefined
  readonly events: Events
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
  /** What looks at the deadlines of calls; when absent one that runs by the clock. */
  readonly ticker?: Ticker
  /** The wire formats that are served; all that there are when absent. */
  readonly dialects?: Dialects
  /** Where calls are counted; when absent this process's memory, which alone is kept over a restart. */
  readonly store?: AdmissionStore
  /** Absent: this gateway serves alone. */
  readonly common?: Common
}

/** @throws StartError when an address can't be had, or a user to be served is none here. */
export async function startApp(config: Config, surroundings: Surroundings): Promise<App> {
  const { stdout, isJournal = false, version, configFile, sockets = [], clock = systemClock } = surroundings
  const { stateDirectory, store, common, dialects = allDialects } = surroundings
  const events = common?.events ?? openEvents(config.logging, { stdout, isJournal })
  const identifiers = peerIdentifiersOf(config, events)
  const limits =
    common?.limits ?? (await startLimits(config.rateLimits, { stateDirectory, clock, store }, events))
  const { admission, calibration } = limits
  const lasting = {
    dialects,
    admission,
    calibration,
    usageRefusals: new UsageRefusals(),
    health: new TargetHealth(),
    load: new ProviderLoad(),
    events,
    ticker: surroundings.ticker ?? createTicker(clock),
    ...clock,
    chance: Math.random,
  }
  const { health } = lasting
  const watch = new ProviderWatch({
    clock: lasting,
    events,
    health,
    onModels: (models) => snapshots.offer(models),
  })
  const providers = new Providers(`llm-gateway/${version}`)
  const snapshots = new Snapshots(config, lasting, providers, (model) => watch.refresh(model))
  const { cors, server } = config
  let { shutdownGraceMs } = server
  let isDraining = false

  const isOriginAllowed = originMatcher(cors.enabled ? cors.allowedOrigins : [], cors.allowAll)
  const forwardedFor = forwardedForReader(server.trustedProxies.cidrs)
  const handlers = await createHandlers({
    guards: guardsOf(config, isOriginAllowed, forwardedFor),
    isOriginAllowed,
    maxBodyBytes: server.maxRequestBodyBytes,
    floodLimit: floodLimitOf(config, clock, common?.floodWindows),
    clientOf: clientReader(forwardedFor),
    dialects,
    serveCall: (call) => snapshots.serve(call),
    routes: () => snapshots.current.routes,
    admission,
    isDraining: () => isDraining,
    events,
    now: clock.now,
    setTimer: clock.setTimer,
  })
  const isInherited = sockets.length > 0
  // Before the first call, which may be waiting at the socket, and may be for a model that is to be discovered.
  watch.follow(config, snapshots.current.providers)
  const listening = isInherited
    ? listenInherited(sockets, identifiers, handlers)
    : listen({ ...server, reusePort: common !== undefined }, identifiers, handlers)
  const listeners = await listening.catch((error: unknown) => {
    watch.stop()
    throw error
  })
  events.emit({ kind: 'listening', addresses: listeners.addresses, config: configFile })

  return {
    addresses: listeners.addresses,
    events,
    get providers() {
      return snapshots.current.providers
    },
    reload(next) {
      snapshots.replace(next)
      watch.follow(next, snapshots.current.providers)
      admission.applyLimits(next.rateLimits)
      shutdownGraceMs = next.server.shutdownGraceMs
      return settingsToRestartFor(config, next)
    },
    async stop(reason) {
      isDraining = true
      watch.stop()
      events.emit({ kind: 'stopping', reason, open_calls: snapshots.openCalls })
      let deadline = setTimeout(() => {
        admission.close()
        snapshots.interrupt(new GatewayError('shutting_down', 'The gateway is shutting down; ask again.'))
        deadline = setTimeout(() => listeners.closeNow(), lastWordsMs)
      }, shutdownGraceMs)
      await listeners.close()
      clearTimeout(deadline)
      // A call whose connection is gone has still to be settled before that is saved.
      await snapshots.settled()
      await limits.save()
      await snapshots.close()
      events.emit({ kind: 'stopped' })
    },
  }
}

function openEvents(
  logging: Config['logging'],
  place: Pick<Surroundings, 'stdout'> & { isJournal: boolean },
): Events {
  const output = openLogOutput(logging, {
    ...place,
    onTransportFailure: (target, cause) => events.emit({ kind: 'log_transport_failed', target, cause }),
  })
  const events = createEvents([logSink(createLog(logging.level, output))])
  return events
}

/** How long the last bytes of calls that were ended may take to their clients. */
const lastWordsMs = 1_000

/** What is built once, at the start: key of the file and value. */
function* fixedSettings(config: Config): Generator<readonly [string, unknown]> {
  const { server, access, cors, logging } = config
  yield ['server.workers', server.workers]
  yield ['server.hosts', server.hosts]
  yield ['server.port', server.port]
  yield ['server.unix_socket', server.unixSocket]
  yield ['server.allowed_hosts', server.allowedHosts]
  yield ['server.trusted_proxies', server.trustedProxies]
  yield ['server.max_request_body_bytes', server.maxRequestBodyBytes]
  yield ['access', access]
  yield ['cors', cors]
  yield ['logging', logging]
  yield ['rate_limit_settings.per_client', perClientRpmOf(config)]
}

/** The keys of the file whose values changed and that only a restart applies. */
export function settingsToRestartFor(started: Config, next: Config): string[] {
  const wanted = new Map(fixedSettings(next))
  return [...fixedSettings(started)]
    .filter(([key, value]) => !isDeepStrictEqual(value, wanted.get(key)))
    .map(([key]) => key)
}

/** Undefined: the requests of a client are not limited. */
export function perClientRpmOf({ rateLimits }: Config): number | undefined {
  return rateLimits.enabled ? rateLimits.perClientRpm : undefined
}

function floodLimitOf(config: Config, { now }: Clock, windows?: FloodWindows): FloodLimit | undefined {
  const rpm = perClientRpmOf(config)
  return rpm === undefined ? undefined : { rpm, windows: windows ?? new ClientWindows(rpm, now) }
}
