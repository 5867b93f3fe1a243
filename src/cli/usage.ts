// `llm-gateway usage`: what calls used and cost, read from the ledger; the gateway need not run.
import { resolve } from 'node:path'
import type { ScopeSpending } from '../domain.ts'
import { readQuestion, type WrittenQuestion } from '../ledger/question.ts'
import { openReader } from '../ledger/reader.ts'
import { formatUsd, renderReport, renderSpending } from '../ledger/render.ts'
import { type Dimension, readReport, type UsageCounts, type UsageReport } from '../ledger/report.ts'
import { printable } from '../platform/printable.ts'
import { ownTimeZone } from '../platform/time-zone.ts'
import { readSpending } from './budget-spending.ts'
import { namesHere, type NamesHere, recordedName } from './record-keys.ts'
import { chosenConfig } from './secret-setting.ts'
import { findLedger, type LedgerPlace } from './ledger-place.ts'
import { type CommandIo, counted, Output } from './output.ts'
import { printTable } from './table.ts'
import type { UsageFormat } from './usage-format.ts'

export interface UsageOptions {
  readonly written: WrittenQuestion
  /** Only calls of this one, by its name. Absent: of all. */
  readonly client?: string | undefined
  readonly format: UsageFormat
  readonly nowMs: number
}

/** @returns the exit status: 0; 1 when the ledger cannot be read; 2 for a question that has no answer. */
export async function usageCommand(
  io: CommandIo,
  place: LedgerPlace,
  options: UsageOptions,
): Promise<number> {
  const { written, client, format, nowMs } = options
  const fail = (message: string, status = 1) => {
    new Output(io.stderr, io.env).line(`error: ${printable(message)}`)
    return status
  }
  const read = readQuestion(written, { nowMs, defaultZone: ownTimeZone() })
  if (read.kind === 'fault') return fail(`--${read.param}: ${read.message}`, 2)
  const found = findLedger(place, io.env)
  if (found === undefined) return fail('there is no state directory; name the ledger with --db FILE')
  const { path, owner } = found
  const opened = openReader(path)
  if (opened.kind === 'absent') return fail(`no calls are recorded in ${path}, ${owner}`)
  if (opened.kind === 'fault') {
    const fix = opened.isDamaged ? '; try llm-gateway usage repair' : ''
    return fail(`${path}, ${owner}, cannot be read: ${opened.reason}${fix}`)
  }
  const { database } = opened
  try {
    const named = client === undefined ? undefined : await namesIn(io, place)
    if (named?.kind === 'refused') return fail(`--client: clients have pseudonyms, and ${named.message}`)
    const recorded = client === undefined || named === undefined ? undefined : recordedName(named, client)
    const found = readReport(database, { ...read.question, client: recorded })
    const rows =
      client !== undefined && named?.kind === 'pseudonyms'
        ? named.pseudonyms.named(found.rows, client)
        : found.rows
    const report = { ...found, rows }
    const out = new Output(io.stdout, io.env)
    const { by } = read.question
    const spending = format === 'csv' || client !== undefined ? [] : await readSpending(database, path, nowMs)
    const ofBudgets = spending.length > 0 && { spending: renderSpending(spending) }
    if (format === 'json') out.json({ ...renderReport(report), ...ofBudgets, ledger: path })
    else if (format === 'csv') printCsv(io, by, report)
    else {
      printReport(out, by, report)
      if (by.length === 0) printSpending(out, spending)
    }
    return 0
  } catch (error) {
    return fail(`${path} cannot be read: ${String(error)}; try llm-gateway usage verify`)
  } finally {
    database.close()
  }
}

function namesIn(io: CommandIo, { paths }: LedgerPlace): Promise<NamesHere> {
  const configFile = resolve(chosenConfig({ io, paths, config: undefined }))
  return namesHere({ env: io.env, paths, configFile })
}

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
function roundedUp(nano: number): number {
  return Math.ceil(nano / 100_000) * 100_000
}

function printReport(out: Output, by: readonly Dimension[], report: UsageReport): void {
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

/** A line for each of so many budgets. */
const maxSpending = 30

function printSpending(out: Output, spending: readonly ScopeSpending[]): void {
  if (spending.length === 0) return
  out.line()
  out.line(out.styled('bold', 'spent of budgets'))
  const amounts = (nano: number, tokens: number) =>
    `${formatUsd(roundedUp(nano))} USD, ${counted(tokens, 'token')}`
  for (const { name, entry, nano, tokens, windows } of spending.slice(0, maxSpending)) {
    const who = entry === name ? name : `${entry} (${name})`
    const spent = windows.map(([per, , ...each]) => `${amounts(...each)} ${windowNames[per]}`)
    out.line(printable(`${who}: ${[...spent, `${amounts(nano, tokens)} reserved`].join('; ')}`))
  }
  if (spending.length > maxSpending) out.line(`and ${spending.length - maxSpending} more; see --format json`)
}

const windowNames = { day: 'today', week: 'this week', month: 'this month', total: 'in total' } as const

function notesOf({ total, isCut }: UsageReport): string[] {
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
function printCsv(io: CommandIo, by: readonly Dimension[], { rows, total }: UsageReport): void {
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
