// What the ledger has of budgets, in the windows that the gateway counts in.
import { dirname, join } from 'node:path'
import { usualBudgetSettings } from '../admission/budget.ts'
import { BudgetBook } from '../admission/budget-book.ts'
import { budgetsFileNames, readBudgetsFile } from '../admission/budgets-file.ts'
import type { ScopeSpending } from '../domain.ts'
import { readReserved, readSpent } from '../ledger/read-spend.ts'
import type { OpenedReader } from '../ledger/reader.ts'

/** @param path of the database. @throws what SQLite throws. */
export async function readSpending(
  database: (OpenedReader & { kind: 'open' })['database'],
  path: string,
  nowMs: number,
): Promise<ScopeSpending[]> {
  const saved = await readBudgetsFile(join(dirname(path), budgetsFileNames.file))
  const timeZone = typeof saved === 'object' ? saved.timeZone : usualBudgetSettings.timeZone
  const book = new BudgetBook({ wallNow: () => nowMs })
  book.follow({ ...usualBudgetSettings, timeZone })
  const current = book.windows().filter(({ startMs, endMs }) => startMs <= nowMs && nowMs < endMs)
  const reserved = readReserved(database)
  return readSpent(database, current).map((spent) => ({
    ...spent,
    ...(reserved.get(spent.name) ?? { nano: 0, tokens: 0 }),
  }))
}
