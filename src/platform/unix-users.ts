// The Unix accounts of this machine, by uid and by name.
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

/** @param passwd lines in the format of passwd(5). The first line of a user counts, as it does for the system. */
export function parseUnixUsers(passwd: string): UnixUsers {
  const names = new Map<number, string>()
  const uids = new Map<string, number>()
  for (const line of passwd.split('\n')) {
    const [name = '', , digits = ''] = line.split(':')
    if (name === '' || !/^\d{1,10}$/.test(digits)) continue
    const uid = Number(digits)
    if (!names.has(uid)) names.set(uid, name)
    if (!uids.has(name)) uids.set(name, uid)
  }
  return { uidOf: (name) => uids.get(name), nameOf: (uid) => names.get(uid) }
}

/** Reads `/etc/passwd`, and adds the current user, whose account may come from elsewhere (LDAP, systemd). */
export function systemUsers(): UnixUsers {
  return parseUnixUsers(`${readPasswd()}\n${ownLine()}`)
}

function readPasswd(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8')
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
