// The log: one JSON object a line, or a readable line each on a terminal. Levels are upper-case words, so that
// `journalctl | grep ERROR` finds them.
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'
import type { LoggingConfig } from '../config/types.ts'
import { prettyLine } from './pretty.ts'

export type Log = Logger

/** Where whole lines go. */
export interface LogOutput {
  write(text: string): unknown
  readonly isTTY?: boolean
}

export interface LogTarget {
  /** Standard output unless a test gives another. It is written without blocking, and lines that wait are joined. */
  readonly stream: LogOutput
  /** True for the systemd journal, which takes syslog's priority from the front of a line (sd-daemon(3)). */
  readonly isJournal?: boolean
}

export function createLog(config: LoggingConfig, { stream, isJournal = false }: LogTarget): Log {
  const isPretty = config.format === 'pretty' || (config.format === 'auto' && stream.isTTY === true)
  const sink: DestinationStream =
    isPretty || stream !== process.stdout
      ? { write: (line) => void stream.write(isPretty ? prettyLine(line, stream.isTTY === true) : line) }
      : standardOutput()
  return pino(
    {
      base: null,
      level: config.level,
      messageKey: 'message',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label.toUpperCase() }) },
    },
    isJournal ? withPriorities(sink) : sink,
  )
}

/**
 * The stream for a log that several threads write to, as `createLog` would write to it: lines of all go the same way, so
 * that none is broken by another.
 */
export function sharedOutput(stream: LogOutput): LogOutput {
  return stream === process.stdout && stream.isTTY !== true ? standardOutput() : stream
}

function standardOutput(): DestinationStream {
  return destination({ fd: 1, sync: false })
}

/** Syslog's priorities for pino's levels: error, warning, informational, debug (syslog(3)). */
function priorityOf(level: number): string {
  if (level >= 50) return '<3>'
  if (level >= 40) return '<4>'
  return level >= 30 ? '<6>' : '<7>'
}

/** pino tells a destination with this mark the level of each line, in `lastLevel`. */
function withPriorities(sink: DestinationStream): DestinationStream {
  return {
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 30,
    write(this: { lastLevel: number }, line: string) {
      sink.write(priorityOf(this.lastLevel) + line)
    },
  } as DestinationStream
}
