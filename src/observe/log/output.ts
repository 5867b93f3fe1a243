// Where the lines of the log go, and how they look there.
import type { LoggingConfig } from '../../config/observe-types.ts'
import { printable } from '../../platform/printable.ts'
import { LogTransport } from './transport.ts'
import type { LogOutput } from './log.ts'
import { prettyLine } from './pretty.ts'
import { StdoutLines } from './stdout-lines.ts'

export interface LogDestination {
  /** Standard output unless a test passes another stream. */
  readonly stdout: NodeJS.WritableStream & { isTTY?: boolean }
  /** True for the systemd journal, which takes syslog's priority from the front of a line (sd-daemon(3)). */
  readonly isJournal?: boolean
  /** Called once if a transport has failed. The log goes to `stdout` from then on. */
  readonly onTransportFailure: (target: string, cause: Error) => void
}

/** For all threads of the process: no line is broken by another. */
export function openLogOutput(logging: Omit<LoggingConfig, 'level'>, destination: LogDestination): LogOutput {
  const output = localOutput(logging, destination)
  const { transport } = logging
  if (transport === undefined) return output
  const { target } = transport
  return new LogTransport(transport, output, (cause) => {
    const message = `llm-gateway: the log's transport ${target} failed, the log goes to standard output: ${cause.message}`
    if (destination.isJournal !== true) process.stderr.write(`${printable(message)}\n`)
    destination.onTransportFailure(target, cause)
  })
}

function localOutput(
  { format }: Pick<LoggingConfig, 'format'>,
  { stdout, isJournal = false }: LogDestination,
): LogOutput {
  const lines = stdout === process.stdout ? new StdoutLines() : stdout
  const isTerminal = stdout.isTTY === true
  const isPretty = format === 'pretty' || (format === 'auto' && isTerminal)
  if (!isPretty && !isJournal) return lines
  const render = (line: string) =>
    (isJournal ? priorityOf(line) : '') + (isPretty ? prettyLine(line, isTerminal) : line)
  return { write: (text: string) => lines.write(eachLine(text, render)) }
}

function eachLine(lines: string, render: (line: string) => string): string {
  if (lines.indexOf('\n') === lines.length - 1) return render(lines)
  return lines
    .split(/(?<=\n)/)
    .map(render)
    .join('')
}

/** Syslog's priorities (syslog(3)) by the first letter of a level. */
const priorities: Readonly<Record<string, string>> = { E: '<3>', W: '<4>', I: '<6>', D: '<7>' }

function priorityOf(line: string): string {
  return priorities[line.charAt('{"level":"'.length)] ?? ''
}
