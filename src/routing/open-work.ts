// What each provider has to do for calls under way: for how long others would wait behind them.
import { commonBytes } from './prefix-index.ts'
import type { PrefixHashes } from './prefix-hashes.ts'

/** A call that was sent to a provider. Times are in milliseconds of the monotonic clock. */
export interface OpenCall {
  readonly target: string
  readonly hashes: PrefixHashes
  readonly sinceMs: number
  /** What reading its prompt and writing its answer is expected to take. */
  readonly readMs: number
  readonly writeMs: number
  /** Whether its first token has not come yet. */
  isReading: boolean
}

/** Of an answer of which nothing is known. */
export const usualWriteMs = 5_000

/** A call that takes longer than expected is expected to take a quarter of that time more. */
const overtime = 0.25

export class OpenWork {
  readonly #calls = new Map<string, Set<OpenCall>>()

  add(provider: string, call: OpenCall): void {
    const calls = this.#calls.get(provider)
    if (calls === undefined) this.#calls.set(provider, new Set([call]))
    else calls.add(call)
  }

  remove(provider: string, call: OpenCall): void {
    const calls = this.#calls.get(provider)
    calls?.delete(call)
    if (calls?.size === 0) this.#calls.delete(provider)
  }

  /** How long the prompts take that are still to be read: one after the other, because together they are no faster. */
  readingMs(provider: string, nowMs: number): number {
    let doneMs = -Infinity
    let lastMs = 0
    for (const { isReading, sinceMs, readMs } of this.#calls.get(provider) ?? []) {
      if (!isReading) continue
      doneMs = Math.max(doneMs, sinceMs) + readMs
      lastMs = readMs
    }
    return Math.max(doneMs - nowMs, lastMs * overtime)
  }

  /** How many calls are being answered. */
  writing(provider: string): number {
    let count = 0
    for (const { isReading } of this.#calls.get(provider) ?? []) if (!isReading) count += 1
    return count
  }

  /**
   * How long until one of `slots` is free, if each call keeps its slot to its expected end and those behind it follow in order.
   * @param busy calls at the provider, of which some may not be known here.
   */
  slotMs(provider: string, slots: number, busy: number, nowMs: number): number {
    if (busy < slots) return 0
    const calls = this.#calls.get(provider)
    const free: number[] = []
    const take = (sinceMs: number, totalMs: number) => {
      const begins = free.length < slots ? sinceMs : Math.max(sinceMs, free.shift()!)
      free.push(Math.max(begins + totalMs, nowMs + totalMs * overtime))
      free.sort((first, second) => first - second)
    }
    for (const { sinceMs, readMs, writeMs } of calls ?? []) take(sinceMs, readMs + writeMs)
    for (let other = calls?.size ?? 0; other < busy; other += 1) take(nowMs, usualWriteMs / 2)
    return free[0]! - nowMs
  }

  /** How much, in bytes, the prompts of the calls at a target have in common with another one. */
  commonWith(provider: string, target: string, hashes: PrefixHashes): number[] {
    const common: number[] = []
    for (const call of this.#calls.get(provider) ?? []) {
      if (call.target === target) common.push(commonBytes(hashes, call.hashes))
    }
    return common
  }
}
