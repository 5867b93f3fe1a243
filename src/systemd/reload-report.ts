// How a reload that the service manager requested went: the gateway writes it down, and the command of ExecReload= reads it.
// A signal has no reply, and the manager only knows a reload as failed if that command fails.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface ReloadReport {
  /** Counts the reloads that a signal requested, since the gateway started. */
  readonly count: number
  /** One line; undefined if the configuration was applied. */
  readonly failure: string | undefined
}

/** The unit's `RuntimeDirectory=` (systemd.exec(5)); undefined outside of a service. */
export function reloadReportFile({ RUNTIME_DIRECTORY: directory }: NodeJS.ProcessEnv): string | undefined {
  return directory?.startsWith('/') === true ? join(directory.split(':')[0]!, 'reload.json') : undefined
}

/** Replaces the last report. @throws when it cannot be written. */
export function writeReloadReport(file: string, report: ReloadReport): void {
  mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 })
  writeFileSync(`${file}.new`, JSON.stringify(report), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** Undefined before the first reload. */
export function readReloadReport(file: string): ReloadReport | undefined {
  try {
    const { count, failure } = JSON.parse(readFileSync(file, 'utf8')) as Partial<ReloadReport>
    return typeof count === 'number' ? { count, failure } : undefined
  } catch {
    return undefined
  }
}
