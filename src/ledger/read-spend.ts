// Reads what is spent and reserved of budgets.
import type { DatabaseSync } from 'node:sqlite'
import type { SpentInWindows } from '../domain.ts'
import { quarterMs } from './quarter-sums.ts'
import type { CalendarSpan } from './spend-question.ts'

/** Sums end there: what exceeds exact numbers stays at their end. */
export const largest = Number.MAX_SAFE_INTEGER

/** Half open, in quarters of an hour since 1970. */
export function quartersOf(startMs: number, endMs: number): [start: number, end: number] {
  return [Math.floor(startMs / quarterMs), Math.min(largest, Math.floor(endMs / quarterMs))]
}

/** What is spent of all scopes in these spans. @throws what SQLite throws. */
export function readSpent(database: DatabaseSync, spans: readonly CalendarSpan[]): SpentInWindows[] {
  const sums = database.prepare(
    `SELECT s.name, s.entry, MIN(MAX(SUM(nano), 0), ${largest}) AS nano, MIN(MAX(SUM(tokens), 0), ${largest}) AS tokens FROM spend
      JOIN scopes s ON s.id = spend.scope WHERE quarter >= ? AND quarter < ? GROUP BY spend.scope`,
  )
  const found = new Map<
    string,
    { name: string; entry: string; windows: SpentInWindows['windows'][number][] }
  >()
  for (const { per, startMs, endMs } of spans) {
    for (const row of sums.all(...quartersOf(startMs, endMs))) {
      const { name, entry, nano, tokens } = row as {
        name: string
        entry: string
        nano: number
        tokens: number
      }
      const of = found.get(name) ?? { name, entry, windows: [] }
      found.set(name, of)
      of.windows.push([per, startMs, nano, tokens])
    }
  }
  return [...found.values()]
}

/** What calls under way have reserved, by the name of the scope. @throws what SQLite throws. */
export function readReserved(database: DatabaseSync): ReadonlyMap<string, { nano: number; tokens: number }> {
  const rows = database
    .prepare(
      `SELECT s.name, SUM(h.nano) AS nano, SUM(h.tokens) AS tokens FROM scopes s
        JOIN holds h ON s.id IN (h.scope, h.total) WHERE h.charged = 0 GROUP BY s.id`,
    )
    .all() as { name: string; nano: number; tokens: number }[]
  return new Map(rows.map(({ name, nano, tokens }) => [name, { nano, tokens }]))
}
