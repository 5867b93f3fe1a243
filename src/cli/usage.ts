// `llm-gateway usage`: what calls used and cost, read from the ledger; the gateway need not run.
import { resolve } from 'node:path'
import { type BudgetState, usualBudgetSettings } from '../admission/budget.ts'
import { readPartialConfig } from '../config/partial-config.ts'
import type { ScopeSpending } from '../domain.ts'
import { readQuestion, type WrittenQuestion } from '../ledger/question.ts'
import { openReader } from '../ledger/reader.ts'
import { formatUsd, renderReport, renderSpending } from '../ledger/render.ts'
import { readReport } from '../ledger/report.ts'
import { printable } from '../platform/printable.ts'
import { ownTimeZone } from '../platform/time-zone.ts'
import { readSpending } from './budget-spending.ts'
import { namesHere, type NamesHere, recordedName } from './record-keys.ts'
import { chosenConfig } from './secret-setting.ts'
import { findLedger, type LedgerPlace } from './ledger-place.ts'
import { type CommandIo, counted, Output } from './output.ts'
import type { UsageFormat } from './usage-format.ts'
import { spendingJson, spendingText } from './key-spending.ts'
import { askSharedSpending, type SharedSpending, type Sharing, spendingNote } from './shared-spending.ts'
import { printCsv, printReport, roundedUp } from './usage-print.ts'

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
  if (written.by?.split(',').includes('machine') === true) return fail('--by machine needs --all', 2)
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
    const hasSpending = format !== 'csv' && client === undefined && (format === 'json' || by.length === 0)
    const sharing = sharingIn(io, place)
    const configured = sharing.budgetTimeZone
    const spending = hasSpending ? await readSpending(database, path, { nowMs, configured }) : []
    const shared: SharedSpending = hasSpending ? await askSharedSpending(sharing, io.env) : { kind: 'alone' }
    const ofBudgets = {
      ...(spending.length > 0 && { spending: renderSpending(spending) }),
      ...(shared.kind === 'of_all' && { spending_of_all: shared.standings.filter(isUsed).map(standingJson) }),
    }
    if (format === 'json') out.json({ ...renderReport(report), ...ofBudgets, ledger: path })
    else if (format === 'csv') printCsv(io, by, report)
    else {
      printReport(out, by, report)
      printSpending(out, spending, shared)
    }
    return 0
  } catch (error) {
    return fail(`${path} cannot be read: ${String(error)}; try llm-gateway usage verify`)
  } finally {
    database.close()
  }
}

/** What stands in the configuration of the ledger's gateway; of a ledger that was named on the command line, nothing is known. */
function sharingIn(
  io: CommandIo,
  { file, paths }: LedgerPlace,
): Sharing & { readonly budgetTimeZone: string } {
  const configFile = resolve(chosenConfig({ io, paths, config: undefined }))
  const read = readPartialConfig(configFile, io.env)
  if (read.kind === 'unreadable') {
    return { configFile, sharesLimits: false, budgetTimeZone: usualBudgetSettings.timeZone }
  }
  const { sharesLimits, budgetTimeZone } = read.config
  return { configFile, sharesLimits: sharesLimits && file === undefined, budgetTimeZone }
}

function isUsed({ spent, reserved }: BudgetState): boolean {
  return spent > 0 || reserved > 0
}

function standingJson(state: BudgetState): object {
  return { scope: state.scope.name, of: state.scope.entry, ...spendingJson(state) }
}

function namesIn(io: CommandIo, { paths }: LedgerPlace): Promise<NamesHere> {
  const configFile = resolve(chosenConfig({ io, paths, config: undefined }))
  return namesHere({ env: io.env, paths, configFile })
}

/** A line for each of so many budgets. */
const maxSpending = 30

function printSpending(out: Output, spending: readonly ScopeSpending[], shared: SharedSpending): void {
  printOwnSpending(out, spending, shared.kind !== 'alone')
  if (shared.kind === 'of_all') {
    const used = shared.standings.filter(isUsed)
    if (used.length > 0) {
      out.line()
      out.line(out.styled('bold', 'spent of budgets, on all machines'))
      for (const state of used.slice(0, maxSpending)) {
        const { name, entry } = state.scope
        out.line(printable(`${entry === name ? name : `${entry} (${name})`}: ${spendingText(state)}`))
      }
      if (used.length > maxSpending) out.line(`and ${used.length - maxSpending} more; see --format json`)
    }
    if (used.length === 0 && spending.length === 0) return
  } else if (spending.length === 0) return
  const note = spendingNote(shared)
  if (note !== undefined) out.line(note)
}

function printOwnSpending(out: Output, spending: readonly ScopeSpending[], isShared: boolean): void {
  if (spending.length === 0) return
  out.line()
  out.line(out.styled('bold', `spent of budgets${isShared ? ', on this machine' : ''}`))
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
