// What reads and what writes counts: conditions and the status page read them; sinks write them, in whichever thread.
import type { CounterName, FamilyName } from './families.ts'

/** One label set of a counter, and its sum since the process began, of all threads. */
export interface CounterSeries {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface CounterReader {
  /** By the name without its prefix. In the order in which they came into being. */
  series(name: CounterName): Iterable<CounterSeries>
}

/**
 * Where counts go. A series is known by its first cell: a counter has one, a histogram one for each bucket, one for what
 * exceeds all of them, and one for the sum.
 */
export interface SeriesWriter {
  /** Whether another series fits; if not, `cell` answers with one whose names are `other`. */
  readonly hasRoom: boolean
  /** The first cell of a series, which exists from then on. @param values of the labels, in the order of the family. */
  cell(name: FamilyName, values: readonly string[]): number
  /** Something was counted under `other`. */
  countOther(): void
  /** @param amount finite and not negative. */
  add(cell: number, amount: number): void
}
