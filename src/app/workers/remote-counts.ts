// A worker's counts: what it adds travels to the main thread, which owns the sums, with the other messages of the same turn.
import type { SeriesWriter } from '../../observe/metrics/counters.ts'
import { type FamilyName, widthOf } from '../../observe/metrics/families.ts'
import { SeriesTable } from '../../observe/metrics/series-table.ts'
import type { CountsMessage } from './messages.ts'
import type { Outbox } from './outbox.ts'

type OpenMessage = { readonly [Member in keyof CountsMessage]: Mutable<CountsMessage[Member]> }
type Mutable<Value> = Value extends readonly (infer Item)[] ? Item[] : Value

/** The worker's end. */
export class RemoteCounts implements SeriesWriter {
  readonly #outbox: Pick<Outbox<CountsMessage>, 'post' | 'sentBatches'>
  readonly #table: SeriesTable
  #message: OpenMessage = { kind: 'counts', series: [], amounts: [] }
  /** Under which number of the outbox it was posted. */
  #batch = -1

  constructor(outbox: Pick<Outbox<CountsMessage>, 'post' | 'sentBatches'>, maxSeries: number) {
    this.#outbox = outbox
    this.#table = new SeriesTable(maxSeries)
  }

  get hasRoom(): boolean {
    return this.#table.hasRoom
  }

  cell(name: FamilyName, values: readonly string[]): number {
    const { series, isNew, isReplaced } = this.#table.obtain(name, values)
    if (isNew) this.#open().series.push([series.first, name, series.values])
    if (isReplaced) this.countOther()
    return series.first
  }

  countOther(): void {
    this.add(this.cell('metrics_overflow_total', []), 1)
  }

  add(cell: number, amount: number): void {
    this.#open().amounts.push(cell, amount)
  }

  /** The message that is still to be sent. */
  #open(): OpenMessage {
    if (this.#batch !== this.#outbox.sentBatches) {
      this.#batch = this.#outbox.sentBatches
      this.#message = { kind: 'counts', series: [], amounts: [] }
      this.#outbox.post(this.#message)
    }
    return this.#message
  }
}

/** The main thread's end for one worker. What it has counted stays when the worker ends. */
export class ReceivedCounts {
  readonly #writer: SeriesWriter
  /** The worker's cell → the owner's. */
  readonly #cells: number[] = []

  constructor(writer: SeriesWriter) {
    this.#writer = writer
  }

  receive({ series, amounts }: CountsMessage): void {
    for (const [first, name, values] of series) {
      const own = this.#writer.cell(name, values)
      for (let index = 0; index < widthOf(name); index += 1) this.#cells[first + index] = own + index
    }
    for (let index = 0; index < amounts.length; index += 2) {
      this.#writer.add(this.#cells[amounts[index]!]!, amounts[index + 1]!)
    }
  }
}
