// What `serve` does for a service manager: says when it is ready, gives signs of life, and reloads on SIGHUP.
import type { App } from '../app/app.ts'
import { loadConfig } from '../config/load.ts'
import { fileVersion, watchForChanges } from '../config/watch.ts'
import type { Problem } from '../config/problems.ts'
import type { Config } from '../config/types.ts'
import { createNotifier, type ManagerSettings } from '../systemd/notify.ts'
import type { ServeIo } from './serve.ts'
import { printProblems } from './validate-config.ts'

interface Service {
  readonly app: App
  readonly config: Config
  readonly settings: ManagerSettings
  readonly io: ServeIo
  readonly configFile: string
  /** Of the file that `config` was read from. */
  readonly configVersion: string | undefined
}

/** Reports to the manager from here on; everything here works, and says nothing, without one. */
export function underManager({ app, config, settings, io, configFile, configVersion }: Service): {
  stopping(): void
  /** Resolves when the manager has been told all. */
  stopped(): Promise<void>
} {
  const notifier = createNotifier(settings.notifySocket, {
    onFault: (cause) => app.events.managerNotTold(cause),
  })
  // The timer runs in the event loop that serves calls, so that its silence means that no call is served.
  const { watchdogPingMs } = settings
  const giveSign = () => {
    if (app.isAlive?.() ?? true) notifier.watchdog()
  }
  const ping = watchdogPingMs === undefined ? undefined : setInterval(giveSign, watchdogPingMs)

  let served = config
  let version = configVersion
  let isStopping = false
  const reload = async () => {
    if (isStopping) return
    notifier.reloading()
    version = fileVersion(configFile)
    const loaded = loadConfig(configFile, { env: io.env })
    printProblems(io, loaded.ok ? loaded.warnings : loaded.problems, loaded.lines)
    if (loaded.ok) {
      const needsRestart = await app.reload(loaded.config)
      if (isStopping) return
      served = loaded.config
      watch()
      app.events.reloaded(configFile, needsRestart)
      const still = needsRestart.length === 0 ? '' : `; restart to apply ${needsRestart.join(', ')}`
      notifier.ready(statusOf(app, served) + still)
    } else {
      app.events.reloadRefused(configFile, loaded.problems.map(shown))
      notifier.ready(`${statusOf(app, served)}; reload refused: ${firstOf(loaded.problems)}`)
    }
  }
  let stopWatching = () => {}
  const watch = () => {
    stopWatching()
    if (served.server.watchConfig) stopWatching = watchForChanges(configFile, version, () => void reload())
  }
  watch()
  notifier.ready(statusOf(app, served))
  io.reloadSignal.listen(() => void reload())

  return {
    stopping() {
      isStopping = true
      stopWatching()
      notifier.stopping(served.server.shutdownGraceMs)
    },
    async stopped() {
      clearInterval(ping)
      await notifier.sent()
    },
  }
}

/** Why the gateway does not start, for `systemctl status`. */
export async function tellFailure(settings: ManagerSettings, reason: string): Promise<void> {
  const notifier = createNotifier(settings.notifySocket, { onFault: () => {} })
  notifier.status(`not started: ${reason}`)
  await notifier.sent()
}

function statusOf({ addresses }: App, { models, providers }: Config): string {
  return `serving ${counted(models.size, 'model')} of ${counted(providers.size, 'provider')} on ${addresses.join(', ')}`
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** The first error, for a line of status. */
export function firstOf(problems: readonly Problem[]): string {
  const errors = problems.filter(({ severity }) => severity === 'error')
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  return errors[0] === undefined ? 'unknown' : shown(errors[0]) + more
}

function shown({ file, line, column, path, message }: Problem): string {
  return `${file}${line > 0 ? `:${line}:${column}` : ''} ${path && `${path}: `}${message}`
}
