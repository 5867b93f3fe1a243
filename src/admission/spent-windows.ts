// What was spent of one scope, in the windows of the calendar.
import { budgetPeriods } from '../domain.ts'
import type { BudgetPeriod, Calendar } from './calendar-window.ts'

/** Whole, and at least 0. */
export interface Amounts {
  /** Nano-USD. */
  readonly nano: number
  readonly tokens: number
}

/** One window as it is saved. */
export type SavedWindow = readonly [per: BudgetPeriod, startMs: number, nano: number, tokens: number]

/** An account as it is saved. */
export interface SavedAccount {
  readonly name: string
  /** Absent where an earlier version has saved it. */
  readonly entry?: string
  /** Reserved. */
  readonly nano: number
  readonly tokens: number
  readonly windows: readonly SavedWindow[]
}

export interface SavedBudgets {
  readonly timeZone: string
  /** As `SpendSource.revision`. Absent where an earlier version has saved it. */
  readonly revision?: number
  readonly accounts: readonly SavedAccount[]
}

interface SpentWindow {
  startMs: number
  nano: number
  tokens: number
}

/** Of each period so many windows are kept, the newest ones: a clock that is set back finds its window again. */
export const keptWindows = 3

const nothing: Amounts = { nano: 0, tokens: 0 }

export class SpentWindows {
  readonly #windows: Readonly<Record<BudgetPeriod, SpentWindow[]>> = {
    day: [],
    week: [],
    month: [],
    total: [],
  }

  /** In the window that begins at this instant. */
  at(per: BudgetPeriod, startMs: number): Amounts {
    return this.#find(per, startMs) ?? nothing
  }

  /** Whether anything was spent that counts for good. */
  get hasTotal(): boolean {
    return this.#windows.total.length > 0
  }

  /** @returns the periods in whose windows nothing had been spent, though it had in earlier ones. */
  add({ nano, tokens }: Amounts, calendar: Calendar, nowMs: number): ReadonlySet<BudgetPeriod> {
    const begun = new Set<BudgetPeriod>()
    for (const per of budgetPeriods) {
      const ofPeriod = this.#windows[per]
      const { startMs } = calendar.windowAt(per, nowMs)
      let window = this.#find(per, startMs)
      if (window === undefined) {
        window = { startMs, ...nothing }
        if (ofPeriod.length > 0) begun.add(per)
        ofPeriod.push(window)
        if (ofPeriod.length > keptWindows) ofPeriod.shift()
      }
      window.nano = sum(window.nano, nano)
      window.tokens = sum(window.tokens, tokens)
    }
    return begun
  }

  /** What is in a current window goes over to the one of another calendar. */
  move(from: Calendar, to: Calendar, nowMs: number): void {
    for (const per of budgetPeriods) {
      const window = this.#find(per, from.windowAt(per, nowMs).startMs)
      if (window !== undefined) window.startMs = to.windowAt(per, nowMs).startMs
    }
    this.#evenOut((per) => to.windowAt(per, nowMs).startMs)
  }

  saved(): SavedWindow[] {
    return budgetPeriods.flatMap((per) =>
      this.#windows[per].map(({ startMs, nano, tokens }) => [per, startMs, nano, tokens] as const),
    )
  }

  /** Takes up what `saved` returned. */
  restore(windows: readonly SavedWindow[]): void {
    for (const [per, startMs, nano, tokens] of windows) this.#windows[per].push({ startMs, nano, tokens })
  }

  #find(per: BudgetPeriod, startMs: number): SpentWindow | undefined {
    return this.#windows[per].find((each) => each.startMs === startMs)
  }

  /** Of windows that begin at the same instant, a Monday and its week, none has spent more than the other. */
  #evenOut(startOf: (per: BudgetPeriod) => number): void {
    for (const per of budgetPeriods) {
      const startMs = startOf(per)
      for (const other of budgetPeriods) {
        const from = this.#find(other, startMs)
        if (from === undefined || startOf(other) !== startMs || other === per) continue
        let window = this.#find(per, startMs)
        if (window === undefined) {
          window = { startMs, ...nothing }
          this.#windows[per].push(window)
        }
        window.nano = Math.max(window.nano, from.nano)
        window.tokens = Math.max(window.tokens, from.tokens)
      }
    }
  }
}

/** Of amounts from 0 on; what exceeds exact numbers stays at their end. */
export function sum(one: number, other: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, one + other)
}
