// How the budgets of keys stand, as the gateway has saved them.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { BudgetState } from '../admission/budget.ts'
import { BudgetBook } from '../admission/budget-book.ts'
import { budgetsFileNames, readBudgetsFile } from '../admission/budgets-file.ts'
import { budgetText } from '../clients/keys/key-budgets.ts'
import type { KeyRecord } from '../clients/keys/key-record.ts'
import { usdOfNano } from '../prices/usd.ts'
import { momentText } from './key-description.ts'
import type { RunningGateway } from './key-place.ts'

/** Returns how the budgets of a key stand; undefined: no gateway runs, or its file cannot be read. */
export type ReadSpending = (key: KeyRecord) => readonly BudgetState[]

/** What the gateway saved a moment ago. Undefined: it cannot be read, or was lost. */
export async function readSpending(
  gateway: RunningGateway | undefined,
  wallNow: () => number,
): Promise<ReadSpending | undefined> {
  if (gateway === undefined) return undefined
  const { file, mark } = budgetsFileNames
  const saved = await readBudgetsFile(join(gateway.stateDirectory, file))
  if (typeof saved === 'string') return undefined
  if (saved === undefined && existsSync(join(gateway.stateDirectory, mark))) return undefined
  const book = new BudgetBook({ wallNow })
  if (saved !== undefined) book.restore(saved, { isRunning: true })
  return ({ id, terms: { name, budgets } }) => book.describe([{ name: `key:${id}`, entry: name, budgets }])
}

/** `1.5 of 5usd/day, 0.01 reserved, until 2026-11-29 00:00 UTC` */
export function spendingText({ budget, spent, reserved, resetsAtMs }: BudgetState): string {
  const amount = (value: number) => (budget.unit === 'usd' ? usdOfNano(value) : String(value))
  const until = resetsAtMs === undefined ? '' : `, until ${momentText(resetsAtMs)}`
  return `${amount(spent)} of ${budgetText(budget)}, ${amount(reserved)} reserved${until}`
}

/** `1.5 of 5usd/day`, and what is reserved besides, if anything is. */
export function shortSpendingText({ budget, spent, reserved }: BudgetState): string {
  const amount = (value: number) => (budget.unit === 'usd' ? usdOfNano(value) : String(value))
  return `${amount(spent)}${reserved > 0 ? ` (+${amount(reserved)})` : ''} of ${budgetText(budget)}`
}

export function spendingJson({ budget, spent, reserved, resetsAtMs }: BudgetState): Record<string, unknown> {
  const amount = (value: number) => (budget.unit === 'usd' ? usdOfNano(value) : value)
  const resetsAt = resetsAtMs === undefined ? null : new Date(resetsAtMs).toISOString()
  return { budget: budgetText(budget), spent: amount(spent), reserved: amount(reserved), resets_at: resetsAt }
}
