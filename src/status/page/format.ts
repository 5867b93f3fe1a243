// Numbers, times and texts as the page shows them. Nothing here needs a browser.
import { durationText } from '../../platform/duration.ts'
import { usdText } from '../usd-text.ts'

/** Controls, and marks that change the order or the look of the text around them. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Text of others with everything that hides or reorders written out: `\u202e`. */
function visible(text: string): string {
  return text.replaceAll(unseen, (each) => `\\u${each.codePointAt(0)!.toString(16).padStart(4, '0')}`)
}

/** JSON of the gateway whose texts are all `visible`. @throws SyntaxError when it is not JSON. */
export function readJson(text: string): unknown {
  return JSON.parse(text, (_, value: unknown) => (typeof value === 'string' ? visible(value) : value))
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

export const none = '–'

export function count(value: number | null): string {
  return value === null ? none : whole.format(value)
}

/** Where none is not worth a number. */
export function some(value: number | null): string {
  return count(value || null)
}

/** `1 call`, `2 calls`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}

/** Tokens per second. */
export function rate(value: number | null): string {
  return value === null ? none : value < 100 ? value.toFixed(1) : count(value)
}

export function duration(ms: number | null): string {
  return ms === null ? none : durationText(ms)
}

export function usd(text: string | number | null): string {
  return text === null ? none : usdText(text)
}

/** The viewer's time zone: `Europe/Berlin`. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone

const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })

/** An ISO 8601 time in the viewer's zone: `14:03:11` on the viewer's day, else `27 Nov, 14:03:11`. */
export function time(iso: string | null): string {
  if (iso === null) return none
  const at = new Date(iso)
  const date = day.format(at)
  return `${date === day.format() ? '' : `${date}, `}${clock.format(at)}`
}

/** A day of the calendar: `2026-11-28` → `28 Nov`. */
export function shortDay(name: string): string {
  const at = new Date(`${name}T12:00:00`)
  return Number.isNaN(+at) ? name : day.format(at)
}

/** Of a member of all rows: a number, decimal text, or null for 0. */
export function sum<Row>(rows: readonly Row[], member: keyof Row): number {
  return rows.reduce((total, row) => total + Number(row[member]), 0)
}
