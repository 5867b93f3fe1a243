// How budgets stand: what this gateway has spent and reserved of each in its window, what the others have, and what still fits.
import type { Budget } from '../domain.ts'
import type { BudgetScope, BudgetState } from './budget.ts'
import type { BudgetAccounts } from './budget-accounts.ts'
import { type BudgetCeilings, type BudgetUse, type BudgetWindow, nothingUsed } from './budget-ceilings.ts'
import { sum } from './spent-windows.ts'

/** `unknown`: there may be room, but nobody can be asked. */
type Fit = 'fits' | 'exceeds' | 'unknown'

export interface StandingsParts {
  readonly accounts: BudgetAccounts
  /** Milliseconds since 1970. */
  readonly wallNow: () => number
  /** Of budgets that are shared with other gateways. Absent: none is. */
  readonly ceilings?: BudgetCeilings | undefined
}

export class BudgetStandings {
  readonly #parts: StandingsParts

  constructor(parts: StandingsParts) {
    this.#parts = parts
  }

  /** The window that a budget is in, with the least limit that the scope has for its unit and period. */
  windowOf({ name, entry, budgets }: BudgetScope, budget: Budget, nowMs: number): BudgetWindow {
    const same = budgets.filter(({ unit, per }) => unit === budget.unit && per === budget.per)
    const limit = Math.min(...same.map((each) => each.limit))
    const { calendar } = this.#parts.accounts
    return { scope: { name, entry }, budget, limit, ...calendar.windowAt(budget.per, nowMs) }
  }

  isCurrent({ budget, startMs }: BudgetWindow): boolean {
    const { accounts, wallNow } = this.#parts
    return accounts.calendar.windowAt(budget.per, wallNow()).startMs === startMs
  }

  /** What this gateway has spent and reserved. */
  useOf(window: BudgetWindow): BudgetUse {
    const { scope, budget, startMs } = window
    const account = this.#parts.accounts.find(scope.name)
    if (account === undefined) return nothingUsed
    const amount = budget.unit === 'usd' ? 'nano' : 'tokens'
    const reserved = this.isCurrent(window) ? account[amount] : 0
    return { spent: account.spent.at(budget.per, startMs)[amount], reserved }
  }

  /** What all gateways have spent and reserved, as last heard. */
  stateOf(of: BudgetScope, budget: Budget, nowMs: number): BudgetState {
    const window = this.windowOf(of, budget, nowMs)
    const { scope, endMs } = window
    const resetsAtMs = Number.isFinite(endMs) ? endMs : undefined
    const own = this.useOf(window)
    const others = this.#parts.ceilings?.others(window) ?? nothingUsed
    const spent = sum(own.spent, others.spent)
    return { scope, budget, spent, reserved: sum(own.reserved, others.reserved), resetsAtMs }
  }

  /** @param requested by a call, in the unit of the budget. */
  fit(scope: BudgetScope, budget: Budget, requested: number, nowMs: number): Fit {
    // What costs nothing is no matter of money.
    if (requested === 0) return 'fits'
    const window = this.windowOf(scope, budget, nowMs)
    const { spent, reserved } = this.useOf(window)
    const ceiling = this.#parts.ceilings?.of(window)
    const most = Math.min(budget.limit, ceiling?.most ?? Infinity)
    if (sum(sum(spent, reserved), requested) <= most) return 'fits'
    // A call that is estimated larger than what is left would lock the rest of the budget for good.
    if (ceiling?.isRest !== false && reserved === 0 && spent < most) return 'fits'
    return ceiling?.mustRefuse === true ? 'unknown' : 'exceeds'
  }
}
