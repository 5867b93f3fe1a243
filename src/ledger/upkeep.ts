// What an operator does to the ledger, also while the gateway writes it: a copy, removing what is old, and erasing a name.
import { closeSync, openSync, renameSync, rmSync } from 'node:fs'
import { backup, DatabaseSync } from 'node:sqlite'
import { openLedgerFile } from './ledger-file.ts'

const busyTimeoutMs = 5_000
const dayMs = 24 * 60 * 60_000

/**
 * A copy of all that is in the ledger now. Copying the file itself would lack what is still in its write-ahead log.
 * @param file must not exist. @throws what SQLite and the file system throw.
 */
export async function backUpLedger(database: DatabaseSync, file: string): Promise<void> {
  // Nobody else may read the copy either, from its first byte on.
  closeSync(openSync(file, 'wx', 0o600))
  const draft = `${file}.tmp`
  try {
    closeSync(openSync(draft, 'wx', 0o600))
    await backup(database, draft)
    // The copy is one file, without one for its log.
    const copy = new DatabaseSync(draft)
    copy.exec('PRAGMA journal_mode = DELETE')
    copy.close()
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    rmSync(file, { force: true })
    throw error
  }
}

export type Pruned =
  | { readonly kind: 'pruned'; readonly calls: number; readonly sums: number }
  | { readonly kind: 'unusable'; readonly reason: string }

/** Removes what is older than so many days. @throws what SQLite throws. */
export function pruneLedger(
  path: string,
  { keepCallsDays, keepHoursDays, nowMs }: { keepCallsDays: number; keepHoursDays: number; nowMs: number },
): Pruned {
  const opened = openLedgerFile({ path, nowMs, busyTimeoutMs })
  if (opened.kind === 'unusable') return opened
  const { file } = opened
  try {
    const count = (table: string) =>
      file.database.prepare(`SELECT COUNT(*) AS count FROM ${table}`).get()!['count'] as number
    const before = [count('calls'), count('quarters')] as const
    while (file.prunePiece(nowMs - keepCallsDays * dayMs, nowMs - keepHoursDays * dayMs, nowMs));
    file.forgetRun()
    return { kind: 'pruned', calls: before[0] - count('calls'), sums: before[1] - count('quarters') }
  } finally {
    file.close()
  }
}

/** Budgets of a client without a key are counted by its name; those of a key have its name beside its id. */
function eraseScope(database: DatabaseSync, client: string, id: number | undefined): void {
  if (id === undefined) return
  const erased = `erased-${id}`
  database
    .prepare('UPDATE scopes SET name = ?, entry = ? WHERE name = ?')
    .run(`client:${erased}`, erased, `client:${client}`)
  database
    .prepare("UPDATE names SET name = ? WHERE kind = 'scope' AND name = ?")
    .run(`client:${erased}`, `client:${client}`)
  if (!client.startsWith('key:')) return
  database
    .prepare("UPDATE scopes SET entry = ? WHERE name LIKE 'key:%' AND entry = ?")
    .run(erased, client.slice('key:'.length))
}

export type Erased =
  /** @param as the name that stands in its place. */
  | { readonly kind: 'erased'; readonly as: readonly string[] }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unusable'; readonly reason: string }

/**
 * Overwrites the names of a client everywhere; its calls stay in all sums.
 * @param names under which it was recorded. @throws what SQLite throws.
 */
export function eraseClient(path: string, names: readonly string[], nowMs: number): Erased {
  const opened = openLedgerFile({ path, nowMs, busyTimeoutMs })
  if (opened.kind === 'unusable') return opened
  const { file } = opened
  const { database } = file
  try {
    // The old name must not stay in a free part of a page.
    database.exec('PRAGMA secure_delete = ON; BEGIN IMMEDIATE')
    const find = database.prepare("SELECT id FROM names WHERE kind IN ('client', 'via') AND name = ?")
    const findKey = database.prepare("SELECT id FROM names WHERE kind = 'key' AND 'key:' || name = ?")
    const found = names.flatMap((name) => [...find.all(name), ...findKey.all(name)] as { id: number }[])
    const rename = database.prepare('UPDATE names SET name = ? WHERE id = ?')
    for (const { id } of found) rename.run(`erased-${id}`, id)
    for (const name of names) eraseScope(database, name, found[0]?.id)
    database.exec('COMMIT')
    file.forgetRun()
    file.checkpoint()
    return found.length === 0
      ? { kind: 'unknown' }
      : { kind: 'erased', as: found.map(({ id }) => `erased-${id}`) }
  } finally {
    file.close()
  }
}
