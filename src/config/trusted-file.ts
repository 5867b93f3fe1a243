// Reads a configuration or key file, if nobody but its owner can have written it. As OpenSSH does with its files
// (StrictModes): whoever can write the configuration can send every prompt and key anywhere. In doubt, it is refused.
import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs'
import { shellWord } from '../platform/shell-word.ts'
import { isPrivateGroupHere } from '../platform/unix-users.ts'

/** What the check of a file's owner needs to know about the system. */
export interface Accounts {
  /** User that runs the gateway. */
  readonly uid: number
  /** True if the group is the user's own: it has the same name and no other members. */
  isPrivateGroup(gid: number, uid: number): boolean
}

export type TrustedFile =
  | { kind: 'read'; text: string }
  | { kind: 'absent' }
  | { kind: 'refused'; message: string; hint: string; line?: number }

interface Rules {
  readonly maxBytes: number
  /** Nobody else may even read it. */
  readonly isSecret: boolean
}

/**
 * Reads a regular UTF-8 file of at most `maxBytes`. Messages are predicates, to follow the name of the file; hints may be
 * commands.
 */
export function readTrustedFile(path: string, rules: Rules, accounts: Accounts): TrustedFile {
  let descriptor: number
  try {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    return openingFault(error)
  }
  try {
    const status = fstatSync(descriptor)
    if (!status.isFile()) {
      return { kind: 'refused', message: `is ${kindOf(status)}`, hint: 'it must be a regular file' }
    }
    const fault = ownershipFault(path, status, rules, accounts)
    if (fault !== undefined) return { kind: 'refused', ...fault }
    if (status.size > rules.maxBytes) {
      const message = `is too large: ${status.size} bytes; at most ${rules.maxBytes} are allowed`
      return { kind: 'refused', message, hint: '' }
    }
    return decode(readFileSync(descriptor))
  } finally {
    closeSync(descriptor)
  }
}

function kindOf(status: Stats): string {
  if (status.isDirectory()) return 'a directory'
  return status.isFIFO() ? 'a pipe' : 'a device'
}

function openingFault(error: unknown): TrustedFile {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent' }
  if (code === 'EACCES') {
    return { kind: 'refused', message: 'cannot be read by this user', hint: 'change its owner or mode' }
  }
  return { kind: 'refused', message: `cannot be opened (${code ?? 'unknown error'})`, hint: '' }
}

function decode(bytes: Buffer): TrustedFile {
  if (isUtf8(bytes)) return { kind: 'read', text: new TextDecoder().decode(bytes) }
  // A newline byte is never part of a longer character, so lines can be checked one by one.
  let line = 1
  for (let start = 0; start <= bytes.length; line++) {
    const newline = bytes.indexOf(10, start)
    const end = newline < 0 ? bytes.length : newline
    if (!isUtf8(bytes.subarray(start, end))) break
    start = end + 1
  }
  return { kind: 'refused', message: 'is not valid UTF-8', hint: 'save it as UTF-8', line }
}

interface Ownership {
  readonly uid: number
  readonly gid: number
  readonly mode: number
}

/**
 * Why a file or directory with this owner and mode cannot be trusted, and the command that corrects it; undefined if it
 * can.
 */
export function ownershipFault(
  path: string,
  { uid, gid, mode }: Ownership,
  { isSecret }: Pick<Rules, 'isSecret'>,
  accounts: Accounts,
): { message: string; hint: string } | undefined {
  const isDirectory = (mode & constants.S_IFMT) === constants.S_IFDIR
  const wanted = `chmod ${!isSecret ? 'go-w' : isDirectory ? '700' : '600'} ${shellWord(path)}`
  const shownMode = (mode & 0o777).toString(8).padStart(3, '0')
  if (uid !== 0 && uid !== accounts.uid) {
    return {
      message: `belongs to another user (uid ${uid})`,
      hint: `sudo chown ${accounts.uid} ${shellWord(path)}`,
    }
  }
  if ((mode & 0o002) !== 0) return { message: `is writable by everybody (mode ${shownMode})`, hint: wanted }
  if ((mode & 0o020) !== 0 && !accounts.isPrivateGroup(gid, uid)) {
    return { message: `is writable by its group (mode ${shownMode})`, hint: wanted }
  }
  if (!isSecret) return undefined
  const isReadByGroup = (mode & 0o040) !== 0 && !accounts.isPrivateGroup(gid, uid)
  if ((mode & 0o004) === 0 && !isReadByGroup) return undefined
  return { message: `is readable by others (mode ${shownMode})`, hint: wanted }
}

/** The accounts of this system. */
export function systemAccounts(): Accounts {
  return { uid: process.getuid?.() ?? 0, isPrivateGroup: isPrivateGroupHere }
}
