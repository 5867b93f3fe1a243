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

interface Measure {
  readonly endedMs: number
  readonly firstTokenMs: number
  readonly tokensPerSecond: number | null
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
    const { first_token_ms: firstTokenMs, tokens_per_second: tokensPerSecond = null, status } = call
    if (firstTokenMs === undefined || status >= 400) return
    this.#measures[this.#nextMeasure] = {
      endedMs,
      firstTokenMs: firstTokenMs - call.wait_ms,
      tokensPerSecond,
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

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
