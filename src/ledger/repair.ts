// Repairs a ledger that no gateway has open: takes what can be read of a damaged file into a new one, and makes sums anew
// that differ from their rows. The damaged file stays beside it.
import { DatabaseSync } from 'node:sqlite'
import { openDatabase } from './open-database.ts'
import { sumColumns } from './quarter-sums.ts'
import { sumsOfCharges } from './spend-tables.ts'
import { sumsOfCalls, verifyLedger, wrongDigestsSql, wrongSpendSql, wrongSumsSql } from './verify.ts'

export type Repaired =
  | { readonly kind: 'was_whole' }
  /** @param sums that were made anew. */
  | { readonly kind: 'recounted'; readonly sums: number }
  | {
      readonly kind: 'rescued'
      readonly reason: string
      /** Where the damaged file is now. */
      readonly file: string
      readonly calls: number
      /** Ranges of rows that could not be read. */
      readonly unread: number
    }
  | { readonly kind: 'unusable'; readonly reason: string }

/** @throws what SQLite and the file system throw. */
export function repairLedger(path: string, nowMs: number): Repaired {
  const opened = openDatabase({ path, nowMs, busyTimeoutMs: 5_000 })
  if (opened.kind === 'unusable') return opened
  const { database, setAside } = opened
  try {
    if (setAside?.file === undefined) {
      const { wrongSums } = verifyLedger(database)
      if (wrongSums === 0) return { kind: 'was_whole' }
      recount(database)
      return { kind: 'recounted', sums: wrongSums }
    }
    const { file, reason } = setAside
    const unread = rescue(file, database)
    const { calls } = database.prepare('SELECT COUNT(*) AS calls FROM calls').get() as { calls: number }
    return { kind: 'rescued', reason, file, calls, unread }
  } finally {
    database.close()
  }
}

export type SpendAccepted =
  /** It knew what was spent of budgets. */
  | { readonly kind: 'known' }
  /** What it has counts as all that was spent. */
  | { readonly kind: 'accepted' }
  | { readonly kind: 'unusable'; readonly reason: string }

/** From now on budgets begin with what this ledger has of them. @throws what SQLite and the file system throw. */
export function acceptSpend(path: string, nowMs: number): SpendAccepted {
  const opened = openDatabase({ path, nowMs, busyTimeoutMs: 5_000 })
  if (opened.kind === 'unusable') return opened
  const { database } = opened
  try {
    const { changes } = database.prepare('INSERT OR IGNORE INTO budgets(one, revision) VALUES(1, 1)').run()
    return { kind: changes > 0 ? 'accepted' : 'known' }
  } finally {
    database.close()
  }
}

/** What the rows say replaces what the sums say. */
function recount(database: DatabaseSync): void {
  database.exec(`BEGIN IMMEDIATE;
    CREATE TEMP TABLE wrong AS ${wrongSumsSql};
    DELETE FROM quarters WHERE (quarter, key, client, model, provider) IN (SELECT * FROM wrong);
    INSERT INTO quarters(quarter, key, client, model, provider, ${sumColumns.join(', ')})
      SELECT * FROM (${sumsOfCalls}) WHERE (quarter, key, client, model, provider) IN (SELECT * FROM wrong);
    DROP TABLE wrong;
    CREATE TEMP TABLE wrong AS ${wrongSpendSql};
    DELETE FROM spend WHERE (scope, quarter) IN (SELECT * FROM wrong);
    INSERT INTO spend(scope, quarter, nano, tokens)
      SELECT * FROM (${sumsOfCharges}) WHERE (scope, quarter) IN (SELECT * FROM wrong);
    DROP TABLE wrong;
    DELETE FROM digests WHERE quarter IN (${wrongDigestsSql}); COMMIT`)
}

