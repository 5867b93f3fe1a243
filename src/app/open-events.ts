// The events of a process and their sinks: the log, and where its lines go.
import type { LoggingConfig } from '../config/types.ts'
import { createEvents, type Events } from '../observe/events.ts'
import { type LogDestination, openLogOutput } from '../observe/log/output.ts'
import { createLog, type LogOutput } from '../observe/log/log.ts'
import { logSink } from '../observe/sinks/log.ts'

/** `logOutput` accepts lines of other threads too. */
export function openEvents(
  logging: LoggingConfig,
  { stdout, isJournal = false }: Pick<LogDestination, 'stdout' | 'isJournal'>,
): { readonly events: Events; readonly logOutput: LogOutput } {
  const logOutput = openLogOutput(logging, {
    stdout,
    isJournal,
    onTransportFailure: (target, cause) => events.emit({ kind: 'log_transport_failed', target, cause }),
  })
  const events = createEvents([logSink(createLog(logging.level, logOutput))])
  return { events, logOutput }
}
