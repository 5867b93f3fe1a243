// Opens the ledger's database to write it, after a look at whether it is one, whole, and of a version that is known here.
//
// A damaged file is moved aside and a new one begun: calls must not wait for a person. A file of a later version, or of
// another program, is left alone and nothing is recorded.
import { closeSync, existsSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { reasonOf } from '../platform/thrown.ts'
import { ballastOf } from './ballast.ts'
import { draftCopy, keepCopies, lastCopy } from './former-copies.ts'
import { applicationId, compareVersions, migrations as allMigrations, oldestSqlite } from './schema.ts'
import { isDamage } from './sqlite-error.ts'

export interface OpenOptions {
  readonly path: string
  readonly nowMs: number
  /** How long a lock of another process is waited for, in milliseconds. */
  readonly busyTimeoutMs: number
  /** The steps of the schema; those of this version when absent. */
  readonly migrations?: readonly string[]
}

export type OpenedDatabase =
  | {
      readonly kind: 'open'
      readonly database: DatabaseSync
      /** What was wrong with a file that is not used any more, and where it is now. */
      readonly setAside?: SetAside
    }
  /** It is left as it is. */
  | { readonly kind: 'unusable'; readonly reason: string }

export interface SetAside {
  readonly reason: string
  /** Undefined: there is nothing to be kept. */
  readonly file: string | undefined
}

/** Checking takes a quarter of a second for 100 MB. A larger file is checked only if the last process did not close it. */
const checkedBytes = 1024 ** 3

/** @throws what SQLite or the file system throws for reasons that may pass: no room, no permission, a lock. */
export function openDatabase(options: OpenOptions): OpenedDatabase {
  const { path } = options
  const sqlite = process.versions['sqlite'] ?? '0'
  if (compareVersions(sqlite, oldestSqlite) < 0) {
    const reason = `this Node has SQLite ${sqlite}, which can damage the file; ${oldestSqlite} or later is required`
    return { kind: 'unusable', reason }
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const vanished = vanishedReason(path)
  const empty = vanished === undefined ? undefined : { reason: vanished, file: undefined }
  const opened = tryOpen(options)
  if (opened.kind !== 'damaged') {
    return opened.kind === 'open' && empty !== undefined ? { ...opened, setAside: empty } : opened
  }
  const file = setAside(path, options.nowMs)
  const again = tryOpen(options)
  if (again.kind === 'damaged') throw new Error(again.reason)
  return again.kind === 'open' ? { ...again, setAside: { reason: opened.reason, file } } : again
}

/** An empty file is a valid database: what was in it would be missed without a word. */
function vanishedReason(path: string): string | undefined {
  const size = sizeOf(path)
  if (size > 0) return undefined
  if (existsSync(path) && sizeOf(`${path}-wal`) > 0) return 'the file is empty, but not what belongs to it'
  return existsSync(ballastOf(path)) ? 'the file is missing or empty, and there was one before' : undefined
}

type Attempt = OpenedDatabase | { readonly kind: 'damaged'; readonly reason: string }

function tryOpen(options: OpenOptions): Attempt {
  const { path, busyTimeoutMs } = options
  createPrivately(path)
  const isNew = sizeOf(path) === 0
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs })
  try {
    // Only as the first statement of a new file; later it is ignored without an error.
    if (isNew) database.exec('PRAGMA auto_vacuum = INCREMENTAL')
    const attempt = examine(database, options)
    if (attempt.kind !== 'open') database.close()
    return attempt
  } catch (error) {
    database.close()
    if (isDamage(error)) return { kind: 'damaged', reason: reasonOf(error) }
    throw error
  }
}

function examine(database: DatabaseSync, options: OpenOptions): Attempt {
  const { path, migrations = allMigrations } = options
  const id = numberOf(database, 'application_id')
  const version = numberOf(database, 'user_version')
  const isOurs = id === applicationId || (id === 0 && version === 0 && !hasTables(database))
  if (!isOurs) return { kind: 'unusable', reason: `${path} is a database of another program` }
  if (version > migrations.length) {
    const copy = lastCopy(path, migrations.length)
    const back = copy === undefined ? '' : `, or move it away and put ${copy} in its place`
    const reason = `${path} is of a later version of llm-gateway (schema ${version}; this one knows ${migrations.length}). Run that version again${back}`
    return { kind: 'unusable', reason }
  }
  if (version > 0 && mustCheck(database, path)) {
    const { quick_check: verdict } = database.prepare('PRAGMA quick_check(1)').get() as {
      quick_check: string
    }
    if (verdict !== 'ok') return { kind: 'damaged', reason: verdict.replaceAll('\n', ' ') }
  }
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 8388608;
    PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = FAST;`)
  // Of a process that has migrated it and ended before it could name the copy.
  keepCopies(path, version)
  migrate(database, path, migrations)
  return { kind: 'open', database }
}

function mustCheck(database: DatabaseSync, path: string): boolean {
  if (sizeOf(path) <= checkedBytes) return true
  const last = database.prepare('SELECT ended_ms FROM runs ORDER BY id DESC LIMIT 1').get()
  return last?.['ended_ms'] === null
}

/** A copy of the file as it was before lies beside it afterwards: `usage.db.v1`. */
function migrate(database: DatabaseSync, path: string, migrations: readonly string[]): void {
  if (numberOf(database, 'user_version') === migrations.length) return
  // Another process may be faster: what it does is seen once the lock is here.
  database.exec('BEGIN IMMEDIATE')
  try {
    const version = numberOf(database, 'user_version')
    if (version > 0 && version < migrations.length) draftCopy(path, version)
    for (const step of migrations.slice(version)) database.exec(step)
    database.exec(
      `PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}; COMMIT`,
    )
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
  keepCopies(path, migrations.length)
}

/** With the files that belong to it. @returns where it is now. */
function setAside(path: string, nowMs: number): string {
  const aside = `${path}.corrupt-${new Date(nowMs).toISOString().replaceAll(/[:.]/g, '')}`
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
  }
  return aside
}

/** SQLite would create it with the modes of the umask; the files beside it take over those of this one. */
function createPrivately(path: string): void {
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600))
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function hasTables(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined
}

function numberOf(database: DatabaseSync, pragma: 'application_id' | 'user_version'): number {
  return Object.values(database.prepare(`PRAGMA ${pragma}`).get()!)[0] as number
}
