// What calls sum up to in each quarter of an hour of UTC, by key, client, model and provider. Every time zone in use is a
// whole number of such quarters away from UTC, so that each zone's days can be put together from them.
import { type Cell, column, rowWidth } from './call-row.ts'

export const quarterMs = 15 * 60_000

/** The columns that are added up, in order, as in the table `quarters`. */
export const sumColumns = [
  'calls',
  'failed',
  'prompt',
  'cached',
  'cache_write',
  'completion',
  'reasoning',
  'cost_nano',
  'unpriced',
  'estimated',
  'lost',
] as const

/** Sums of one quarter, key, client, model and provider. */
export interface QuarterSum {
  /** Quarters since 1970. */
  readonly quarter: number
  readonly key: string | null
  readonly client: string
  /** The model that answered, else the one that was asked for. */
  readonly model: string | null
  readonly provider: string | null
  /** In the order of `sumColumns`. */
  readonly counts: number[]
}

export class QuarterSums {
  readonly #sums = new Map<string, QuarterSum>()

  get size(): number {
    return this.#sums.size
  }

  /**
   * Adds all rows up. @param areLost the rows themselves will not be kept.
   */
  addRows(rows: readonly Cell[], areLost = false): void {
    for (let at = 0; at < rows.length; at += rowWidth) this.#addRow(rows, at, areLost ? 1 : 0)
  }

  add(sum: QuarterSum): void {
    const { counts } = this.#sumOf(sum)
    for (const [index, count] of sum.counts.entries()) counts[index]! += count
  }

  values(): Iterable<QuarterSum> {
    return this.#sums.values()
  }

  #addRow(rows: readonly Cell[], at: number, lost: number): void {
    const number = (offset: number) => rows[at + offset] as number
    const text = (offset: number) => rows[at + offset] as string | null
    const { counts } = this.#sumOf({
      quarter: Math.floor(number(column.endedMs) / quarterMs),
      key: text(column.key),
      client: text(column.client) ?? '',
      model: text(column.fallback) ?? text(column.model),
      provider: text(column.provider),
    })
    const cost = rows[at + column.costNano] as number | null
    const tokens = number(column.prompt) + number(column.completion)
    counts[0]! += 1
    counts[1]! += hasFailed(number(column.status), text(column.code)) ? 1 : 0
    counts[2]! += number(column.prompt)
    counts[3]! += number(column.cached)
    counts[4]! += number(column.cacheWrite)
    counts[5]! += number(column.completion)
    counts[6]! += number(column.reasoning)
    counts[7]! += cost ?? 0
    counts[8]! += cost === null && tokens > 0 ? 1 : 0
    counts[9]! += number(column.estimated)
    counts[10]! += lost
  }

  #sumOf(sum: Omit<QuarterSum, 'counts'>): QuarterSum {
    const { quarter, key, client, model, provider } = sum
    // No name has a line break in it.
    const id = `${quarter}\n${key ?? ''}\n${client}\n${model ?? ''}\n${provider ?? ''}`
    let found = this.#sums.get(id)
    if (found === undefined) {
      found = { quarter, key, client, model, provider, counts: sumColumns.map(() => 0) }
      this.#sums.set(id, found)
    }
    return found
  }
}

/** A client that left before the end is no failure; a stream that ended with an error is one, whatever its status. */
function hasFailed(status: number, code: string | null): boolean {
  return status === 499 ? false : status >= 400 || code !== null
}

/** The same as SQL over the table `calls`. */
export const failedSql = '(status <> 499 AND (status >= 400 OR code IS NOT NULL))'
