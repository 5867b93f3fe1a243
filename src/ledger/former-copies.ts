// Copies of the ledger's database from before its migrations: `usage.db.v1` of version 1, and `usage.db.v1.2`, `usage.db.v1.3` where an
// operator went back to that version and forward again. None is overwritten.
//
// A copy is made before the migration, and gets its name after it: one that fails, or a process that is killed in it, leaves no more
// than a draft, which the next try makes anew, so that tries do not fill the disk.
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { syncDirectory } from '../platform/replace-file.ts'

/**
 * Copies a database of this version, whose write lock the caller holds until it has migrated it.
 * @throws what SQLite or the file system throws.
 */
export function draftCopy(path: string, version: number): void {
  const draft = draftOf(path, version)
  rmSync(draft, { force: true })
  // SQLite would create it with the modes of the umask.
  closeSync(openSync(draft, 'wx', 0o600))
  const source = new DatabaseSync(path, { readOnly: true })
  try {
    source.prepare('VACUUM INTO ?').run(draft)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    source.close()
  }
  const descriptor = openSync(draft, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}

/**
 * Names the drafts of all versions before the one that the database has now. @throws what the file system throws; they then stay drafts.
 */
export function keepCopies(path: string, version: number): void {
  for (let former = 1; former < version; former++) {
    const draft = draftOf(path, former)
    if (existsSync(draft)) keep(path, { draft, version: former })
  }
}

/** The newest copy of this version. Undefined: there is none. */
export function lastCopy(path: string, version: number): string | undefined {
  let last: string | undefined
  for (let number = 1; existsSync(copyOf(path, version, number)); number++)
    last = copyOf(path, version, number)
  return last
}

function keep(path: string, { draft, version }: { readonly draft: string; readonly version: number }): void {
  let number = 1
  while (existsSync(copyOf(path, version, number))) number++
  try {
    // Unlike a rename, never in place of another file.
    linkSync(draft, copyOf(path, version, number))
    rmSync(draft, { force: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Another process names it at the same time.
    if (code === 'ENOENT' || code === 'EEXIST') return
    // A file system without hard links.
    renameSync(draft, copyOf(path, version, number))
  }
  syncDirectory(dirname(path))
}

function copyOf(path: string, version: number, number: number): string {
  return number === 1 ? `${path}.v${version}` : `${path}.v${version}.${number}`
}

function draftOf(path: string, version: number): string {
  return `${path}.v${version}.new`
}
