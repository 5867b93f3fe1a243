// Which span of time a report is about, and which one it is compared with. Days, weeks and months are those of a time zone, so
// that a day on which the clocks change has 23 or 25 hours.
import { startOfDay, wallClock } from '../../platform/time-zone.ts'

export const periodNames = ['daily', 'weekly', 'monthly'] as const
export type PeriodName = (typeof periodNames)[number]

/** Milliseconds since 1970, half open. */
export interface Span {
  readonly sinceMs: number
  readonly untilMs: number
}

export interface ReportPeriod extends Span {
  /** For people: `2026-11-27`, `2026-11-16 to 2026-11-22`, `2026-10`. */
  readonly label: string
  readonly before: Span
}

/** The last day, week from Monday on, or month that is over. */
export function lastPeriod(name: PeriodName, nowMs: number, zone: string): ReportPeriod {
  const today = wallClock(zone)(nowMs).day
  const [start, end, startBefore] = boundsOf(name, today)
  const [sinceMs, untilMs] = [startOfDay(start, zone), startOfDay(end, zone)]
  return {
    sinceMs,
    untilMs,
    label: labelOf(name, start, end),
    before: { sinceMs: startOfDay(startBefore, zone), untilMs: sinceMs },
  }
}

/** Any span, compared with the time of the same length before it. @param nowMs ends it for people. */
export function freePeriod({ sinceMs, untilMs }: Span, nowMs: number, zone: string): ReportPeriod {
  const length = untilMs - sinceMs
  const label = `${instantText(sinceMs, zone)} to ${instantText(Math.min(untilMs, nowMs), zone)}`
  return { sinceMs, untilMs, label, before: { sinceMs: sinceMs - length, untilMs: sinceMs } }
}

/** `2026-11-27 14:03`. */
export function instantText(ms: number, zone: string): string {
  return new Date(ms).toLocaleString('sv-SE', { timeZone: zone }).slice(0, 16)
}

function boundsOf(name: PeriodName, today: string): readonly [start: string, end: string, before: string] {
  switch (name) {
    case 'daily':
      return [moved(today, -1), today, moved(today, -2)]
    case 'weekly': {
      // Sunday is 0 for the date, and the last day of the week here.
      const monday = moved(today, -((dateOf(today).getUTCDay() + 6) % 7))
      return [moved(monday, -7), monday, moved(monday, -14)]
    }
    case 'monthly': {
      const first = `${today.slice(0, 7)}-01`
      return [firstOfMonthBefore(first), first, firstOfMonthBefore(firstOfMonthBefore(first))]
    }
    default:
      return name satisfies never
  }
}

function labelOf(name: PeriodName, start: string, end: string): string {
  if (name === 'daily') return start
  return name === 'monthly' ? start.slice(0, 7) : `${start} to ${moved(end, -1)}`
}

function firstOfMonthBefore(first: string): string {
  return `${moved(first, -1).slice(0, 7)}-01`
}

function moved(day: string, days: number): string {
  const date = dateOf(day)
  date.setUTCDate(date.getUTCDate() + days)
  return date.toISOString().slice(0, 10)
}

function dateOf(day: string): Date {
  return new Date(`${day}T00:00:00Z`)
}
