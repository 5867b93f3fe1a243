// Whether the ledger is whole: its pages, and its sums against its rows.
import type { DatabaseSync } from 'node:sqlite'
import { membersOf, parseJson } from '../bytes/json/parse.ts'
import type { Tariff, TokenRates, Usage } from '../domain.ts'
import { costAt } from '../prices/cost.ts'
import { sumsOfCharges } from './spend-tables.ts'
import { failedSql, quarterMs, sumColumns } from './quarter-sums.ts'

export interface Verdict {
  /** What SQLite found wrong with the file; empty: nothing. */
  readonly damages: readonly string[]
  /** Sums that differ from their rows, of those whose rows are all kept. */
  readonly wrongSums: number
  /** Calls whose cost is not what their tokens cost at their price, of those whose price is known. */
  readonly wrongCosts: number
  readonly calls: number
  /** Rows that were given up while the disk was full or locked; their sums are kept. */
  readonly lostRows: number
  /** Runs that did not end in order, but for the last one. */
  readonly cutRuns: number
}

/** The sums of all rows, in the columns of `quarters`. */
export const sumsOfCalls = `SELECT ended_ms / ${quarterMs} AS quarter, COALESCE(key, 0) AS key, client,
  COALESCE(fallback, model, 0) AS model, COALESCE(provider, 0) AS provider, COUNT(*) AS calls, SUM(${failedSql}) AS failed,
  SUM(prompt) AS prompt, SUM(cached) AS cached, SUM(cache_write) AS cache_write, SUM(completion) AS completion,
  SUM(reasoning) AS reasoning, COALESCE(SUM(cost_nano), 0) AS cost_nano,
  SUM(cost_nano IS NULL AND prompt + completion > 0) AS unpriced, SUM(estimated) AS estimated, 0 AS lost
  FROM calls GROUP BY 1, 2, 3, 4, 5`

/** Quarters whose rows may be gone in part: those of the oldest row and before. */
const firstWholeQuarter = `(SELECT COALESCE(MIN(ended_ms) / ${quarterMs} + 1, 9e15) FROM calls)`

const same = sumColumns.map((name) => `s.${name} = q.${name}`).join(' AND ')

/** Sums with rows that say otherwise or are not there, and rows without sums. Both by the key of the table. */
export const wrongSumsSql = `
  WITH s AS (${sumsOfCalls})
  SELECT q.quarter, q.key, q.client, q.model, q.provider FROM quarters q LEFT JOIN s USING(quarter, key, client, model, provider)
    WHERE q.quarter >= ${firstWholeQuarter} AND q.lost = 0 AND (s.calls IS NULL OR NOT (${same}))
  UNION
  SELECT s.quarter, s.key, s.client, s.model, s.provider FROM s LEFT JOIN quarters q USING(quarter, key, client, model, provider)
    WHERE s.quarter >= ${firstWholeQuarter} AND q.calls IS NULL`

/**
 * Sums of what was spent of budgets that differ from their charges, as above. By the key of the table. A correction may be
 * of a time whose charges are gone.
 */
export const wrongSpendSql = `
  WITH c AS (${sumsOfCharges}), first AS (SELECT COALESCE(MIN(at_ms) / ${quarterMs} + 1, 9e15) AS quarter FROM charges
    WHERE request_id <> '')
  SELECT s.scope, s.quarter FROM spend s LEFT JOIN c USING(scope, quarter)
    WHERE s.quarter >= (SELECT quarter FROM first) AND (c.nano IS NULL OR c.nano <> s.nano OR c.tokens <> s.tokens)
  UNION
  SELECT c.scope, c.quarter FROM c LEFT JOIN spend s USING(scope, quarter)
    WHERE c.quarter >= (SELECT quarter FROM first) AND s.nano IS NULL`

/** Digests of other numbers of calls than there are rows. By the key of the table. */
export const wrongDigestsSql = `SELECT quarter FROM digests d WHERE calls <> (SELECT COUNT(*) FROM calls
  WHERE ended_ms >= d.quarter * ${quarterMs} AND ended_ms < (d.quarter + 1) * ${quarterMs})`

