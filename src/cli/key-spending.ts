// How the budgets of keys stand: as the running gateway knows of all machines that share them, else as it has saved them.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { BudgetState } from '../admission/budget.ts'
import { budgetsFileNames, readBudgetsFile } from '../admission/budgets-file.ts'
import { budgetText } from '../clients/keys/key-budgets.ts'
import type { KeyRecord } from '../clients/keys/key-record.ts'
import type { Budget } from '../domain.ts'
import { usdOfNano } from '../prices/usd.ts'
import { savedBook } from './budget-spending.ts'
import { momentText } from './key-description.ts'
import { findGateway, type KeyPlace } from './key-place.ts'
import { askSharedSpending, spendingNote } from './shared-spending.ts'

export interface Spending {
  /** How the budgets of a key stand; undefined: that is not known. */
  readonly of: ((key: KeyRecord) => readonly BudgetState[]) | undefined
  /** Undefined: the budgets are not shared with other machines. */
  readonly by: 'all_machines' | 'this_machine' | undefined
  /** What is to be known of the amounts, for people. */
  readonly note: string | undefined
}

/** @param keys whose budgets are wanted. */
export async function readSpending(
  place: KeyPlace,
  keys: readonly KeyRecord[],
  { env, wallNow }: { readonly env: NodeJS.ProcessEnv; readonly wallNow: () => number },
): Promise<Spending> {
  const own = await readSaved(place, env, wallNow)
  const budgeted = keys.filter(({ terms }) => terms.budgets.length > 0)
  const shared = await askSharedSpending(
    place,
    env,
    budgeted.map(({ id }) => id),
  )
  if (shared.kind === 'alone') return { of: own, by: undefined, note: undefined }
  if (shared.kind === 'unknown')
    return { of: own, by: 'this_machine', note: own === undefined ? undefined : spendingNote(shared) }
  const idOf = (scope: string, budget: Budget) => `${scope} ${budgetText(budget)}`
  const known = new Map(shared.standings.map((state) => [idOf(state.scope.name, state.budget), state]))
  return {
    by: 'all_machines',
    note: spendingNote(shared),
    // A change of the key file that is not in force yet is nothing that others have spent of.
    of: (key) =>
      key.terms.budgets.flatMap(
        (budget) =>
          known.get(idOf(`key:${key.id}`, budget)) ??
          own?.({ ...key, terms: { ...key.terms, budgets: [budget] } }) ??
          [],
      ),
  }
}

/** What the gateway of this machine saved a moment ago. Undefined: none runs, or it cannot be read, or was lost. */
async function readSaved(
  place: KeyPlace,
  env: NodeJS.ProcessEnv,
  wallNow: () => number,
): Promise<Spending['of']> {
  const gateway = findGateway(place, env)
  if (gateway === undefined) return undefined
  const { file, mark } = budgetsFileNames
  const saved = await readBudgetsFile(join(gateway.stateDirectory, file))
  if (typeof saved === 'string') return undefined
  if (saved === undefined && existsSync(join(gateway.stateDirectory, mark))) return undefined
  const book = savedBook(saved, place.budgetTimeZone, wallNow)
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
