// The log: facts in, one JSON object a line out. Levels are upper-case words, so that `journalctl | grep ERROR` finds them.
import { pino } from 'pino'
import type { LoggingConfig } from '../../config/observe-types.ts'
import { printableJson } from '../../platform/printable.ts'
import { boundedLine } from './bounded-line.ts'
import { Timestamps } from './timestamps.ts'

/** Writes a line of these facts; those that are undefined are left out. */
type WriteLine = (facts: object) => void

export interface Log {
  readonly error: WriteLine
  readonly warn: WriteLine
  readonly info: WriteLine
  readonly debug: WriteLine
}

/** Accepts whole lines of JSON, one or several at once. */
export interface LogOutput {
  write(lines: string): unknown
}

/** Facts that no event has. Should one come by mistake, its value stays out of the log. */
const secretFacts = [
  'api_key',
  'authorization',
  'body',
  'cookie',
  'headers',
  'messages',
  'password',
  'prompt',
  'secret',
  'token',
]

/** @param level the least severe one that is written. */
export function createLog(level: LoggingConfig['level'], output: LogOutput): Log {
  const timestamps = new Timestamps()
  return pino(
    {
      base: null,
      level,
      messageKey: 'message',
      // A third faster than pino's own, which builds all of it anew for each line.
      timestamp: () => `,"time":"${timestamps.at(Date.now())}"`,
      formatters: { level: (label) => ({ level: label.toUpperCase() }) },
      hooks: { streamWrite: (line) => boundedLine(printableJson(line)) },
      redact: { paths: secretFacts, censor: '[secret]' },
    },
    output,
  )
}
