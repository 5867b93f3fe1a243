// A report of usage as `llm-gateway usage` prints it: a table, or CSV.
import { formatUsd } from '../ledger/render.ts'
import type { MergedDimension, UsageCounts, UsageReport } from '../ledger/report.ts'
import { printable } from '../platform/printable.ts'
import { type CommandIo, counted, type Output } from './output.ts'
import { printTable } from './table.ts'

/** Of one ledger, or of several together. */
type PrintedReport = Omit<UsageReport, 'ledgerId'>

/** What a line shows besides the dimensions. */
const shown: readonly (readonly [title: string, cell: (counts: UsageCounts) => string])[] = [
  ['calls', ({ calls }) => grouped(calls)],
  ['failed', ({ failed }) => grouped(failed)],
  ['prompt', ({ prompt_tokens: tokens }) => grouped(tokens)],
  ['cached', ({ cached_tokens: tokens }) => grouped(tokens)],
  ['output', ({ completion_tokens: tokens }) => grouped(tokens)],
  ['reasoning', ({ reasoning_tokens: tokens }) => grouped(tokens)],
  ['USD', (counts) => usd(counts)],
]

/** Where no call has a price nothing is known of the cost. */
function usd({ cost_nano: nano, unpriced, calls }: UsageCounts): string {
  if (nano === 0 && unpriced > 0 && unpriced === calls) return 'unknown'
  return `${formatUsd(roundedUp(nano))}${unpriced > 0 ? '+' : ''}`
}

/** To a ten-thousandth of a dollar: what costs anything does not cost nothing. */
export function roundedUp(nano: number): number {
  return Math.ceil(nano / 100_000) * 100_000
}

/** As a table for people, with what is to be known of it below. */
export function printReport(out: Output, by: readonly MergedDimension[], report: PrintedReport): void {
  const { rows, total, sinceMs, untilMs, zone } = report
  const instant = (ms: number) => new Date(ms).toLocaleString('sv-SE', { timeZone: zone }).slice(0, 16)
  const lines = (by.length === 0 ? [] : rows).map((row) => [
    ...by.map((dimension) => printable(String(row[dimension] ?? '-'))),
    ...shown.map(([, cell]) => cell(row)),
  ])
  const head = [...by, ...shown.map(([title]) => title)]
  const foot = [
    ...by.map((_, index) => (index === 0 ? 'total' : '')),
    ...shown.map(([, cell]) => cell(total)),
  ]
  printTable(out, { head, rows: lines, foot, numbersFrom: by.length })
  out.line()
  out.line(`from ${instant(sinceMs)} to ${instant(untilMs)}, ${zone}`)
  for (const note of notesOf(report)) out.line(note)
}

function notesOf({ total, isCut }: PrintedReport): string[] {
  return [
    total.unpriced > 0 && `${counted(total.unpriced, 'call')} without a known price`,
    total.estimated > 0 && `${counted(total.estimated, 'call')} with estimated tokens`,
    total.lost > 0 && `${counted(total.lost, 'row')} lost; the sums count them`,
    isCut && 'there are more lines; the total counts them',
  ].filter((note) => note !== false)
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}

/** RFC 4180, for programs and spreadsheets. */
export function printCsv(
  io: CommandIo,
  by: readonly MergedDimension[],
  { rows, total }: PrintedReport,
): void {
  const counts = Object.keys(total).map((name) => (name === 'cost_nano' ? 'cost_usd' : name))
  const names = [...by, ...counts]
  const lines = rows.map((row) => {
    const cells: Record<string, string | number | null> = { ...row, cost_usd: formatUsd(row.cost_nano) }
    return names.map((name) => csvCell(cells[name]))
  })
  for (const line of [names, ...lines]) io.stdout.write(`${line.join(',')}\r\n`)
}

/**
 * Where a name, or what stands behind another separator in it, begins like a formula, also in wide characters: a spreadsheet
 * would calculate it.
 */
const beforeFormula = /(?<=(?:^|[;\t])\s*)(?=[=+\-@＝＋－＠])/gu

function csvCell(value: string | number | null | undefined): string {
  if (typeof value !== 'string') return String(value ?? '')
  const text = printable(value).replace(beforeFormula, "'")
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
