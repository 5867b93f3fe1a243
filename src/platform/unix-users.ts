// The Unix accounts of this machine: users by number and by name, and which groups belong to one user alone.
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'

export interface UnixUsers {
  uidOf(name: string): number | undefined
  nameOf(uid: number): string | undefined
}

/**
 * The kernel shows every user that a user namespace does not map, root included, as this one
 * (`/proc/sys/kernel/overflowuid`): it identifies nobody.
 */
export const overflowUid = 65_534

/**
 * The account that a name of the configuration stands for: `self` is the user that runs the gateway, and for accounts that
 * `/etc/passwd` does not list, a number does as well. Undefined when there is none.
 */
export function uidNamed(name: string, users: UnixUsers, ownUid: number): number | undefined {
  if (name === 'self') return ownUid
  return users.uidOf(name) ?? (/^\d{1,10}$/.test(name) ? Number(name) : undefined)
}

/**
 * Whether this process can distinguish the user. In a user namespace that does not map the uid, as in a user's service with
 * PrivateUsers=yes, the kernel shows it as `overflowUid`: user_namespaces(7).
 */
export function isMappedHere(uid: number): boolean {
  return isMapped(readAccountFile('/proc/self/uid_map'), uid)
}

/** @param map lines of `inside outside count`; empty where there are no user namespaces. */
export function isMapped(map: string, uid: number): boolean {
  const ranges = map.trim().split(/\s*\n\s*/)
  if (ranges[0] === '') return true
  return ranges.some((range) => {
    const [inside = 0, , count = 0] = range.trim().split(/\s+/).map(Number)
    return uid >= inside && uid < inside + count
  })
}

/** @param passwd lines in the format of passwd(5). The first line of a user counts, as it does for the system. */
export function parseUnixUsers(passwd: string): UnixUsers {
  const names = new Map<number, string>()
  const uids = new Map<string, number>()
  for (const [name = '', , digits = ''] of fieldsOf(passwd)) {
    if (name === '' || !/^\d{1,10}$/.test(digits)) continue
    const uid = Number(digits)
    if (!names.has(uid)) names.set(uid, name)
    if (!uids.has(name)) uids.set(name, uid)
  }
  return { uidOf: (name) => uids.get(name), nameOf: (uid) => names.get(uid) }
}

/** Reads `/etc/passwd`, and adds the current user, whose account may come from elsewhere (LDAP, systemd). */
export function systemUsers(): UnixUsers {
  return parseUnixUsers(`${readAccountFile('/etc/passwd')}\n${ownLine()}`)
}

/** `isPrivateGroup` by the accounts of this machine as they are now. */
export function isPrivateGroupHere(gid: number, uid: number): boolean {
  return isPrivateGroup(readAccountFile('/etc/passwd'), readAccountFile('/etc/group'), { gid, uid })
}

/**
 * True if `gid` is the group of user `uid` alone: it has the user's name, has no other member, and is nobody else's
 * primary group (passwd(5), group(5)). A user or group that is not in the two files is not private.
 */
export function isPrivateGroup(
  passwd: string,
  group: string,
  { gid, uid }: { gid: number; uid: number },
): boolean {
  const users = fieldsOf(passwd)
  const owner = users.find((fields) => fields[2] === String(uid))?.[0]
  const groups = fieldsOf(group).filter((fields) => fields[2] === String(gid))
  if (owner === undefined || groups.length === 0) return false
  const isOwnOnly = groups.every(
    ([name, , , members = '']) =>
      name === owner && members.split(',').every((member) => member === '' || member === owner),
  )
  return isOwnOnly && users.every((fields) => fields[3] !== String(gid) || fields[0] === owner)
}

function fieldsOf(text: string): string[][] {
  return text.split('\n').map((line) => line.split(':'))
}

function readAccountFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function ownLine(): string {
  try {
    const { username, uid } = userInfo()
    return `${username}:x:${uid}`
  } catch {
    // A container may run under a uid without an account.
    return ''
  }
}
