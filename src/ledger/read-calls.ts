// The rows of calls, one by one, and the clients that have called for the first time.
import type { DatabaseSync } from 'node:sqlite'
import { quarterMs } from './quarter-sums.ts'

/** Names are null where a call has none. */
export interface RecordedCall {
  readonly endedMs: number
  readonly client: string | null
  /** The model that was asked for, and the one that answered in its place. */
  readonly model: string | null
  readonly fallback: string | null
  readonly provider: string | null
  readonly status: number
  readonly code: string | null
  readonly isStream: boolean
  readonly completion: number
  /** In line and for the start of a server. */
  readonly waitMs: number
  /** The part of it for a start; null also in rows of older versions. */
  readonly startMs: number | null
  readonly firstMs: number | null
  readonly durationMs: number
  /** Of a stream; null also in rows of older versions. */
  readonly firstTokenMs: number | null
  readonly providerStatus: number | null
  readonly trouble: string | null
}

const columns = [
  'ended_ms',
  'client',
  'model',
  'fallback',
  'provider',
  'status',
  'code',
  'stream',
  'completion',
  'wait_ms',
  'first_ms',
  'duration_ms',
  'first_token_ms',
  'provider_status',
  'trouble',
  'start_ms',
] as const

/** Of one statement, so that a reader holds no old version of the ledger for long. */
const spanMs = 6 * 60 * 60_000

/**
 * Calls that ended in a span, half open, in order.
 * @param sinceMs, @param untilMs in milliseconds since 1970.
 * @throws what SQLite throws.
 */
export function* readCalls(
  database: DatabaseSync,
  sinceMs: number,
  untilMs: number,
): Generator<RecordedCall> {
  const { first, last } = database
    .prepare('SELECT (SELECT MIN(ended_ms) FROM calls) AS first, (SELECT MAX(ended_ms) FROM calls) AS last')
    .get() as { first: number | null; last: number | null }
  if (first === null || last === null) return
  const statement = database.prepare(
    `SELECT ${columns.join(', ')} FROM calls WHERE ended_ms >= ? AND ended_ms < ? ORDER BY ended_ms`,
  )
  statement.setReturnArrays(true)
  const names = namesOf(database)
  const nameOf = (id: number | null) => (id === null ? null : (names.get(id) ?? null))
  const end = Math.min(untilMs, last + 1)
  for (let from = Math.max(sinceMs, first); from < end; from += spanMs) {
    const rows = statement.all(from, Math.min(end, from + spanMs)) as unknown as (number | null)[][]
    for (const row of rows) {
      const number = (index: number) => row[index] as number
      yield {
        endedMs: number(0),
        client: nameOf(row[1]!),
        model: nameOf(row[2]!),
        fallback: nameOf(row[3]!),
        provider: nameOf(row[4]!),
        status: number(5),
        code: nameOf(row[6]!),
        isStream: row[7] === 1,
        completion: number(8),
        waitMs: number(9),
        startMs: row[15]!,
        firstMs: row[10]!,
        durationMs: number(11),
        firstTokenMs: row[12]!,
        providerStatus: row[13]!,
        trouble: nameOf(row[14]!),
      }
    }
  }
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
  const rows = database
    .prepare(
      `SELECT n.name FROM (SELECT client, MIN(quarter) AS first FROM quarters GROUP BY client) f
        JOIN names n ON n.id = f.client WHERE f.first >= ? AND f.first < ? ORDER BY n.name`,
    )
    .all(since, until)
  return rows.map(({ name }) => String(name))
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
