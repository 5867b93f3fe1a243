// A span of time, cut where days, hours or months of a time zone begin.
import { wallClock } from '../platform/time-zone.ts'
import { quarterMs } from './quarter-sums.ts'

export type PeriodUnit = 'hour' | 'day' | 'month'

export interface Period {
  /** `2026-11-01T13:00+01:00`, `2026-11-01`, `2026-11`. The offset tells the two apart that a clock shows twice. */
  readonly label: string
  /** In quarters since 1970, half open. */
  readonly start: number
  readonly end: number
}

/** All periods of the span, in order; the first and the last may be cut short. @param start, @param end in quarters. */
export function periodsOf(start: number, end: number, zone: string, unit: PeriodUnit): Period[] {
  const at = wallClock(zone)
  const labelAt = (quarter: number) => labelOf(at(quarter * quarterMs), unit)
  const periods: Period[] = []
  for (let from = start; from < end;) {
    const label = labelAt(from)
    // No period is shorter than that many quarters, but for one that is cut by the start of the span.
    let to = from + 1
    const sure = from + shortest[unit]
    if (from > start && sure < end && labelAt(sure - 1) === label) to = sure
    while (to < end && labelAt(to) === label) to += 1
    periods.push({ label, start: from, end: to })
    from = to
  }
  return periods
}

const shortest = { hour: 2, day: 80, month: 27 * 96 } as const

function labelOf({ day, hour, offset }: ReturnType<ReturnType<typeof wallClock>>, unit: PeriodUnit): string {
  if (unit === 'hour') return `${day}T${String(hour).padStart(2, '0')}:00${offset}`
  return unit === 'day' ? day : day.slice(0, 'yyyy-mm'.length)
}
