// Durations as rate-limit headers write them. All results are whole milliseconds, rounded up, so that waiting that long
// suffices.

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** `ms` (at least 0) as OpenAI and Groq write durations, after Go's time.Duration: `0s`, `12ms`, `1.5s`, `6m0s`. */
export function formatGoDuration(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms))
  if (whole === 0) return '0s'
  if (whole < SECOND) return `${whole}ms`
  const hours = Math.floor(whole / HOUR)
  const minutes = Math.floor((whole % HOUR) / MINUTE)
  const seconds = `${(whole % MINUTE) / SECOND}s`
  if (hours > 0) return `${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${minutes}m${seconds}` : seconds
}

/** What a header's plain numbers mean, and what its points in time are relative to. */
export interface DurationContext {
  /** The wall clock, milliseconds since 1970. */
  readonly nowMs: number
  /** `ms` for `retry-after-ms`; seconds if absent, as in `retry-after` and Azure's `x-ratelimit-reset-*`. */
  readonly plainUnit?: 'ms' | 's'
}

const MAX_LENGTH = 64

// RFC 9110 §5.6.7 IMF-fixdate, and RFC 3339 as Anthropic sends it.
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/
const timestamp = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/
const plainNumber = /^(?:\d+(?:\.\d*)?|\.\d+)$/
const goDuration = /^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/
const goPart = /([\d.]+)([^\d.]+)/g

/** In nanoseconds, because sums of whole ones are exact. */
const unitNs: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

/**
 * Reads a wait as providers send it: a number, a Go duration, an HTTP date or an RFC 3339 timestamp. A time that has
 * passed is 0; one too late for a whole number is the largest of these. Undefined for anything else, negative numbers too (Azure sends -1 for "unknown").
 */
export function parseDurationMs(
  text: string,
  { nowMs, plainUnit = 's' }: DurationContext,
): number | undefined {
  const value = text.trim()
  if (value.length > MAX_LENGTH) return undefined
  if (plainNumber.test(value)) return wholeMs(Number(value) * unitNs[plainUnit]!)
  if (goDuration.test(value)) {
    let ns = 0
    for (const [, count, unit] of value.matchAll(goPart)) ns += Math.round(Number(count) * unitNs[unit!]!)
    return wholeMs(ns)
  }
  if (!httpDate.test(value) && !timestamp.test(value)) return undefined
  const time = Date.parse(value)
  return Number.isNaN(time) ? undefined : Math.max(0, Math.ceil(time - nowMs))
}

/** A time that is too large to count is very late, as its sender means it, and not unknown. */
function wholeMs(ns: number): number {
  return Math.min(Math.ceil(Math.round(ns) / 1e6), Number.MAX_SAFE_INTEGER)
}
