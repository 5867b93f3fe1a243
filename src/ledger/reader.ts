// Opens the ledger to read it, in another process than the gateway, which may be writing meanwhile.
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { reasonOf } from '../platform/thrown.ts'
import { applicationId, migrations } from './schema.ts'
import { isDamage } from './sqlite-error.ts'

export type OpenedReader =
  | { readonly kind: 'open'; readonly database: DatabaseSync }
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'fault'
      readonly reason: string
      /** `usage repair` helps. */
      readonly isDamaged: boolean
      /** For this user. */
      readonly isUnreadable: boolean
    }

/** How long a lock of the gateway is waited for, in milliseconds; it holds one for some 20. */
const busyTimeoutMs = 5_000

/** Never throws. */
export function openReader(path: string): OpenedReader {
  if (!existsSync(path)) return { kind: 'absent' }
  let database: DatabaseSync | undefined
  const fault = (reason: string, isDamaged = false) => {
    database?.close()
    return { kind: 'fault', reason, isDamaged, isUnreadable: false } as const
  }
  const unreadable = unreadableReason(path)
  if (unreadable !== undefined)
    return { kind: 'fault', reason: unreadable, isDamaged: false, isUnreadable: true }
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs })
    const { user_version: version } = database.prepare('PRAGMA user_version').get() as Record<string, number>
    const { application_id: id } = database.prepare('PRAGMA application_id').get() as Record<string, number>
    if (version === 0 && id === 0) return fault('the file is empty, or of another program')
    if (id !== applicationId) return fault('the file is a database of another program')
    if (version! > migrations.length) return fault('the file is of a later version of llm-gateway')
    if (version! < migrations.length)
      return fault('the file is of an earlier version; the gateway updates it when it starts')
    return { kind: 'open', database }
  } catch (error) {
    if (isDamage(error) || mayWrite(dirname(path))) return fault(reasonOf(error), isDamage(error))
    // In the sandbox of a unit, say. SQLite needs a file beside it to read what the gateway has written last.
    database?.close()
    const reason = 'its directory is read-only here, so that it cannot be read'
    return { kind: 'fault', reason, isDamaged: false, isUnreadable: true }
  }
}

function mayWrite(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** SQLite reports no more than that it cannot open a file. */
function unreadableReason(path: string): string | undefined {
  const status = statSync(path, { throwIfNoEntry: false })
  const own = process.getuid?.()
  if (status === undefined || own === 0 || own === status.uid || (status.mode & 0o004) !== 0) return undefined
  return `it belongs to another user (uid ${status.uid}); only that user and root may read it`
}

/** The process that has the ledger open, by its locks on the file beside it: proc_locks(5). Undefined: there is none. */
export function holderOf(path: string): number | undefined {
  const inode = statSync(`${path}-shm`, { throwIfNoEntry: false })?.ino
  if (inode === undefined) return undefined
  try {
    for (const line of readFileSync('/proc/locks', 'latin1').split('\n')) {
      // 1: POSIX  ADVISORY  READ 4711 08:01:131074 128 128
      const [, , , , pid, file = ''] = line.split(/\s+/)
      if (file.endsWith(`:${inode}`) && Number(pid) !== process.pid) return Number(pid)
    }
  } catch {
    // Not on this system: SQLite's own locks are what protects the file.
  }
  return undefined
}
