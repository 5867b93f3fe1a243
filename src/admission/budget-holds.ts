// The calls under way that hold something of budgets: what they ask, what they have cost in the end, and how they are cut.
import { type Budget, type Charge, maxPlausibleTokens, type OpenSpending } from '../domain.ts'
import type { BudgetDemand, BudgetHold, BudgetState, Spent } from './budget.ts'
import { budgetCutError } from './budget-error.ts'
import type { Outcome } from './outcome.ts'
import type { Amounts } from './spent-windows.ts'

export interface OpenHold extends BudgetHold, OpenSpending {
  nano: number
  tokens: number
  cutsAboveTokens: number
  readonly demand: BudgetDemand
  isOpen: boolean
}

export function requestedOf(demand: BudgetDemand, { unit }: Budget): number {
  return unit === 'usd' ? demand.nano : demand.tokens
}

export function chargesOf(
  { demand: { scopes, call } }: OpenHold,
  { nano, tokens }: Amounts,
  atMs: number,
): Charge[] {
  if (nano === 0 && tokens === 0) return []
  const { requestId } = call
  return scopes.map(({ name, entry }) => ({ atMs, scope: { name, entry }, requestId, nano, tokens }))
}

export function cut(hold: OpenHold, state: BudgetState): void {
  const { interruptible } = hold
  hold.interruptible = undefined
  interruptible?.interrupt(budgetCutError(state))
}

/** What ended unknown counts as reserved: not to know is no way to spend less. */
export function chargeOf({ nano, tokens }: OpenHold, { kind }: Outcome, spent: Spent | undefined): Amounts {
  if (spent === undefined)
    return kind === 'used' || kind === 'cut' ? { nano, tokens } : { nano: 0, tokens: 0 }
  const isCount = Number.isFinite(spent.tokens) && spent.tokens >= 0 && spent.tokens <= maxPlausibleTokens
  const isAmount = Number.isSafeInteger(spent.nano) && spent.nano! >= 0
  return { nano: isAmount ? spent.nano! : nano, tokens: isCount ? Math.ceil(spent.tokens) : tokens }
}
