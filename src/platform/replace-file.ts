// Replaces files that people rely on, for commands: whole, and on the disk when that returns. What the gateway keeps for itself
// is a `StateFile`.
import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * Writes a file that was complete or absent at any moment, also after a power cut.
 * @param changedAtMs a value that is only encrypted anew keeps its time. Absent: now.
 * @throws when it cannot be written; the old file then stays.
 */
export function replaceFile(
  path: string,
  text: string,
  { mode, changedAtMs }: { readonly mode: number; readonly changedAtMs?: number },
): void {
  const draft = join(dirname(path), `.${basename(path)}.new`)
  rmSync(draft, { force: true })
  try {
    writeFileSync(draft, text, { mode: 0o600, flag: 'wx', flush: true })
    chmodSync(draft, mode)
    if (changedAtMs !== undefined) utimesSync(draft, changedAtMs / 1000, changedAtMs / 1000)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  syncDirectory(dirname(path))
}

/** Without it, a power cut may undo what was created, renamed or removed in a directory. @throws when that fails. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