/** Reads all of the file. @throws what SQLite throws, where it cannot be read as far as that. */
export function verifyLedger(database: DatabaseSync): Verdict {
  const damages = database
    .prepare('PRAGMA quick_check(20)')
    .all()
    .map((row) => String(row['quick_check']).replaceAll('\n', ' '))
    .filter((line) => line !== 'ok')
  if (damages.length > 0) return { damages, wrongSums: 0, wrongCosts: 0, calls: 0, lostRows: 0, cutRuns: 0 }
  const count = (sql: string) => database.prepare(sql).get()!['count'] as number
  return {
    damages,
    wrongSums: count(
      `SELECT (SELECT COUNT(*) FROM (${wrongSumsSql})) + (SELECT COUNT(*) FROM (${wrongSpendSql}))
        + (SELECT COUNT(*) FROM (${wrongDigestsSql})) AS count`,
    ),
    wrongCosts: countWrongCosts(database),
    calls: count('SELECT COUNT(*) AS count FROM calls'),
    lostRows: count('SELECT COALESCE(SUM(lost_rows), 0) AS count FROM runs'),
    cutRuns: count(
      'SELECT COUNT(*) AS count FROM runs WHERE ended_ms IS NULL AND id < (SELECT MAX(id) FROM runs)',
    ),
  }
}

const rowsPerPiece = 20_000

/** Piece by piece: a long statement would keep the gateway from shortening its log of changes. */
function countWrongCosts(database: DatabaseSync): number {
  const tariffs = new Map(
    database
      .prepare("SELECT id, json FROM prices WHERE json <> '{}'")
      .all()
      .map(({ id, json }) => [id as number, readTariff(String(json))]),
  )
  const piece =
    database.prepare(`SELECT id, price, prompt, cached, cache_write, completion, reasoning, cost_nano
    FROM calls WHERE id > ? ORDER BY id LIMIT ${rowsPerPiece}`)
  let wrong = 0
  for (let last = 0, isOver = false; !isOver;) {
    const rows = piece.all(last) as unknown as CostRow[]
    for (const row of rows) {
      const tariff = row.price === null ? undefined : tariffs.get(row.price)
      if (tariff !== undefined && tariff !== 'unreadable' && row.cost_nano !== costAt(tariff, usageOf(row)))
        wrong += 1
      if (tariff === 'unreadable') wrong += 1
    }
    last = rows.at(-1)?.id ?? last
    isOver = rows.length < rowsPerPiece
  }
  return wrong
}

interface CostRow {
  readonly id: number
  readonly price: number | null
  readonly prompt: number
  readonly cached: number
  readonly cache_write: number
  readonly completion: number
  readonly reasoning: number
  readonly cost_nano: number | null
}

function usageOf(row: CostRow): Usage {
  return {
    promptTokens: row.prompt,
    completionTokens: row.completion,
    totalTokens: row.prompt + row.completion,
    cachedTokens: row.cached,
    cacheWriteTokens: row.cache_write,
    reasoningTokens: row.reasoning,
  }
}

/** As `call-row.ts` writes it. */
function readTariff(json: string): Tariff | 'unreadable' {
  const { rates, above = [] } = membersOf(parseJson(json))
  const isRates = (value: unknown) => rateNames.every((name) => Number.isSafeInteger(membersOf(value)[name]))
  const isTariff =
    isRates(rates) &&
    Array.isArray(above) &&
    above.every(
      (tier) => isRates(membersOf(tier)['rates']) && Number.isSafeInteger(membersOf(tier)['inputTokens']),
    )
  return isTariff ? ({ rates, above } as unknown as Tariff) : 'unreadable'
}

const rateNames = [
  'input',
  'cachedInput',
  'cacheWrite',
  'hourCacheWrite',
  'output',
  'reasoning',
  'request',
] as const satisfies readonly (keyof TokenRates)[]
