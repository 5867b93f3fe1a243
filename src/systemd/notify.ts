// What the service manager is told: sd_notify(3). Node can't send datagrams to a Unix socket, so systemd-notify does,
// one at a time and never waited for. When it fails, calls are served as before, and the log says so once.
import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'

/** Tells the service manager how the gateway is. No method waits or throws. */
export interface ServiceNotifier {
  /** Start or reload is done. `status` is for people who ask `systemctl status`. */
  ready(status: string): void
  status(status: string): void
  reloading(): void
  /** @param graceMs how long the calls under way may take. */
  stopping(graceMs: number): void
  /** Resolves when all that was said has been sent, or could not be. */
  sent(): Promise<void>
}

/** Sends assignments (`READY=1`) to the socket; rejects when that fails. */
type SendNotification = (socket: string, assignments: readonly string[]) => Promise<void>

export interface NotifierParts {
  /** Called on the first failure only. */
  readonly onFault: (cause: unknown) => void
  readonly send?: SendNotification
  readonly monotonicUs?: () => bigint
}

const marginMs = 15_000

/** What systemd says to a service: where it listens to us, and how often it wants a sign of life. */
export interface ManagerSettings {
  readonly notifySocket: string | undefined
  /** Half of the time after which the manager ends a silent service; undefined: it does not watch. */
  readonly watchdogPingMs: number | undefined
}

/**
 * Reads what is meant for the process `pid`, and removes it from `env`, so that no child inherits it. What is meant for
 * another process (the gateway started by hand from within some service) is ignored.
 */
export function takeManagerSettings(env: NodeJS.ProcessEnv, pid: number): ManagerSettings {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: period, WATCHDOG_PID: watched } = env
  const isOurs = (env['SYSTEMD_EXEC_PID'] ?? String(pid)) === String(pid)
  delete env['NOTIFY_SOCKET']
  delete env['WATCHDOG_USEC']
  delete env['WATCHDOG_PID']
  const isWatched = isOurs && (watched ?? String(pid)) === String(pid) && /^[1-9]\d{0,15}$/.test(period ?? '')
  return {
    notifySocket: isOurs && socket !== '' ? socket : undefined,
    watchdogPingMs: isWatched ? Math.max(1, Math.floor(Number(period) / 2000)) : undefined,
  }
}

/** A notifier; without a socket one that does nothing. */
export function createNotifier(
  socket: string | undefined,
  parts: NotifierParts,
): ServiceNotifier & { watchdog(): void } {
  const { onFault, send = sendByProgram, monotonicUs = () => process.hrtime.bigint() / 1000n } = parts
  const waiting: string[][] = []
  let running: Promise<void> | undefined
  let hasFailed = false

  async function work(to: string): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      try {
        await send(to, next)
      } catch (error) {
        if (!hasFailed) onFault(error)
        hasFailed = true
      }
    }
    running = undefined
  }
  function say(...assignments: string[]): void {
    if (socket === undefined) return
    waiting.push(assignments)
    running ??= work(socket)
  }
  const statusLine = (status: string) => `STATUS=${status.replaceAll(/\p{Cc}/gu, ' ')}`

  return {
    ready: (status) => say('READY=1', statusLine(status)),
    status: (status) => say(statusLine(status)),
    reloading: () => say('RELOADING=1', `MONOTONIC_USEC=${monotonicUs()}`),
    stopping: (graceMs) =>
      say(
        'STOPPING=1',
        'STATUS=finishing the calls under way',
        `EXTEND_TIMEOUT_USEC=${(graceMs + marginMs) * 1000}`,
      ),
    // Pings that wait behind one another would say no more than one.
    watchdog() {
      if (!waiting.some(([first]) => first === 'WATCHDOG=1')) say('WATCHDOG=1')
    },
    sent: () => running ?? Promise.resolve(),
  }
}

/** Absolute, because PATH may be anything: Debian and others, merged-/usr or not, NixOS. */
const programs = [
  '/usr/bin/systemd-notify',
  '/bin/systemd-notify',
  '/run/current-system/sw/bin/systemd-notify',
]

/** Longer than it takes under any load; a program that hangs must not hold up the next sign of life. */
const sendTimeoutMs = 5_000

function sendByProgram(socket: string, assignments: readonly string[]): Promise<void> {
  const program = programs.find(isExecutable)
  if (program === undefined) return Promise.reject(new Error(`there is no ${programs[0]}`))
  return new Promise((resolve, reject) => {
    execFile(
      program,
      assignments,
      { env: { NOTIFY_SOCKET: socket }, cwd: '/', timeout: sendTimeoutMs, killSignal: 'SIGKILL' },
      (error) => (error === null ? resolve() : reject(error)),
    )
  })
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
