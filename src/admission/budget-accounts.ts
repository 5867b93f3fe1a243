// What is spent and reserved, by scope, in windows of the calendar.
import { type Budget, budgetPeriods, type ScopeBalance, type ScopeSpending } from '../domain.ts'
import { usualBudgetSettings } from './budget.ts'
import type { OpenHold } from './budget-holds.ts'
import { type BudgetPeriod, Calendar, type CalendarWindow } from './calendar-window.ts'
import { type Amounts, keptWindows, type SavedAccount, SpentWindows, sum } from './spent-windows.ts'

/** What is spent and reserved of one scope. */
export interface Account {
  /** As it was named last. */
  entry: string
  /** As they applied to the last call. Empty: to none since the start. */
  budgets: readonly Budget[]
  /** Reserved. */
  nano: number
  tokens: number
  readonly open: Set<OpenHold>
  readonly spent: SpentWindows
}

/** Clients may be any number of addresses: from so many accounts on, those that count nothing are looked for. */
const minSweptAccounts = 1_000

export class BudgetAccounts {
  readonly #byName = new Map<string, Account>()
  #calendar = new Calendar(usualBudgetSettings.timeZone)
  /** The number of accounts at which those that count nothing are dropped next. */
  #sweptAccounts = minSweptAccounts

  get calendar(): Calendar {
    return this.#calendar
  }

  get size(): number {
    return this.#byName.size
  }

  find(name: string): Account | undefined {
    return this.#byName.get(name)
  }

  /** Opens one where there is none. @param entry as it is named from now on. */
  of(name: string, entry?: string): Account {
    let account = this.#byName.get(name)
    if (account === undefined) {
      account = {
        entry: entry ?? name,
        budgets: [],
        nano: 0,
        tokens: 0,
        open: new Set(),
        spent: new SpentWindows(),
      }
      this.#byName.set(name, account)
    } else if (entry !== undefined) account.entry = entry
    return account
  }

  entries(): IterableIterator<[name: string, account: Account]> {
    return this.#byName.entries()
  }

  /** Reserves what a call holds, in each of its scopes. */
  hold(hold: OpenHold): void {
    for (const { name, entry, budgets } of hold.demand.scopes) {
      const account = this.of(name, entry)
      account.budgets = budgets
      account.nano = sum(account.nano, hold.nano)
      account.tokens = sum(account.tokens, hold.tokens)
      account.open.add(hold)
    }
    if (this.#byName.size >= this.#sweptAccounts) this.#sweep()
  }

  /** Reserves more for a call. */
  raise(hold: OpenHold, { nano, tokens }: Amounts): void {
    for (const { name } of hold.demand.scopes) {
      const account = this.of(name)
      account.nano = sum(account.nano, nano - hold.nano)
      account.tokens = sum(account.tokens, tokens - hold.tokens)
    }
    hold.nano = nano
    hold.tokens = tokens
  }

  /** What a call holds of a scope is no longer reserved. */
  release(account: Account, hold: OpenHold): void {
    account.open.delete(hold)
    // Where amounts are at the end of exact numbers, the last call to end takes all with it.
    account.nano = account.open.size === 0 ? 0 : Math.max(0, account.nano - hold.nano)
    account.tokens = account.open.size === 0 ? 0 : Math.max(0, account.tokens - hold.tokens)
  }

  /** A budget is not a way to be had anew by another time zone: what is in a current window goes with it. */
  moveTo(calendar: Calendar, nowMs: number): void {
    for (const { spent } of this.#byName.values()) spent.move(this.#calendar, calendar, nowMs)
    this.#calendar = calendar
  }

  /** How all scopes stand that something was spent or is reserved of, in the current windows. */
  describeAll(nowMs: number): ScopeSpending[] {
    return Array.from(this.#byName, ([name, { entry, nano, tokens, spent }]) => ({
      name,
      entry,
      nano,
      tokens,
      windows: budgetPeriods.map((per) => {
        const { startMs } = this.#calendar.windowAt(per, nowMs)
        const amounts = spent.at(per, startMs)
        return [per, startMs, amounts.nano, amounts.tokens] as const
      }),
    }))
  }

  /** The same, with the newest windows first. */
  balance(nowMs: number): ScopeBalance[] {
    return this.describeAll(nowMs).map(({ name, entry, windows }) => ({
      scope: { name, entry },
      windows: windows
        .map(([per, startMs, ...amounts]) => {
          const { endMs } = this.#calendar.windowAt(per, nowMs)
          return [startMs, endMs, ...amounts] as const
        })
        .toSorted((one, other) => other[0] - one[0] || one[1] - other[1]),
    }))
  }

  /** The current windows, and those before them that are kept. */
  windows(nowMs: number): (CalendarWindow & { readonly per: BudgetPeriod })[] {
    return budgetPeriods.flatMap((per) => {
      const windows = [{ per, ...this.#calendar.windowAt(per, nowMs) }]
      if (per === 'total') return windows
      for (let count = 1; count < keptWindows; count++) {
        windows.unshift({ per, ...this.#calendar.windowAt(per, windows[0]!.startMs - 1) })
      }
      return windows
    })
  }

  saved(): SavedAccount[] {
    return Array.from(this.#byName, ([name, { entry, nano, tokens, spent }]) => ({
      name,
      entry,
      nano,
      tokens,
      windows: spent.saved(),
    }))
  }

  /** Takes up what was saved. @param isRunning its calls go on; otherwise what was reserved counts as spent. */
  restore(
    saved: readonly SavedAccount[],
    zone: string,
    { nowMs, isRunning }: { readonly nowMs: number; readonly isRunning: boolean },
  ): void {
    this.#calendar = new Calendar(zone)
    for (const { name, entry, nano, tokens, windows } of saved) {
      const account = this.of(name, entry)
      account.spent.restore(windows)
      if (isRunning) Object.assign(account, { nano, tokens })
      else if (nano > 0 || tokens > 0) account.spent.add({ nano, tokens }, this.#calendar, nowMs)
    }
  }

  /** Keeps what was spent for good or in a window that is not over. */
  #sweep(): void {
    for (const [name, { open, spent }] of this.#byName) {
      if (open.size === 0 && !spent.hasTotal) this.#byName.delete(name)
    }
    this.#sweptAccounts = Math.max(minSweptAccounts, 2 * this.#byName.size)
  }
}
