// `llm-gateway systemd await-reload PID`, the command of ExecReload=: requests a reload from the running gateway and fails if
// the gateway refuses the configuration. Only the gateway itself can decide that, because only it has its keys.
import type { Clock } from '../platform/clock.ts'
import { readReloadReport, reloadReportFile } from '../systemd/reload-report.ts'
import { type CommandIo, Output } from './output.ts'
import { printable } from '../platform/printable.ts'

const checkEveryMs = 20

/** A gateway under full load reads its file within that; systemd's own limit is 90 s. */
const maxWaitMs = 20_000

export interface ReloadParts {
  readonly clock: Pick<Clock, 'now'>
  /** Sends SIGHUP. @throws when there is no such process. */
  readonly signal: (pid: number) => void
}

/** @returns the exit status: 0 when the gateway has applied its configuration, else 1. */
export async function systemdReloadCommand(
  io: CommandIo,
  pid: number,
  { clock, signal }: ReloadParts,
): Promise<number> {
  const err = new Output(io.stderr, io.env)
  const file = reloadReportFile(io.env)
  if (file === undefined) {
    err.line('Only the service can run this command. To reload it, run: systemctl --user reload llm-gateway')
    return 1
  }
  const before = readReloadReport(file)?.count
  signal(pid)
  const untilMs = clock.now() + maxWaitMs
  while (clock.now() < untilMs) {
    const report = readReloadReport(file)
    if (report !== undefined && report.count !== before) {
      if (report.failure === undefined) return 0
      err.line(`The gateway refused the configuration and keeps the old one: ${printable(report.failure)}`)
      return 1
    }
    await new Promise<void>((resolve) => setTimeout(resolve, checkEveryMs))
  }
  err.line('The gateway did not report whether it applied the configuration; its log has the result.')
  return 1
}
