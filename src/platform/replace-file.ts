// Replaces files that people rely on, for commands: whole, and on the disk when that returns. What the gateway keeps for itself
// is a `StateFile`.
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'

export interface Replacement {
  readonly mode: number
  /** Absent: of whoever runs this. */
  readonly owner?: { readonly uid: number; readonly gid: number }
  /** A value that is only encrypted anew keeps its time. Absent: now. */
  readonly changedAtMs?: number
}

/**
 * Writes a file that was complete or absent at any moment, also after a power cut. Mode, owner and time are set through the
 * descriptor: another program that can write the directory cannot turn them to a file of its choice.
 * @throws when it cannot be written; the old file then stays.
 */
export function replaceFile(path: string, text: string, replacement: Replacement): void {
  const draft = join(dirname(path), `.${basename(path)}.new`)
  // Left by a command that was killed.
  rmSync(draft, { force: true })
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  const descriptor = openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    try {
      writeDraft(descriptor, text, replacement)
      const { dev, ino } = fstatSync(descriptor)
      const named = lstatSync(draft)
      if (named.dev !== dev || named.ino !== ino) {
        throw new Error(`${draft} was replaced while it was written; nothing was changed`)
      }
    } finally {
      closeSync(descriptor)
    }
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  syncDirectory(dirname(path))
}

function writeDraft(descriptor: number, text: string, { mode, owner, changedAtMs }: Replacement): void {
  writeFileSync(descriptor, text)
  // A change of the owner may take bits of the mode away: chown(2).
  if (owner !== undefined) fchownSync(descriptor, owner.uid, owner.gid)
  fchmodSync(descriptor, mode)
  if (changedAtMs !== undefined) futimesSync(descriptor, changedAtMs / 1000, changedAtMs / 1000)
  fsyncSync(descriptor)
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
