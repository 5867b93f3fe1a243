// The log of a process: where its lines go, and the events that become lines.
import type { LoggingConfig } from '../config/types.ts'
import { createEvents, type Events } from '../observe/events.ts'
import { type LogPlace, openLogOutput } from '../observe/log-output.ts'
import { createLog, type LogOutput } from '../observe/log.ts'
import { logSink } from '../observe/sinks/log.ts'

export interface OpenLog {
  /** Accepts lines of other threads too. */
  readonly output: LogOutput
  readonly events: Events
}

export function openLog(
  logging: LoggingConfig,
  { stdout, isJournal = false }: Pick<LogPlace, 'stdout' | 'isJournal'>,
): OpenLog {
  const output = openLogOutput(logging, {
    stdout,
    isJournal,
    onTransportFailure: (target, cause) => events.emit({ kind: 'log_transport_failed', target, cause }),
  })
  const events = createEvents([logSink(createLog(logging.level, output))])
  return { output, events }
}
