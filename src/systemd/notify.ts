// Notifies the service manager: sd_notify(3). Node can't send datagrams to a Unix socket, so the program systemd-notify
// does, one message at a time; nothing waits for it. If it fails, calls are served as before and the failure is logged once.
import { execFile } from 'node:child_process'
import { printable } from '../platform/printable.ts'
import { absoluteProgram } from './absolute-program.ts'

/** Notifies the service manager. No method waits or throws. */
export interface ServiceNotifier {
  /** The start or a reload is complete. `status` is shown by `systemctl status`. */
  ready(status: string): void
  status(status: string): void
  reloading(): void
  /** @param graceMs how long the calls in progress may take. */
  stopping(graceMs: number): void
  /** Resolves when every message has been sent or has failed. */
  sent(): Promise<void>
}

/** Sends assignments (`READY=1`) to the socket; rejects when that fails. */
type SendNotification = (socket: string, assignments: readonly string[]) => Promise<void>

export interface NotifierParts {
  /** Called for the first failure only. */
  readonly onFault: (cause: unknown) => void
  readonly send?: SendNotification
  readonly monotonicUs?: () => bigint
}

/** Added to the grace period before the manager kills the process. */
const marginMs = 15_000

/** What systemd passes to a service: where to send notifications, and how often to ping its watchdog. */
export interface ManagerSettings {
  readonly notifySocket: string | undefined
  /** Half the time after which the manager restarts a service that sends no ping; undefined: no watchdog. */
  readonly watchdogPingMs: number | undefined
}

/**
 * Reads the settings for the process `pid`, and removes them from `env`, so that no child inherits them. Settings for
 * another process are ignored: the gateway may be started by hand from within some service.
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

/** @param socket undefined: the notifier does nothing. */
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
  function notify(...assignments: string[]): void {
    if (socket === undefined) return
    waiting.push(assignments)
    running ??= work(socket)
  }
  const statusLine = (status: string) => `STATUS=${printable(status.replaceAll(/\s/g, ' '))}`

  return {
    ready: (status) => notify('READY=1', statusLine(status)),
    status: (status) => notify(statusLine(status)),
    reloading: () => notify('RELOADING=1', `MONOTONIC_USEC=${monotonicUs()}`),
    stopping: (graceMs) =>
      notify(
        'STOPPING=1',
        'STATUS=finishing the calls in progress',
        `EXTEND_TIMEOUT_USEC=${(graceMs + marginMs) * 1000}`,
      ),
    // A second ping in the queue would add nothing.
    watchdog() {
      if (!waiting.some(([first]) => first === 'WATCHDOG=1')) notify('WATCHDOG=1')
    },
    sent: () => running ?? Promise.resolve(),
  }
}

/** Ample under any load; a program that hangs must not delay the next watchdog ping. */
const sendTimeoutMs = 5_000

function sendByProgram(socket: string, assignments: readonly string[]): Promise<void> {
  const program = absoluteProgram('systemd-notify')
  if (program === undefined) return Promise.reject(new Error('there is no systemd-notify'))
  return new Promise((resolve, reject) => {
    execFile(
      program,
      assignments,
      { env: { NOTIFY_SOCKET: socket }, cwd: '/', timeout: sendTimeoutMs, killSignal: 'SIGKILL' },
      (error) => (error === null ? resolve() : reject(error)),
    )
  })
}
