// Reports of several ledgers as one. Sums of sums are exact; nothing in a report of usage is a median or another figure that
// could not be added up.
import {
  comparing,
  countNames,
  maxRows,
  type MergedDimension,
  totalOf,
  type UsageCounts,
  type UsageReport,
  type UsageRow,
} from './report.ts'

/** Rows that are told apart while reports are added up. */
const maxGroups = 4 * maxRows

/** Adds up reports of one question, in any order. Takes each ledger once: that is the caller's duty. */
export class MergedReport {
  readonly #by: readonly MergedDimension[]
  readonly #groups = new Map<string, UsageRow>()
  readonly #totals: UsageCounts[] = []
  #isCut = false

  /** @param by the dimensions of the question, and `machine` where the rows of machines are to be told apart. */
  constructor(by: readonly MergedDimension[]) {
    this.#by = by
  }

  /** @param machine that the report is of. */
  add(machine: string, { rows, total, isCut }: Pick<UsageReport, 'rows' | 'total' | 'isCut'>): void {
    this.#totals.push(total)
    this.#isCut ||= isCut
    for (const row of rows) {
      const named = this.#by.map((dimension) =>
        dimension === 'machine' ? machine : (row[dimension] ?? null),
      )
      const id = JSON.stringify(named)
      const known = this.#groups.get(id)
      if (known !== undefined) this.#groups.set(id, { ...known, ...bounded(totalOf([known, row])) })
      else if (this.#groups.size < maxGroups) {
        const dimensions = Object.fromEntries(this.#by.map((dimension, index) => [dimension, named[index]]))
        this.#groups.set(id, { ...dimensions, ...bounded(totalOf([row])) })
      } else this.#isCut = true
    }
  }

  /** As a single ledger's: in the same order, with the same bound of rows. */
  report(): Pick<UsageReport, 'rows' | 'total' | 'isCut'> {
    const rows = [...this.#groups.values()].toSorted(comparing(this.#by))
    return {
      rows: rows.slice(0, maxRows),
      total: bounded(totalOf(this.#totals)),
      isCut: this.#isCut || rows.length > maxRows,
    }
  }
}

/** What exceeds exact numbers stays at their end, as in a single ledger. */
function bounded(counts: UsageCounts): UsageCounts {
  const limited = countNames.map((name) => [name, Math.min(counts[name], Number.MAX_SAFE_INTEGER)])
  return Object.fromEntries(limited) as UsageCounts
}
