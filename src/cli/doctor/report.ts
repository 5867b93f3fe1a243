// Prints the findings as a table or as JSON.
import { asPriority } from '../../systemd/journal.ts'
import { type CommandIo, counted, displayWidth, Output } from '../output.ts'
import { printable } from '../../platform/printable.ts'
import { type Check, shortened, type State } from './finding.ts'

const styles = { ok: 'green', warn: 'yellow', fail: 'red', skipped: 'dim' } as const
/** Syslog priorities, for the journal. */
const priorities = { ok: 6, warn: 4, fail: 3, skipped: 6 } as const

/** Wider subjects shift the rest of their row. */
const maxSubjectWidth = 44

export function printTable(io: CommandIo, checks: readonly Check[], isJournal: boolean): void {
  const out = new Output(io.stdout, io.env)
  const subjects = checks.map(({ area, subject }) =>
    printable(area === 'provider' ? subject : `${area}: ${subject}`),
  )
  const width = Math.min(maxSubjectWidth, Math.max(0, ...subjects.map(displayWidth)))
  const line = (state: State, text: string) =>
    out.line(isJournal ? asPriority(priorities[state], text) : text)
  line('ok', out.styled('bold', `${'state'.padEnd(stateWidth)}  ${'check'.padEnd(width)}  result`))
  for (const [index, { state, detail, fix, lines = [] }] of checks.entries()) {
    const subject = subjects[index]!
    const padding = ' '.repeat(Math.max(0, width - displayWidth(subject)))
    line(
      state,
      `${out.styled(styles[state], state.padEnd(stateWidth))}  ${subject}${padding}  ${printable(detail)}`,
    )
    for (const logged of lines) {
      line(state, `${' '.repeat(stateWidth + 2)}${out.styled('dim', '|')} ${printable(shortened(logged))}`)
    }
    if (fix === undefined) continue
    line(state, `${' '.repeat(stateWidth + 2)}${out.styled('dim', '→')} ${printable(fix)}`)
  }
  if (!isJournal) out.line()
  const { fail, warn, ok, skipped } = countStates(checks)
  const worst = fail > 0 ? 'fail' : warn > 0 ? 'warn' : 'ok'
  const summary = `${counted(fail, 'failure')}, ${counted(warn, 'warning')}, ${ok} ok, ${skipped} skipped`
  line(worst, out.styled(styles[worst], summary))
}

const stateWidth = 'skipped'.length

/** One object per check: `area`, `subject`, `state`, `detail`, `fix`, and its figures. */
export function printJson(io: CommandIo, config: string, isOk: boolean, checks: readonly Check[]): void {
  const flat = checks.map(({ area, subject, state, detail, fix, lines, figures }) => {
    return { area, subject, state, detail, fix: fix ?? null, ...(lines && { lines }), ...figures }
  })
  new Output(io.stdout, io.env).json({ ok: isOk, config, checks: flat })
}

export function countStates(checks: readonly Check[]): Record<State, number> {
  const counts = { ok: 0, warn: 0, fail: 0, skipped: 0 }
  for (const { state } of checks) counts[state] += 1
  return counts
}
