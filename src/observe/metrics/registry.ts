// All counts of a process, which its main thread owns: one number a cell, found by offset.
import type { CounterReader, CounterSeries, SeriesWriter } from './counters.ts'
import { type CounterName, type FamilyName, families } from './families.ts'
import { type Series, SeriesTable } from './series-table.ts'

const firstCells = 1_024

export class Registry implements CounterReader, SeriesWriter {
  readonly #table: SeriesTable
  #cells = new Float64Array(firstCells)

  /** Of series that were read, by their first cells: conditions read all of them every two seconds. */
  readonly #labels = new Map<number, CounterSeries['labels']>()
  readonly #onFull: () => void
  #isFull = false

  /**
   * @param maxSeries `metrics.max_series`.
   * @param onFull called once, when a name has no room.
   */
  constructor(maxSeries: number, onFull: () => void = () => {}) {
    this.#table = new SeriesTable(maxSeries)
    this.#onFull = onFull
  }

  get hasRoom(): boolean {
    return this.#table.hasRoom
  }

  /** How many lines there are. */
  get lines(): number {
    return this.#table.lines
  }

  cell(name: FamilyName, values: readonly string[]): number {
    const { series, isReplaced } = this.#table.obtain(name, values)
    while (this.#table.width > this.#cells.length) {
      const larger = new Float64Array(this.#cells.length * 2)
      larger.set(this.#cells)
      this.#cells = larger
    }
    if (isReplaced) this.countOther()
    return series.first
  }

  countOther(): void {
    this.add(this.#table.obtain('metrics_overflow_total', []).series.first, 1)
    if (this.#isFull || this.#table.hasRoom) return
    this.#isFull = true
    this.#onFull()
  }

  add(cell: number, amount: number): void {
    this.#cells[cell]! += amount
  }

  /** The number in a cell. */
  at(cell: number): number {
    return this.#cells[cell] ?? 0
  }

  of(name: FamilyName): Iterable<Series> {
    return this.#table.of(name)
  }

  *series(name: CounterName): Generator<CounterSeries> {
    const keys: readonly string[] = families[name].labels
    for (const { values, first } of this.#table.of(name)) {
      let labels = this.#labels.get(first)
      if (labels === undefined) {
        labels = Object.fromEntries(keys.map((key, index) => [key, values[index]!]))
        this.#labels.set(first, labels)
      }
      yield { labels, value: this.at(first) }
    }
  }
}
