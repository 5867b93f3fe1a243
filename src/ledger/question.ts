// A question about usage as people and programs write it: by what, since when, until when, in which time zone.
import { isTimeZone, startOfDay } from '../platform/time-zone.ts'
import { type Dimension, dimensions, isDimension, type UsageQuestion } from './report.ts'

/** As written; absent ones have defaults. */
export interface WrittenQuestion {
  /** Dimensions with commas between them. */
  readonly by?: string | undefined
  /** How long ago: `90m`, `24h`, `7d`, `4w`. Or a day, `2026-11-01`, or an instant as in RFC 3339. */
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly zone?: string | undefined
}

export type ReadQuestion =
  | { readonly kind: 'question'; readonly question: UsageQuestion }
  /** The message is for people. */
  | { readonly kind: 'fault'; readonly param: keyof WrittenQuestion; readonly message: string }

const defaultSince = '7d'
const hourMs = 60 * 60_000
/** Of a report by hour; others may go as far back as there are calls. */
const maxHours = 100 * 24
/** Before this there was no gateway. */
const earliestMs = Date.UTC(2020, 0, 1)

/** @param defaultZone the name of a time zone. */
export function readQuestion(
  written: WrittenQuestion,
  { nowMs, defaultZone }: { readonly nowMs: number; readonly defaultZone: string },
): ReadQuestion {
  const fault = (param: keyof WrittenQuestion, message: string) =>
    ({ kind: 'fault', param, message }) as const
  const { zone = defaultZone } = written
  if (!isTimeZone(zone)) {
    return fault('zone', `${JSON.stringify(zone)} is not a time zone; write one like Europe/Berlin or UTC.`)
  }
  const names = (written.by ?? '').split(',').filter((name) => name !== '')
  const unknown = names.find((name) => !isDimension(name))
  if (unknown !== undefined) {
    return fault('by', `${JSON.stringify(unknown)} is not one of ${dimensions.join(', ')}.`)
  }
  const by = [...new Set(names)] as Dimension[]
  const at = (text: string) => readInstant(text, nowMs, zone)
  const sinceMs = at(written.since ?? defaultSince)
  if (sinceMs === undefined) return fault('since', instantFault(written.since!))
  const untilMs = written.until === undefined ? nowMs : at(written.until)
  if (untilMs === undefined) return fault('until', instantFault(written.until!))
  if (untilMs <= sinceMs) return fault('until', 'The end of the time is not after its start.')
  if (by.includes('hour') && untilMs - sinceMs > maxHours * hourMs) {
    return fault('since', `A report by hour covers ${maxHours / 24} days at most.`)
  }
  return { kind: 'question', question: { by, sinceMs, untilMs, zone } }
}

function instantFault(text: string): string {
  return `${JSON.stringify(text)} is not a time; write how long ago (90m, 24h, 7d, 4w), a day (2026-11-01) or an instant (2026-11-01T13:00:00Z).`
}

const unitMs = { m: 60_000, h: hourMs, d: 24 * hourMs, w: 7 * 24 * hourMs } as const
const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:\d\d)$/

function readInstant(text: string, nowMs: number, zone: string): number | undefined {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? []
  if (unit !== undefined) return bounded(nowMs - Number(count) * unitMs[unit as keyof typeof unitMs])
  if (/^\d{4}-\d\d-\d\d$/.test(text)) {
    const midnight = new Date(`${text}T00:00:00Z`)
    const isDay = !Number.isNaN(midnight.getTime()) && midnight.toJSON().startsWith(text)
    return isDay ? bounded(startOfDay(text, zone)) : undefined
  }
  const instant = rfc3339.test(text) ? Date.parse(text) : NaN
  return Number.isNaN(instant) ? undefined : bounded(instant)
}

function bounded(ms: number): number {
  return Math.max(earliestMs, Math.min(ms, Date.UTC(2200, 0, 1)))
}
