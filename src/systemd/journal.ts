// Output to the systemd journal, which reads a priority at the start of each line: sd-daemon(3).
import { fstatSync } from 'node:fs'

/**
 * Whether the descriptor is the stream that `JOURNAL_STREAM` names by device and inode (systemd.exec(5)). The variable
 * alone is no proof: children inherit it even if their output goes elsewhere.
 */
export function isJournal(env: NodeJS.ProcessEnv, fd: number): boolean {
  const named = env['JOURNAL_STREAM']
  if (named === undefined) return false
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true })
    return named === `${dev}:${ino}`
  } catch {
    return false
  }
}

/** Prefixes every line with syslog's priority "error". */
export function asErrors(text: string): string {
  return asPriority(3, text)
}

/** Prefixes every line. @param priority of syslog, from 0 (emergency) to 7 (debug). */
export function asPriority(priority: number, text: string): string {
  return text.replace(/^(?=.)/gm, `<${priority}>`)
}
