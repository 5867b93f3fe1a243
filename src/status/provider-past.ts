// How a provider has done lately, as one thread has seen it: fixed cells, whatever the number of calls.
import type { CallFacts } from '../observe/events/calls.ts'
import { percentile } from '../platform/percentile.ts'
import type { MinuteCell } from './status-report.ts'

/** The span of the cells and of the medians. */
export const shownMinutes = 15
const minuteMs = 60_000
/** Calls that are measured; the last ones count. */
const maxMeasures = 64

export interface ProviderPastLook {
  /** A call or a check has reached it. */
  readonly isReached: boolean
  /** In milliseconds since 1970, as the other times; undefined: never. */
  readonly lastSuccessMs: number | undefined
  /** When a call or a check has reached it last. */
  readonly lastReachedMs: number | undefined
  readonly reason: string | undefined
  readonly reasonMs: number | undefined
  /** The last 15, the oldest first. */
  readonly minutes: readonly MinuteCell[]
  /** Of the same time. */
  readonly measures: readonly Measure[]
}

/** Of one call; null: not known, as of a response that was no stream. */
interface Measure {
  readonly endedMs: number
  readonly firstTokenMs: number | null
  readonly promptPerSecond: number | null
  readonly tokensPerSecond: number | null
  /** As the provider has counted them; `cachedTokens` is null where it counts none apart. */
  readonly promptTokens: number
  readonly cachedTokens: number | null
}

interface Cell {
  minute: number
  calls: number
  failed: number
}

export class ProviderPast {
  readonly #cells: Cell[] = Array.from({ length: shownMinutes }, () => ({ minute: -1, calls: 0, failed: 0 }))
  readonly #measures: Measure[] = []
  #nextMeasure = 0
  #isReached = false
  #lastReachedMs: number | undefined
  #lastSuccessMs: number | undefined
  #reason: string | undefined
  #reasonMs: number | undefined

  addAttempt(hasFailed: boolean, nowMs: number): void {
    const cell = this.#cellAt(nowMs)
    cell.calls += 1
    if (hasFailed) cell.failed += 1
    else {
      this.setReached(nowMs)
      this.#lastSuccessMs = nowMs
    }
  }

  /** A response that counted as good has ended before its end. */
  addBreak(nowMs: number): void {
    const cell = this.#cellAt(nowMs)
    // The attempt may have begun in an earlier minute.
    cell.calls = Math.max(cell.calls, cell.failed + 1)
    cell.failed += 1
  }

  addMeasures(call: CallFacts, endedMs: number): void {
    const { first_token_ms: firstTokenMs, cached_tokens: cachedTokens = null, status } = call
    const isCounted = call.estimated !== true && cachedTokens !== null
    if ((firstTokenMs === undefined && !isCounted) || status >= 400) return
    this.#measures[this.#nextMeasure] = {
      endedMs,
      firstTokenMs: firstTokenMs === undefined ? null : firstTokenMs - call.wait_ms,
      promptPerSecond: call.prompt_per_second ?? null,
      tokensPerSecond: call.tokens_per_second ?? null,
      promptTokens: isCounted ? (call.prompt_tokens ?? 0) : 0,
      cachedTokens: isCounted ? cachedTokens : null,
    }
    this.#nextMeasure = (this.#nextMeasure + 1) % maxMeasures
  }

  setReason(reason: string, nowMs: number): void {
    this.#isReached = true
    this.#reason = reason
    this.#reasonMs = nowMs
  }

  setReached(nowMs: number): void {
    this.#isReached = true
    this.#lastReachedMs = nowMs
  }

  look(nowMs: number): ProviderPastLook {
    const now = Math.floor(nowMs / minuteMs)
    return {
      isReached: this.#isReached,
      lastSuccessMs: this.#lastSuccessMs,
      lastReachedMs: this.#lastReachedMs,
      reason: this.#reason,
      reasonMs: this.#reasonMs,
      minutes: Array.from({ length: shownMinutes }, (_, index) => {
        const minute = now - shownMinutes + 1 + index
        const cell = this.#cells[minute % shownMinutes]!
        return cell.minute === minute ? { calls: cell.calls, failed: cell.failed } : { calls: 0, failed: 0 }
      }),
      measures: this.#measures.filter(({ endedMs }) => endedMs > nowMs - shownMinutes * minuteMs),
    }
  }

  #cellAt(nowMs: number): Cell {
    const minute = Math.floor(nowMs / minuteMs)
    const cell = this.#cells[minute % shownMinutes]!
    if (cell.minute !== minute) Object.assign(cell, { minute, calls: 0, failed: 0 })
    return cell
  }
}

/** What several threads have seen of one provider. */
export function mergedPast(looks: readonly ProviderPastLook[]): ProviderPastLook {
  const latest = looks.reduce((one, other) => ((other.reasonMs ?? 0) > (one.reasonMs ?? 0) ? other : one))
  return {
    isReached: looks.some(({ isReached }) => isReached),
    lastSuccessMs: latestOf(looks.map(({ lastSuccessMs }) => lastSuccessMs)),
    lastReachedMs: latestOf(looks.map(({ lastReachedMs }) => lastReachedMs)),
    reason: latest.reason,
    reasonMs: latest.reasonMs,
    minutes: Array.from({ length: shownMinutes }, (_, index) => ({
      calls: sum(looks.map(({ minutes }) => minutes[index]!.calls)),
      failed: sum(looks.map(({ minutes }) => minutes[index]!.failed)),
    })),
    measures: looks.flatMap(({ measures }) => measures),
  }
}

function latestOf(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((ms) => ms !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}

/** Null: there are no values. */
export function medianOf(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).toSorted((one, other) => one - other)
  return percentile(sorted, 0.5) ?? null
}

/** The part of the prompts that came from the provider's cache, from 0 to 1. Null: no call has shown it. */
export function cachedShareOf(measures: ProviderPastLook['measures']): number | null {
  const counted = measures.filter(
    ({ cachedTokens, promptTokens }) => cachedTokens !== null && promptTokens > 0,
  )
  if (counted.length === 0) return null
  const cached = sum(counted.map(({ cachedTokens, promptTokens }) => Math.min(cachedTokens!, promptTokens)))
  return cached / sum(counted.map(({ promptTokens }) => promptTokens))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
