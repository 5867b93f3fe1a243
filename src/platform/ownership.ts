// Whose files and directories can be trusted: root's, and those of the user that runs the gateway, if nobody else can write
// them. A path is as safe as each directory and each link on it, because whoever can write one can put another file there.
import { constants, lstatSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { shellWord } from './shell-word.ts'
import { isPrivateGroupHere } from './unix-users.ts'

/** What the check of a file's owner needs to know about the system. */
export interface Accounts {
  /** User that runs the gateway. */
  readonly uid: number
  /** A further user who is trusted: the owner of the program's files. */
  readonly packageUid?: number
  /** True if the group is the user's own: it has the same name and no other members. */
  isPrivateGroup(gid: number, uid: number): boolean
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
  { isSecret }: { readonly isSecret: boolean },
  accounts: Accounts,
): { message: string; hint: string } | undefined {
  const isDirectory = (mode & constants.S_IFMT) === constants.S_IFDIR
  const wanted = `chmod ${!isSecret ? 'go-w' : isDirectory ? '700' : '600'} ${shellWord(path)}`
  const shownMode = (mode & 0o777).toString(8).padStart(3, '0')
  if (!isTrusted(uid, accounts)) {
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

function isTrusted(uid: number, accounts: Accounts): boolean {
  return uid === 0 || uid === accounts.uid || uid === accounts.packageUid
}

/** What another user could replace. */
export interface PathFault {
  /** The directory or the link. */
  readonly path: string
  /** A predicate, to follow the path. */
  readonly message: string
  /** What to do, mostly a command. */
  readonly hint: string
}

/** The first directory or link on the way to a file that cannot be trusted. What does not exist yet is not examined. */
export function pathFault(path: string, accounts: Accounts): PathFault | undefined {
  // Whoever owns the root directory can replace everything. In a user namespace that is root by another number.
  const rootUid = statSync('/').uid
  for (const step of stepsTo(resolve(path))) {
    const { path, mode, isLink } = step
    const uid = step.uid === rootUid ? 0 : step.uid
    if (isLink) {
      if (isTrusted(uid, accounts)) continue
      const message = `is a link of another user (uid ${uid})`
      return { path, message, hint: 'name the path that it leads to' }
    }
    // In a sticky directory (/tmp) only its owner and a file's own can remove the file.
    const isSticky = (mode & 0o1000) !== 0
    const effectiveMode = isSticky ? mode & ~0o022 : mode
    const fault = ownershipFault(path, { ...step, uid, mode: effectiveMode }, { isSecret: false }, accounts)
    if (fault !== undefined) return { path, ...fault }
  }
  return undefined
}

interface PathStep extends Ownership {
  readonly path: string
  readonly isLink: boolean
}

/** As the kernel does (path_resolution(7)). */
const maxLinks = 40

/** The directories and links that the kernel passes, in order; without the file at the end. */
function* stepsTo(path: string): Generator<PathStep> {
  const names = path.split('/').filter((name) => name !== '')
  let directory = '/'
  let links = 0
  yield stepOf(directory, statSync(directory))
  while (names.length > 0) {
    const name = names.shift()!
    const next = name === '..' ? dirname(directory) : join(directory, name)
    const status = statusOf(next)
    if (status === undefined) return
    if (status.isSymbolicLink()) {
      yield stepOf(next, status)
      if ((links += 1) > maxLinks) return
      const target = readlinkSync(next)
      if (target.startsWith('/')) directory = '/'
      names.unshift(...target.split('/').filter((each) => each !== '' && each !== '.'))
    } else if (status.isDirectory()) {
      yield stepOf(next, status)
      directory = next
    }
  }
}

/** Undefined where this user may not look: it cannot use what is there either. */
function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch {
    return undefined
  }
}

function stepOf(path: string, status: Stats): PathStep {
  const { uid, gid, mode } = status
  return { path, uid, gid, mode, isLink: status.isSymbolicLink() }
}

/** The accounts of this system. */
export function systemAccounts(): Accounts {
  return { uid: process.getuid?.() ?? 0, isPrivateGroup: isPrivateGroupHere }
}
