// Whether output goes to the systemd journal, which reads a priority in front of each line: sd-daemon(3).
import { fstatSync } from 'node:fs'

/**
 * True when the descriptor is the stream that `JOURNAL_STREAM` names by device and inode (systemd.exec(5)). The
 * variable alone says nothing: it is inherited by children whose output goes elsewhere.
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

/** Puts syslog's priority "error" in front of every line. */
export function asErrors(text: string): string {
  return asPriority(3, text)
}

/** @param priority of syslog, from 0 (emergency) to 7 (debug). */
export function asPriority(priority: number, text: string): string {
  return text.replace(/^(?=.)/gm, `<${priority}>`)
}
