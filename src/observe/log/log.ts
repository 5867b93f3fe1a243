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

const levels = ['debug', 'info', 'warn', 'error'] as const

/**
 * Each line is its level, its time and the facts, in their order, as `JSON.stringify` has them.
 *
 * @param level the least severe one that is written.
 */
export function createLog(level: LoggingConfig['level'], output: LogOutput): Log {
  // pino announces the levels and the name of the message to a transport. Its lines are built of a hundred strings, which
  // costs 8 µs for that of a call; these cost 5.
  pino({ level, messageKey: 'message' }, output)
  const timestamps = new Timestamps()
  const writerOf = (own: (typeof levels)[number]): WriteLine => {
    if (levels.indexOf(own) < levels.indexOf(level)) return () => {}
    const start = `{"level":"${own.toUpperCase()}","time":"`
    return (facts) => {
      const time = timestamps.at(Date.now())
      const members = JSON.stringify(withoutSecrets(facts)).slice(1)
      const line = `${start}${time}"${members === '}' ? '' : ','}${members}\n`
      output.write(boundedLine(printableJson(line)))
    }
  }
  return {
    error: writerOf('error'),
    warn: writerOf('warn'),
    info: writerOf('info'),
    debug: writerOf('debug'),
  }
}

function withoutSecrets(facts: object): object {
  for (const name of secretFacts) if (name in facts) return masked(facts)
  return facts
}

function masked(facts: object): object {
  const entries = Object.entries(facts).map(([name, value]) => [
    name,
    secretFacts.includes(name) ? '[secret]' : value,
  ])
  return Object.fromEntries(entries)
}
