// How much a limit of a minute was used at worst.
import { windowMs } from '../../src/admission/sliding-window.ts'

/** Something that counts from some moment between two on, in milliseconds. */
export interface Counted {
  readonly fromMs: number
  readonly toMs: number
  readonly amount: number
}

/**
 * The most that any span (t − length, t] holds for certain, whatever the moments are: what is at t leaves at exactly t + length,
 * as in the gateway's own windows.
 * @param lengthMs default: 60,000.
 */
export function worstWindow(counted: readonly Counted[], lengthMs: number = windowMs): number {
  const byEnd = counted.toSorted((one, other) => one.toMs - other.toMs)
  const byStart = counted.toSorted((one, other) => one.fromMs - other.fromMs)
  const [within, left] = [new Set<Counted>(), new Set<Counted>()]
  let [worst, sum, first] = [0, 0, 0]
  for (const each of byEnd) {
    for (; first < byStart.length && byStart[first]!.fromMs <= each.toMs - lengthMs; first++) {
      const gone = byStart[first]!
      left.add(gone)
      if (within.delete(gone)) sum -= gone.amount
    }
    if (left.has(each)) continue
    within.add(each)
    sum += each.amount
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
