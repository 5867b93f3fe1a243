// Budgets that several gateways share: what a book asks of whoever knows how much of each this gateway may use.
import type { Budget, SpendScope } from '../domain.ts'

/** A budget in one of its windows. */
export interface BudgetWindow {
  readonly scope: SpendScope
  readonly budget: Budget
  /** The smallest of those that the scope has for this unit and period. */
  readonly limit: number
  /** Half open, in milliseconds since 1970; `endMs` is `Infinity` for all time. */
  readonly startMs: number
  readonly endMs: number
}

/** Of one budget in one window, in its unit. */
export interface BudgetUse {
  readonly spent: number
  readonly reserved: number
}

/** What this gateway may use of a budget. */
export interface BudgetCeiling {
  /** What is spent and reserved here may come to so much. */
  readonly most: number
  /** The others hold all but that, and have nothing reserved: a call that is larger than what is left need not wait for them. */
  readonly isRest: boolean
  /** By the configuration nothing may be used beyond `most`, since nobody can be asked for more. */
  readonly mustRefuse: boolean
}

/** The book, as far as others are told of it. */
export interface SharedBook {
  /** What this gateway has spent and reserved. */
  useOf(window: BudgetWindow): BudgetUse
  /** The other gateways have spent so much since they were last heard of. */
  heard(window: BudgetWindow, before: BudgetUse, now: BudgetUse): void
}

export interface BudgetCeilings {
  /** The book that it is about from now on. */
  serve(book: SharedBook): void
  /** Undefined: the budget is this machine's alone. */
  of(window: BudgetWindow): BudgetCeiling | undefined
  /** What other gateways use, as last heard. Leaves no trace. */
  others(window: BudgetWindow): BudgetUse
  /**
   * Asks for more, so that a call fits that takes `amount`. Undefined: there is nothing to be had. It resolves within about a
   * second, when `of` may be another one; never rejects.
   */
  ask(window: BudgetWindow, amount: number): Promise<void> | undefined
  /** Has the others' use from the server. Never rejects. */
  look(window: BudgetWindow): Promise<void>
}

export const nothingUsed: BudgetUse = { spent: 0, reserved: 0 }
