// The log: one JSON object a line, or a readable line each on a terminal. Levels are upper-case words, so that
// `journalctl | grep ERROR` finds them.
import type { LoggingConfig } from '../config/types.ts'
import { BatchedLines } from './batched-lines.ts'
import { prettyLine } from './pretty.ts'
import { Timestamps } from './timestamps.ts'

/** Writes a line of these facts; those that are undefined are left out. */
type WriteLine = (facts: object) => void

export interface Log {
  readonly error: WriteLine
  readonly warn: WriteLine
  readonly info: WriteLine
  readonly debug: WriteLine
}

/** Where whole lines go. */
export interface LogOutput {
  write(text: string): unknown
  readonly isTTY?: boolean
}

export interface LogTarget {
  /** Standard output unless a test gives another. */
  readonly stream: LogOutput
  /** True for the systemd journal, which takes syslog's priority from the front of a line (sd-daemon(3)). */
  readonly isJournal?: boolean
}

/** The stream for a log that several threads write to, as `createLog` would write to it: no line is broken by another. */
export function sharedOutput(stream: LogOutput): LogOutput {
  if (stream !== process.stdout) return stream
  const lines = new BatchedLines(process.stdout)
  return { write: (text) => lines.write(text), isTTY: stream.isTTY === true }
}

/** The most urgent first, with syslog's priorities (syslog(3)). */
const levels = { error: 3, warn: 4, info: 6, debug: 7 } as const

export function createLog({ level, format }: LoggingConfig, { stream, isJournal = false }: LogTarget): Log {
  const isPretty = format === 'pretty' || (format === 'auto' && stream.isTTY === true)
  const output = sharedOutput(stream)
  const timestamps = new Timestamps()
  const writerOf = (name: keyof typeof levels): WriteLine => {
    if (levels[name] > levels[level]) return () => {}
    const priority = isJournal ? `<${levels[name]}>` : ''
    const head = `{"level":"${name.toUpperCase()}","time":"`
    return (facts) => {
      // What JSON.stringify makes of the facts begins with the brace that `head` has already.
      const line = `${head}${timestamps.at(Date.now())}",${JSON.stringify(facts).slice(1)}\n`
      output.write(priority + (isPretty ? prettyLine(line, stream.isTTY === true) : line))
    }
  }
  return {
    error: writerOf('error'),
    warn: writerOf('warn'),
    info: writerOf('info'),
    debug: writerOf('debug'),
  }
}
