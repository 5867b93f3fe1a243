// What of budgets is news for operators.
import type { BudgetNews, BudgetState } from './budget.ts'
import type { BudgetPeriod } from './calendar-window.ts'
import { sum } from './spent-windows.ts'

const nearlySpent = 0.8

/** What has become of a budget by spending `amount` of it. @param begun the periods in whose windows it was the first. */
export function newsOfSpending(
  before: BudgetState,
  amount: number,
  begun: ReadonlySet<BudgetPeriod>,
): BudgetNews[] {
  const { limit, per } = before.budget
  const state = { ...before, spent: sum(before.spent, amount) }
  const passes = (bound: number) => before.spent < bound && state.spent >= bound
  const news: BudgetNews[] = begun.has(per) ? [{ kind: 'window_begun', ...state }] : []
  if (passes(limit)) news.push({ kind: 'exhausted', ...state })
  else if (passes(nearlySpent * limit)) news.push({ kind: 'nearly_spent', ...state })
  return news
}

const maxJumpMs = 60 * 60_000

/** Watches whether the wall clock jumps forward against the monotonic one. */
export class ClockWatch {
  /** Between the two clocks. */
  #offsetMs: number | undefined

  /** @returns undefined: it has not jumped since the last look. */
  look(wallMs: number, nowMs: number): BudgetNews | undefined {
    const offsetMs = wallMs - nowMs
    const forwardMs = offsetMs - (this.#offsetMs ?? offsetMs)
    this.#offsetMs = offsetMs
    return forwardMs > maxJumpMs ? { kind: 'clock_jumped', forwardMs: Math.round(forwardMs) } : undefined
  }
}
