// The failures of the last 24 hours, by code and provider, in cells of an hour.
import { shownText } from './shown-text.ts'

export interface FailureCount {
  readonly code: string
  readonly provider: string | null
  readonly count: number
  /** Milliseconds since 1970. */
  readonly lastMs: number
  readonly reason: string | undefined
}

interface Failure {
  readonly code: string
  readonly provider: string | null
  readonly reason: string | undefined
}

interface Counted {
  readonly code: string
  readonly provider: string | null
  /** By the hour since 1970, modulo 24. */
  readonly hours: { hour: number; count: number }[]
  lastMs: number
  reason: string | undefined
}

const hourMs = 60 * 60_000
const shownHours = 24
/** Codes and providers are the gateway's own; a gateway may be reloaded for years. */
const maxPairs = 500

export class FailureCounts {
  readonly #pairs = new Map<string, Counted>()

  /** @param failure.reason may be text of others. @param count how often it happened. */
  add({ code, provider, reason }: Failure, nowMs: number, count = 1): void {
    const key = `${code}\n${provider ?? ''}`
    const counted = this.#pairs.get(key) ?? this.#open(key, code, provider)
    const hour = Math.floor(nowMs / hourMs)
    const cell = (counted.hours[hour % shownHours] ??= { hour, count: 0 })
    if (cell.hour !== hour) Object.assign(cell, { hour, count: 0 })
    cell.count += count
    counted.lastMs = nowMs
    counted.reason = reason
  }

  look(nowMs: number): FailureCount[] {
    const since = Math.floor(nowMs / hourMs) - shownHours
    return Array.from(this.#pairs.values(), ({ code, provider, hours, lastMs, reason }) => {
      const count = hours.reduce((sum, cell) => sum + (cell.hour > since ? cell.count : 0), 0)
      return { code, provider, count, lastMs, reason: reason && shownText(reason) }
    }).filter(({ count }) => count > 0)
  }

  #open(key: string, code: string, provider: string | null): Counted {
    if (this.#pairs.size >= maxPairs) this.#pairs.delete(this.#pairs.keys().next().value!)
    const counted: Counted = { code, provider, hours: [], lastMs: 0, reason: undefined }
    this.#pairs.set(key, counted)
    return counted
  }
}

/** What several threads have counted. */
export function mergedFailures(looks: readonly (readonly FailureCount[])[]): FailureCount[] {
  const merged = new Map<string, FailureCount>()
  for (const each of looks.flat()) {
    const key = `${each.code}\n${each.provider ?? ''}`
    const known = merged.get(key)
    if (known === undefined) merged.set(key, each)
    else {
      const latest = each.lastMs > known.lastMs ? each : known
      merged.set(key, { ...latest, count: known.count + each.count })
    }
  }
  return [...merged.values()].toSorted((one, other) => other.count - one.count || other.lastMs - one.lastMs)
}
