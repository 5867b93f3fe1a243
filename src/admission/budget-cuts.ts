// Which calls under way are cut, where budgets that are spent end them: those that exceed a budget alone, and those that hold
// something of one that is spent.
import type { BudgetDemand, BudgetScope } from './budget.ts'
import { nanoOf, tokensFor } from './budget.ts'
import type { BudgetAccounts } from './budget-accounts.ts'
import { cut, type OpenHold } from './budget-holds.ts'
import type { BudgetStandings } from './budget-standings.ts'
import { sum } from './spent-windows.ts'

export class BudgetCuts {
  readonly #accounts: BudgetAccounts
  readonly #standings: BudgetStandings

  constructor(accounts: BudgetAccounts, standings: BudgetStandings) {
    this.#accounts = accounts
    this.#standings = standings
  }

  /** How many tokens a call may take alone before it exceeds a budget. */
  tokensLeft(demand: BudgetDemand, nowMs: number): number {
    let least = Infinity
    for (const scope of demand.scopes) {
      for (const budget of scope.budgets) {
        const left = Math.max(0, budget.limit - this.#standings.stateOf(scope, budget, nowMs).spent)
        least = Math.min(least, budget.unit === 'tokens' ? left : tokensFor(demand, left))
      }
    }
    return least
  }

  /** Cuts a call that has taken so many tokens, if it exceeds a budget. @returns whether it does. */
  cutGrown(hold: OpenHold, tokens: number, nowMs: number): boolean {
    const nano = nanoOf(hold.demand, tokens)
    for (const scope of hold.demand.scopes) {
      for (const budget of scope.budgets) {
        const state = this.#standings.stateOf(scope, budget, nowMs)
        if (sum(state.spent, budget.unit === 'usd' ? nano : tokens) <= budget.limit) continue
        cut(hold, state)
        return true
      }
    }
    return false
  }

  /** Cuts the calls of scopes that hold something of a budget that is spent. */
  cutExhausted(scopes: readonly BudgetScope[], nowMs: number): void {
    for (const scope of scopes) {
      const { open } = this.#accounts.of(scope.name)
      for (const budget of scope.budgets) {
        const state = this.#standings.stateOf(scope, budget, nowMs)
        if (state.spent < budget.limit) continue
        for (const hold of open) if ((budget.unit === 'usd' ? hold.nano : hold.tokens) > 0) cut(hold, state)
      }
    }
  }
}
