// How a log line looks on a terminal: local time, level, event, then what is left as key=value. Lines of calls leave out what
// few people need at a terminal, so that one fits into a row or two; the JSON has every fact.
import { printable, printableJson } from '../../platform/printable.ts'

const colours: Readonly<Record<string, string>> = { ERROR: '31', WARN: '33', INFO: '36', DEBUG: '90' }

/** The members of a line that have a place of their own. */
interface Line {
  readonly level: string
  readonly time: string
  readonly event?: string
  readonly message?: string
  readonly [fact: string]: unknown
}

/** Facts of a call that has succeeded which are left out. */
const details: ReadonlySet<string> = new Set([
  'request_id',
  'dialect',
  'target_model',
  'dropped',
  'changed_members',
  'stream',
  'cached_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'first_byte_ms',
  'gateway_ms',
  'provider_request_id',
])

/** Values that are left out of any call's line: nothing happened. */
const usual: Readonly<Record<string, unknown>> = {
  way: 'pass',
  stream: false,
  estimated: false,
  wait_ms: 0,
  attempts: 1,
}

/** Renders one JSON line of the log for people. Text of others stays escaped. */
export function prettyLine(line: string, hasColours: boolean): string {
  const { level, time, event, message, ...rest } = JSON.parse(line) as Line
  const paint = (code: string, text: string) => (hasColours ? `\x1b[${code}m${text}\x1b[0m` : text)
  const shown = 'gateway_ms' in rest ? ofCall(level, rest) : Object.entries(rest)
  const facts = shown.map(([key, value]) => `${paint('90', `${key}=`)}${showValue(value)}`)
  const head = [
    paint('90', localTime(time)),
    paint(colours[level] ?? '0', level.padEnd(5)),
    ...(event === undefined ? [] : [paint('1', event)]),
    ...(message === undefined ? [] : [printable(message)]),
  ]
  return `${[...head, ...facts].join(' ')}\n`
}

/** @param time ISO 8601 in UTC. @returns `HH:MM:SS.mmm` in the time zone of the process. */
function localTime(time: string): string {
  return new Date(time).toTimeString().slice(0, 8) + time.slice(19, 23)
}

function ofCall(level: string, facts: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(facts)
    .filter(([key, value]) => usual[key] !== value && !(level === 'INFO' && details.has(key)))
    .map(([key, value]) => [key, key.endsWith('_ms') ? Math.round(Number(value)) : value])
}

function showValue(value: unknown): string {
  const isPlain = typeof value === 'string' && /^[\w.:/@*-]+$/.test(value)
  return isPlain ? value : printableJson(JSON.stringify(value))
}
