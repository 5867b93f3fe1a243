// The calls of a span by how they ended, and the clients that have called for the first time.
import type { DatabaseSync } from 'node:sqlite'
import {
  type CallGroup,
  CallGroupsDraft,
  callOfRow,
  decodeGroups,
  groupedColumns,
  type GroupedRow,
} from './call-groups.ts'
import { quarterMs } from './quarter-sums.ts'

/** Calls of a quarter of an hour that ended in the same way. */
export interface RecordedCalls extends Omit<
  CallGroup,
  'client' | 'model' | 'fallback' | 'provider' | 'code' | 'trouble'
> {
  /** When the quarter began, in milliseconds since 1970. */
  readonly startMs: number
  readonly client: string | null
  readonly model: string | null
  readonly fallback: string | null
  readonly provider: string | null
  readonly code: string | null
  readonly trouble: string | null
}

const quartersPerDay = 96
/** Of one statement, so that a reader holds no old version of the ledger for long. */
const quartersPerStatement = 24

/**
 * Calls that ended in a span, half open, in order of their quarters: from the digests of these where there are any, else from
 * the rows.
 * @param sinceMs, @param untilMs in milliseconds since 1970. @throws what SQLite throws.
 */
export function* readCalls(
  database: DatabaseSync,
  sinceMs: number,
  untilMs: number,
): Generator<RecordedCalls> {
  const { first, last } = database
    .prepare('SELECT (SELECT MIN(ended_ms) FROM calls) AS first, (SELECT MAX(ended_ms) FROM calls) AS last')
    .get() as { first: number | null; last: number | null }
  if (first === null || last === null) return
  const names = namesOf(database)
  const nameOf = (id: number | null) => (id === null ? null : (names.get(id) ?? null))
  const digests = database.prepare('SELECT quarter, groups FROM digests WHERE quarter >= ? AND quarter < ?')
  const [start, end] = [Math.max(sinceMs, first), Math.min(untilMs, last + 1)]
  const [firstWhole, endWhole] = [Math.ceil(sinceMs / quarterMs), Math.floor(untilMs / quarterMs)]
  const endQuarter = Math.ceil(end / quarterMs)
  for (let from = Math.floor(start / quarterMs); from < endQuarter; from += quartersPerStatement) {
    const to = Math.min(endQuarter, from + quartersPerStatement)
    const found = digests.all(Math.max(from, firstWhole), Math.min(to, endWhole)) as unknown as Digest[]
    let next = from
    for (const { quarter, groups } of found) {
      const decoded = decodeGroups(quarter, groups)
      if (decoded === undefined) continue
      yield* named(readRows(database, Math.max(start, next * quarterMs), quarter * quarterMs))
      yield* named([{ quarter, groups: decoded }])
      next = quarter + 1
    }
    yield* named(readRows(database, Math.max(start, next * quarterMs), Math.min(end, to * quarterMs)))
  }

  function* named(quarters: Iterable<QuarterGroups>): Generator<RecordedCalls> {
    for (const { quarter, groups } of quarters) {
      for (const { client, model, fallback, provider, code, trouble, ...counts } of groups) {
        yield {
          ...counts,
          startMs: quarter * quarterMs,
          client: nameOf(client),
          model: nameOf(model),
          fallback: nameOf(fallback),
          provider: nameOf(provider),
          code: nameOf(code),
          trouble: nameOf(trouble),
        }
      }
    }
  }
}

interface Digest {
  readonly quarter: number
  readonly groups: Uint8Array
}

interface QuarterGroups {
  readonly quarter: number
  readonly groups: readonly CallGroup[]
}

function* readRows(database: DatabaseSync, sinceMs: number, untilMs: number): Generator<QuarterGroups> {
  if (sinceMs >= untilMs) return
  const statement = database.prepare(
    `SELECT ${groupedColumns} FROM calls WHERE ended_ms >= ? AND ended_ms < ? ORDER BY ended_ms`,
  )
  statement.setReturnArrays(true)
  let draft: CallGroupsDraft | undefined
  for (const row of statement.all(sinceMs, untilMs) as unknown as GroupedRow[]) {
    const quarter = Math.floor(row[1]! / quarterMs)
    if (draft?.quarter !== quarter) {
      if (draft !== undefined) yield { quarter: draft.quarter, groups: draft.groups() }
      draft = new CallGroupsDraft(quarter)
    }
    draft.add(callOfRow(row))
  }
  if (draft !== undefined) yield { quarter: draft.quarter, groups: draft.groups() }
}

/**
 * Clients whose first recorded call is of a span, by name.
 * @returns undefined where the ledger does not reach back before it, so that all of them would be new.
 * @throws what SQLite throws.
 */
export function readNewClients(
  database: DatabaseSync,
  sinceMs: number,
  untilMs: number,
): string[] | undefined {
  const [since, until] = [Math.floor(sinceMs / quarterMs), Math.ceil(untilMs / quarterMs)]
  const { first } = database.prepare('SELECT MIN(quarter) AS first FROM quarters').get() as {
    first: number | null
  }
  if (first === null || first >= since) return undefined
  const names = namesOf(database)
  const statement = database.prepare(
    'SELECT DISTINCT client FROM quarters WHERE quarter >= ? AND quarter < ?',
  )
  const clientsOf = (from: number, to: number) =>
    statement.all(from, to).map(({ client }) => client as number)
  const added = new Set(clientsOf(since, until))
  // Those who call often have called on the day before.
  for (let to = since; to > first && added.size > 0; to -= quartersPerDay)
    for (const known of clientsOf(to - quartersPerDay, to)) added.delete(known)
  return [...added].flatMap((id) => names.get(id) ?? []).toSorted((one, other) => (one < other ? -1 : 1))
}

/** The start of the first quarter of an hour with calls, in milliseconds since 1970. Undefined: there are none. */
export function firstQuarterMs(database: DatabaseSync): number | undefined {
  const { first } = database.prepare('SELECT MIN(quarter) AS first FROM quarters').get() as {
    first: number | null
  }
  return first === null ? undefined : first * quarterMs
}

function namesOf(database: DatabaseSync): ReadonlyMap<number, string> {
  const rows = database.prepare('SELECT id, name FROM names').all()
  return new Map(rows.map(({ id, name }) => [Number(id), String(name)]))
}
