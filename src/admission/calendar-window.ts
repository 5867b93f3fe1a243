// When the window of a budget begins and ends: a day, week or month of the calendar in one time zone, or all time.
import type { Budget } from '../domain.ts'
import { startOfDay, wallClock } from '../platform/time-zone.ts'

export type BudgetPeriod = Budget['per']

/** Half open, in milliseconds since 1970. */
export interface CalendarWindow {
  readonly startMs: number
  /** `Infinity` for all time. */
  readonly endMs: number
}

const allTime: CalendarWindow = { startMs: 0, endMs: Infinity }
const dayMs = 24 * 60 * 60_000

/** Finds windows of one time zone. Those of the last instant are remembered, because the look-up takes a millisecond. */
export class Calendar {
  readonly zone: string
  readonly #known = new Map<BudgetPeriod, CalendarWindow>()

  /** @param zone the name of a time zone: `Europe/Berlin`. */
  constructor(zone: string) {
    this.zone = zone
  }

  /** The window that an instant lies in. Weeks begin on Monday. */
  windowAt(per: BudgetPeriod, nowMs: number): CalendarWindow {
    if (per === 'total') return allTime
    const known = this.#known.get(per)
    if (known !== undefined && nowMs >= known.startMs && nowMs < known.endMs) return known
    const [first, next] = boundsOf(per, wallClock(this.zone)(nowMs).day)
    const window = { startMs: startOfDay(first, this.zone), endMs: startOfDay(next, this.zone) }
    this.#known.set(per, window)
    return window
  }
}

/** The first day of the window that a day lies in, and of the one after it. */
function boundsOf(per: Exclude<BudgetPeriod, 'total'>, day: string): [first: string, next: string] {
  const atMs = Date.parse(`${day}T00:00:00Z`)
  if (per === 'day') return [day, dayOf(atMs + dayMs)]
  if (per === 'week') {
    const monday = atMs - ((new Date(atMs).getUTCDay() + 6) % 7) * dayMs
    return [dayOf(monday), dayOf(monday + 7 * dayMs)]
  }
  const date = new Date(atMs)
  return [
    `${day.slice(0, 'yyyy-mm'.length)}-01`,
    dayOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)),
  ]
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 'yyyy-mm-dd'.length)
}
