// How much a limit of a minute was used at worst.
import { windowMs } from '../../src/admission/sliding-window.ts'

/** Something that counts, at a time in milliseconds. */
export interface Counted {
  readonly atMs: number
  readonly amount: number
}

/**
 * The most that any span (t − length, t] holds: what is at t leaves at exactly t + length, as in the gateway's own windows.
 * @param lengthMs default: 60,000.
 */
export function worstWindow(counted: readonly Counted[], lengthMs: number = windowMs): number {
  const sorted = counted.toSorted((one, other) => one.atMs - other.atMs)
  let [worst, sum, first] = [0, 0, 0]
  for (const { atMs, amount } of sorted) {
    sum += amount
    while (atMs - sorted[first]!.atMs >= lengthMs) sum -= sorted[first++]!.amount
    worst = Math.max(worst, sum)
  }
  return worst
}

/** The most that is under way at once. What ends at the moment at which another one begins makes room for it. */
export function mostAtOnce(spans: readonly (readonly [fromMs: number, toMs: number])[]): number {
  const changes = spans.flatMap(([fromMs, toMs]) => [
    { atMs: fromMs, by: 1 },
    { atMs: toMs, by: -1 },
  ])
  changes.sort((one, other) => one.atMs - other.atMs || one.by - other.by)
  let [most, now] = [0, 0]
  for (const { by } of changes) most = Math.max(most, (now += by))
  return most
}
