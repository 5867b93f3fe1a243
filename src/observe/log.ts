// The log: one JSON object a line, or a readable line each on a terminal. Levels are upper-case words, so that
// `journalctl | grep ERROR` finds them.
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'
import type { LoggingConfig } from '../config/types.ts'
import { prettyLine } from './pretty.ts'

export type Log = Logger

/**
 * @param stream where lines go; standard output unless a test gives another. It is written without blocking, and
 *   lines that wait are joined into one write.
 */
export function createLog(config: LoggingConfig, stream: NodeJS.WritableStream & { isTTY?: boolean }): Log {
  const isPretty = config.format === 'pretty' || (config.format === 'auto' && stream.isTTY === true)
  const sink: DestinationStream =
    isPretty || stream !== process.stdout
      ? { write: (line) => void stream.write(isPretty ? prettyLine(line, stream.isTTY === true) : line) }
      : destination({ fd: 1, sync: false })
  return pino(
    {
      base: null,
      level: config.level,
      messageKey: 'message',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label.toUpperCase() }) },
    },
    sink,
  )
}
