// Rows that have still to be sent: those that are being collected, and batches of them that wait, the oldest first. When too many
// wait, the oldest are given up, and what they add up to waits in their place.
import { appendRow, type Cell, column, type EndedCall, rowWidth } from './call-row.ts'
import type { RowBatch } from './messages.ts'
import { QuarterSums } from './quarter-sums.ts'

/** A batch is sent at once when it has so many. Each costs a transaction; more rows would take longer to hand over. */
const rowsPerBatch = 500
/** Of those that have waited, so many go into one transaction. */
const maxRowsPerBatch = 2_000
/** Tariffs whose texts are shared. */
const maxTexts = 1_000

export class PendingRows {
  readonly #maxWaitingRows: number
  /** Rows that are collected. */
  #open: Cell[] = []
  #waiting: (readonly Cell[])[] = []
  #waitingRows = 0
  /** Of rows that were given up, and whose sums are not yet in the file. */
  #lostSums = new QuarterSums()
  #lostRows = 0
  readonly #texts = new Map<string, string>()

  /** @param maxWaitingRows that may wait besides those that are being collected. */
  constructor(maxWaitingRows: number) {
    this.#maxWaitingRows = maxWaitingRows
  }

  /** @param endedMs milliseconds since 1970. */
  add(call: EndedCall, endedMs: number): void {
    appendRow(this.#open, call, endedMs)
  }

  /** Adds rows of another thread. */
  addRows(rows: readonly Cell[]): void {
    const open = this.#open
    for (let at = 0; at < rows.length; at += rowWidth) {
      for (let offset = 0; offset < column.tariff; offset++) open.push(rows[at + offset]!)
      open.push(this.#shared(rows[at + column.tariff]!))
    }
  }

  /** How many there are. */
  get count(): number {
    return this.#waitingRows + this.#open.length / rowWidth
  }

  /** How many were given up so far. */
  get lostRows(): number {
    return this.#lostRows
  }

  /** Whether those that are collected are enough for a batch. */
  get isBatchFull(): boolean {
    return this.#open.length >= rowsPerBatch * rowWidth
  }

  /** Whether `take` would give anything. */
  get hasBatch(): boolean {
    return this.#waiting.length > 0 || this.#lostSums.size > 0
  }

  /** Ends the batch that is being collected. */
  cut(): void {
    if (this.#open.length === 0) return
    this.#waiting.push(this.#open)
    this.#waitingRows += this.#open.length / rowWidth
    this.#open = []
    this.#giveUpOldest()
  }

  /** Takes what goes into one transaction. */
  take(): Pick<RowBatch, 'rows' | 'lostSums'> {
    const rows = this.#takeRows()
    const lostSums = [...this.#lostSums.values()]
    if (lostSums.length > 0) this.#lostSums = new QuarterSums()
    return { rows, lostSums }
  }

  /** What was taken last is not in the file. */
  giveBack({ rows, lostSums }: Pick<RowBatch, 'rows' | 'lostSums'>): void {
    if (rows.length > 0) {
      this.#waiting.unshift(rows)
      this.#waitingRows += rows.length / rowWidth
    }
    for (const sum of lostSums) this.#lostSums.add(sum)
    this.#giveUpOldest()
  }

  /** Nothing of it will ever be written. */
  clear(): void {
    this.#open = []
    this.#waiting = []
    this.#waitingRows = 0
    this.#lostSums = new QuarterSums()
  }

  /** One text for all rows of a tariff: each row of another thread comes with a copy. */
  #shared(text: Cell): Cell {
    if (typeof text !== 'string') return text
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    if (this.#texts.size >= maxTexts) this.#texts.clear()
    this.#texts.set(text, text)
    return text
  }

  #takeRows(): readonly Cell[] {
    const rows: Cell[] = []
    const fits = (batch: readonly Cell[]) => rows.length + batch.length <= maxRowsPerBatch * rowWidth
    while (this.#waiting.length > 0 && (rows.length === 0 || fits(this.#waiting[0]!))) {
      const batch = this.#waiting.shift()!
      this.#waitingRows -= batch.length / rowWidth
      // A single batch goes as it is.
      if (rows.length === 0 && this.#waiting.length === 0) return batch
      for (const cell of batch) rows.push(cell)
    }
    return rows
  }

  #giveUpOldest(): void {
    while (this.#waitingRows > this.#maxWaitingRows) {
      const rows = this.#waiting.shift()!
      const count = rows.length / rowWidth
      this.#waitingRows -= count
      this.#lostRows += count
      this.#lostSums.addRows(rows, true)
    }
  }
}
