// How a log line looks on a terminal: time, level, event, then what is left as key=value.
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

/** Renders one JSON line of the log for people. Text of others stays escaped. */
export function prettyLine(line: string, hasColours: boolean): string {
  const { level, time, event, message, ...rest } = JSON.parse(line) as Line
  const paint = (code: string, text: string) => (hasColours ? `\x1b[${code}m${text}\x1b[0m` : text)
  const facts = Object.entries(rest).map(([key, value]) => `${paint('90', `${key}=`)}${showValue(value)}`)
  const head = [
    paint('90', time.slice(11, 23)),
    paint(colours[level] ?? '0', level.padEnd(5)),
    ...(event === undefined ? [] : [paint('1', event)]),
    ...(message === undefined ? [] : [printable(message)]),
  ]
  return `${[...head, ...facts].join(' ')}\n`
}

function showValue(value: unknown): string {
  const isPlain = typeof value === 'string' && /^[\w.:/@*-]+$/.test(value)
  return isPlain ? value : printableJson(JSON.stringify(value))
}
