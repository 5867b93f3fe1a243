// What the ledger has of budgets, in the windows that the gateway counts in.
import { dirname, join } from 'node:path'
import { usualBudgetSettings } from '../admission/budget.ts'
import { BudgetBook } from '../admission/budget-book.ts'
import { budgetsFileNames, readBudgetsFile } from '../admission/budgets-file.ts'
import type { ScopeSpending } from '../domain.ts'
import { readReserved, readSpent } from '../ledger/read-spend.ts'
import type { OpenedReader } from '../ledger/reader.ts'

/**
 * The gateway's book as it was saved.
 * @param saved undefined: nothing was spent yet.
 * @param configured time zone of the windows of budgets, which the file has once something was spent.
 */
export function savedBook(
  saved: Parameters<BudgetBook['restore']>[0] | undefined,
  configured: string,
  wallNow: () => number,
): BudgetBook {
  const book = new BudgetBook({ wallNow })
  if (saved !== undefined) book.restore(saved, { isRunning: true })
  const isUsed = saved !== undefined && saved.accounts.length > 0
  book.follow({ ...usualBudgetSettings, timeZone: isUsed ? saved.timeZone : configured })
  return book
}

/**
 * @param path of the database.
 * @param configured as for `savedBook`.
 * @throws what SQLite throws.
 */
export async function readSpending(
  database: (OpenedReader & { kind: 'open' })['database'],
  path: string,
  { nowMs, configured }: { readonly nowMs: number; readonly configured: string },
): Promise<ScopeSpending[]> {
  const saved = await readBudgetsFile(join(dirname(path), budgetsFileNames.file))
  const book = savedBook(typeof saved === 'object' ? saved : undefined, configured, () => nowMs)
  const current = book.windows().filter(({ startMs, endMs }) => startMs <= nowMs && nowMs < endMs)
  const reserved = readReserved(database)
  return readSpent(database, current).map((spent) => ({
    ...spent,
    ...(reserved.get(spent.name) ?? { nano: 0, tokens: 0 }),
  }))
}