/** Not `budgets`: what is read may not be all that was spent, and the gateway completes it. */
const tables = [
  'names',
  'calls',
  'prices',
  'key_state',
  'runs',
  'scopes',
  'charges',
  'holds',
  'service_steps',
] as const
/** Of a single tree, by their keys. */
const trees = [
  ['quarters', ['quarter', 'key', 'client', 'model', 'provider']],
  ['spend', ['scope', 'quarter']],
] as const
const rowsPerRange = 256

/** @returns ranges that could not be read. */
function rescue(from: string, into: DatabaseSync): number {
  let source: DatabaseSync
  try {
    source = new DatabaseSync(from, { readOnly: true })
    source.prepare('PRAGMA user_version').get()
  } catch {
    return 1
  }
  try {
    const has = (table: string) => !isAbsent(source, table)
    const unread = [
      ...tables.filter(has).map((table) => copyByRowid(source, into, table)),
      ...trees.filter(([table]) => has(table)).map(([table, key]) => copyTree(source, into, table, key)),
    ]
    // What is not among the sums that could be read is made anew of the rows that could be.
    into.exec(`INSERT OR IGNORE INTO quarters(quarter, key, client, model, provider, ${sumColumns.join(', ')})
      ${sumsOfCalls}`)
    into.exec(`INSERT OR IGNORE INTO spend(scope, quarter, nano, tokens) ${sumsOfCharges}`)
    return unread.reduce((sum, count) => sum + count, 0)
  } finally {
    source.close()
  }
}

type Row = Record<string, string | number | null>

function copyByRowid(source: DatabaseSync, into: DatabaseSync, table: string): number {
  let unread = 0
  const last = lastRowid(source, table)
  const read = source.prepare(`SELECT rowid AS rowid_, * FROM ${table} WHERE rowid > ? AND rowid <= ?`)
  for (let start = 0; start < last; start += rowsPerRange) {
    try {
      insertAll(into, table, read.all(start, start + rowsPerRange) as Row[])
    } catch {
      // Row by row, as far as they can be read.
      unread += 1
      for (let id = start; id < start + rowsPerRange; id++) {
        try {
          insertAll(into, table, read.all(id, id + 1) as Row[])
        } catch {
          // This one is lost.
        }
      }
    }
  }
  return unread
}

/** The largest id that any way through the table finds. */
function lastRowid(source: DatabaseSync, table: string): number {
  const ways = [
    `SELECT MAX(rowid) AS last FROM ${table}`,
    `SELECT MAX(rowid) AS last FROM ${table} INDEXED BY calls_ended`,
  ]
  let last = 0
  for (const sql of ways) {
    try {
      last = Math.max(last, (source.prepare(sql).get()?.['last'] as number | null) ?? 0)
    } catch {
      // The other way may be whole.
    }
  }
  return last
}

/** An earlier version had fewer. What cannot be read is taken for there. */
function isAbsent(source: DatabaseSync, table: string): boolean {
  try {
    return source.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(table) === undefined
  } catch {
    return false
  }
}

/** From both ends. */
function copyTree(source: DatabaseSync, into: DatabaseSync, table: string, key: readonly string[]): number {
  let unread = 0
  for (const order of ['ASC', 'DESC']) {
    const rows: Row[] = []
    try {
      const sql = `SELECT 0 AS rowid_, * FROM ${table} ORDER BY ${key.map((name) => `${name} ${order}`).join(', ')}`
      for (const row of source.prepare(sql).iterate()) rows.push(row as Row)
    } catch {
      unread += 1
    }
    insertAll(into, table, rows)
  }
  return unread
}

function insertAll(into: DatabaseSync, table: string, rows: readonly Row[]): void {
  if (rows.length === 0) return
  into.exec('BEGIN IMMEDIATE')
  for (const { rowid_: _, ...row } of rows) {
    const names = Object.keys(row)
    const places = names.map(() => '?').join(', ')
    try {
      into
        .prepare(`INSERT OR IGNORE INTO ${table}(${names.join(', ')}) VALUES(${places})`)
        .run(...Object.values(row))
    } catch {
      // Of a damaged page a row may break the rules of its table.
    }
  }
  into.exec('COMMIT')
}
