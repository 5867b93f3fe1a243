// The last lines of a unit's journal, by journalctl, with the rights of the user who asks.
import { bounded } from '../platform/bounded-text.ts'
import type { RunProgram } from '../systemd/programs.ts'
import type { Scope } from '../systemd/scope.ts'

interface Journal {
  /** The oldest first; printable. */
  readonly lines: readonly string[]
  /** Why there are none. Undefined: they could be read. */
  readonly fault: string | undefined
}

const maxLineLength = 1_000

/** `--user` would leave out what a journal in memory holds, which is not split by users (journald.conf(5), `SplitMode=`). */
export function journalOption(scope: Scope, unit: string): string {
  return `--${scope === 'user' ? 'user-unit' : 'unit'}=${unit}`
}

/** @param unit from the configuration, which has checked it: no pattern, and no option. */
export function readServiceJournal(run: RunProgram, scope: Scope, unit: string, lines: number): Journal {
  const { status, stdout, stderr } = run('journalctl', [
    journalOption(scope, unit),
    `--lines=${lines}`,
    '--no-pager',
    '--quiet',
    '--output=cat',
  ])
  if (status !== 0) {
    const reason = stderr.trim() === '' ? `journalctl ended with status ${status}` : stderr.trim()
    return { lines: [], fault: bounded(reason, maxLineLength) }
  }
  const found = stdout.split('\n').filter((line) => line.trim() !== '')
  return {
    lines: found.slice(-lines || found.length).map((line) => bounded(line, maxLineLength)),
    fault: undefined,
  }
}

/** As it is printed below a service. */
export function journalText(unit: string, { lines, fault }: Journal): string[] {
  if (fault !== undefined) return [`  (the journal of ${unit} cannot be read: ${fault})`]
  if (lines.length === 0) return [`  (the journal of ${unit} is empty, or this user may not read it)`]
  return lines.map((line) => `  | ${line}`)
}
