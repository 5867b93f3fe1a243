// What `serve` does for a service manager: reports readiness and reloads, sends watchdog pings, and reloads on SIGHUP.
import type { App } from '../app/app.ts'
import { formatFirstError, Reloader, type ReloadResult } from '../app/reload.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/types.ts'
import type { SetTimer } from '../platform/clock.ts'
import { createNotifier, type ManagerSettings, type ServiceNotifier } from '../systemd/notify.ts'
import { reloadReportFile, writeReloadReport } from '../systemd/reload-report.ts'
import { counted } from './output.ts'
import { quietMoment } from './quiet-moment.ts'
import type { ReloadSignal } from './reload-signal.ts'

export interface ServiceParts {
  readonly app: App
  readonly config: Config
  readonly settings: ManagerSettings
  readonly env: NodeJS.ProcessEnv
  readonly configFile: string
  /** Version of the file that `config` was read from. */
  readonly configVersion: string | undefined
  /** Of the stored secrets that it refers to. */
  readonly secretFiles: readonly string[]
  readonly reloadSignal: ReloadSignal
  readonly setTimer: SetTimer
  /** Called with what the file holds at each reload. */
  readonly onRead: (loaded: LoadedConfig) => void
}

export interface Service {
  /** Resolves at the first moment without an open call, at the latest after the grace time. */
  quiet(): Promise<void>
  /** Reports that the gateway is stopping, and ends reloads. */
  stopping(): void
  /** Resolves when the manager has received everything, or sending has failed. */
  stopped(): Promise<void>
}

/** Reports readiness, and keeps reloading and reporting until `stopping`. Without a manager it only reloads. */
export function startService(parts: ServiceParts): Service {
  const { app, env, settings, reloadSignal, setTimer } = parts
  const notifier = createNotifier(settings.notifySocket, {
    onFault: (cause) => app.events.emit({ kind: 'service_manager_not_told', cause }),
  })
  const stopPings = pingWatchdog(app, notifier, settings.watchdogPingMs, setTimer)
  let lastResult: ReloadResult | undefined
  const reloader = new Reloader({
    ...parts,
    onBegin: () => notifier.reloading(),
    onResult(result) {
      lastResult = result
      notifier.ready(statusOf(app, reloader.config) + suffixOf(result))
    },
  })
  notifier.ready(statusOf(app, reloader.config))
  const reportFile = reloadReportFile(env)
  let count = 0
  reloadSignal.listen(async () => {
    await reloader.reload()
    if (reportFile === undefined || lastResult === undefined) return
    count += 1
    try {
      writeReloadReport(reportFile, { count, failure: failureOf(lastResult) })
    } catch (cause) {
      app.events.emit({ kind: 'service_manager_not_told', cause })
    }
  })

  return {
    quiet() {
      notifier.status(`${statusOf(app, reloader.config)}; restarts as soon as no call is open`)
      return quietMoment(app, setTimer, reloader.config.server.shutdownGraceMs)
    },
    stopping() {
      reloader.stop()
      notifier.stopping(reloader.config.server.shutdownGraceMs)
    },
    async stopped() {
      stopPings()
      await notifier.sent()
    },
  }
}

/**
 * Pings from the event loop that serves calls, so that a loop that is stuck sends none and the manager restarts it.
 * @param everyMs undefined: the manager does not watch.
 * @returns a function that ends the pings.
 */
function pingWatchdog(
  app: App,
  notifier: Pick<ReturnType<typeof createNotifier>, 'watchdog'>,
  everyMs: number | undefined,
  setTimer: SetTimer,
): () => void {
  if (everyMs === undefined) return () => {}
  let stopTimer = setTimer(ping, everyMs)
  function ping(): void {
    stopTimer = setTimer(ping, everyMs!)
    if (app.isAlive()) notifier.watchdog()
  }
  return () => stopTimer()
}

/** Reports why the gateway did not start, for `systemctl status`. */
export async function notifyStartFailure(settings: ManagerSettings, reason: string): Promise<void> {
  const notifier: ServiceNotifier = createNotifier(settings.notifySocket, { onFault: () => {} })
  notifier.status(`not started: ${reason}`)
  await notifier.sent()
}

function statusOf({ addresses }: App, { models, providers }: Config): string {
  return `serving ${counted(models.size, 'model')} of ${counted(providers.size, 'provider')} on ${addresses.join(', ')}`
}

function failureOf(result: ReloadResult): string | undefined {
  return result.kind === 'refused' ? formatFirstError(result.problems) : undefined
}

function suffixOf(result: ReloadResult): string {
  if (result.kind === 'refused') return `; reload refused: ${formatFirstError(result.problems)}`
  const { needsRestart } = result
  return needsRestart.length === 0 ? '' : `; restart to apply ${needsRestart.join(', ')}`
}
