// Rules about Unix users: who is served, and whose `X-Forwarded-For` is believed. An account that is missing here is a
// warning, because a file may be checked on another machine than its own; `serve` does not start without the account.
import { userInfo } from 'node:os'
import { overflowUid, uidNamed, type UnixUsers } from '../platform/unix-users.ts'
import { reachOf } from '../platform/address-reach.ts'
import { cidrFault } from './addresses.ts'
import { defaults } from './defaults.ts'
import { type Path, type PathProblem, quoted } from './problems.ts'
import type { RawConfig } from './raw.ts'

/** The accounts that names of the configuration are looked up in. */
export interface LocalUsers {
  readonly users: UnixUsers
  /** Of the user that runs the check; `self` stands for it. */
  readonly ownUid: number
  /** Whether the kernel shows this process connections of the user as the user's. */
  readonly isMapped: (uid: number) => boolean
}

export function* allowedUserProblems(names: readonly string[], accounts: LocalUsers): Generator<PathProblem> {
  if (names.includes('any')) return
  for (const [index, name] of names.entries()) {
    yield* accountProblems(name, ['access', 'allowed_users', index], accounts)
  }
}

/**
 * Users who may only look: one without an account lets nobody in, and the gateway starts. Identities are seen behind a proxy.
 */
export function* viewUserProblems(
  { metrics, status }: Pick<RawConfig, 'metrics' | 'status'>,
  accounts: LocalUsers,
): Generator<PathProblem> {
  for (const [section, names] of Object.entries({ metrics, status })) {
    for (const [index, name] of (names?.allowed_users ?? []).entries()) {
      const path = [section, 'allowed_users', index]
      if (section === 'status' && name.includes(':')) yield* viewIdentityProblems(name, path, status)
      else yield* viewAccountProblems(name, path, accounts)
    }
  }
}

function* viewIdentityProblems(
  name: string,
  path: Path,
  status: RawConfig['status'],
): Generator<PathProblem> {
  if (status?.via_proxy === true) return
  const message = `${quoted(name)} is an identity, to which the page is shown only through a proxy`
  yield { path, message, hint: 'set status.via_proxy: true', severity: 'warning' }
}

function* viewAccountProblems(
  name: string,
  path: Path,
  { users, ownUid, isMapped }: LocalUsers,
): Generator<PathProblem> {
  const uid = uidNamed(name, users, ownUid)
  if (uid === undefined) {
    const message = `there is no user ${quoted(name)} on this machine, so this entry lets nobody in`
    yield { path, message, hint: 'write a name from /etc/passwd, or a uid', severity: 'warning' }
  } else if (uid === overflowUid || !isMapped(uid)) {
    yield { path, ...unrecognized(name), severity: 'warning' }
  }
}

export function* trustedProxyProblems(raw: RawConfig, accounts: LocalUsers): Generator<PathProblem> {
  const list = raw.server?.trusted_proxies ?? []
  const allowedUsers = raw.access?.allowed_users ?? defaults.access.allowed_users
  const listPath = ['server', 'trusted_proxies']
  const cidrs = list.filter((item) => typeof item === 'string')
  for (const [index, item] of list.entries()) {
    const path = [...listPath, index]
    if (typeof item === 'string') yield* proxyCidrProblems(item, path)
    else yield* proxyUserProblems(item.user, [...path, 'user'], allowedUsers, accounts)
  }
  if (
    list.length === 0 ||
    cidrs.length < list.length ||
    cidrs.some((cidr) => cidrFault(cidr) !== undefined)
  ) {
    return
  }
  yield {
    path: listPath,
    message:
      'needs an entry { user: NAME }: every local program connects from a loopback address, so a CIDR does not identify a proxy on this machine',
    hint: `write ${lineToWrite(cidrs, allowedUsers)}, with the user that the proxy runs as`,
  }
}

function* proxyCidrProblems(cidr: string, path: Path): Generator<PathProblem> {
  if (cidrFault(cidr) !== undefined) {
    const hint = 'write { user: NAME } for a Unix user, or a CIDR as in 192.168.1.0/24'
    yield { path, message: `${quoted(cidr)} is neither an address nor a CIDR`, hint }
  } else if (/\/0+$/.test(cidr)) {
    const message = `${quoted(cidr)} trusts every address as a proxy, so clients can forge theirs`
    yield { path, message, hint: 'list the addresses of your proxies', severity: 'warning' }
  }
}

function* proxyUserProblems(
  name: string,
  path: Path,
  allowedUsers: readonly string[],
  accounts: LocalUsers,
): Generator<PathProblem> {
  if (name === 'any') {
    const message = '"any" would trust every local program'
    yield { path, message, hint: 'name the user that the proxy runs as' }
    return
  }
  yield* accountProblems(name, path, accounts)
  if (isLetIn(name, allowedUsers, accounts)) return
  yield {
    path,
    message: `connections of ${quoted(name)} to the TCP port are refused (403), because access.allowed_users does not list it`,
    hint: `write access: { allowed_users: [${[...allowedUsers, name].join(', ')}] }, unless the proxy connects to the Unix socket`,
    severity: 'warning',
  }
}

/** Whether connections of a user to the TCP port are accepted. */
export function isLetIn(
  name: string,
  allowedUsers: readonly string[],
  { users, ownUid }: LocalUsers,
): boolean {
  if (allowedUsers.includes('any') || allowedUsers.includes(name)) return true
  const uid = uidNamed(name, users, ownUid)
  return uid !== undefined && allowedUsers.some((allowed) => uidNamed(allowed, users, ownUid) === uid)
}

export function* accountProblems(
  name: string,
  path: Path,
  { users, ownUid, isMapped }: LocalUsers,
): Generator<PathProblem> {
  const uid = uidNamed(name, users, ownUid)
  if (uid === undefined) {
    const message = `there is no user ${quoted(name)} on this machine, so the gateway cannot start here`
    const hint = 'write a name from /etc/passwd, or the uid of an account that it does not list'
    yield { path, message, hint, severity: 'warning' }
  } else if (uid === overflowUid) {
    const message = `${quoted(name)} has uid ${overflowUid}, so the gateway cannot start: in a user namespace, all users from outside it appear under this uid`
    yield { path, message, hint: 'list another user, and run the program as that user', severity: 'warning' }
  } else if (!isMapped(uid)) {
    yield { path, ...unrecognized(name), severity: 'warning' }
  }
}

/** Those of `names` whom a service of the current user cannot recognize. */
export function unrecognizedUsers(names: readonly string[]): string[] {
  const { uid, username } = userInfo()
  const own = new Set(['self', 'any', username, String(uid)])
  return [...new Set(names)].filter((name) => !own.has(name))
}

/** For a user that a user's service cannot recognize: what happens, and the ways out. */
export function unrecognized(name: string): { message: string; hint: string } {
  return {
    message: `connections of ${quoted(name)} to the TCP port are refused (403), because a user service cannot recognize other users (PrivateUsers=yes)`,
    hint: 'run that program as the user of the service and list self, or use the system service',
  }
}

/**
 * The list with a user in it. Loopback addresses are left out: they stood for the proxy itself, which the user now does.
 * Where one user besides the gateway's own is let in, that is most likely the proxy's.
 */
function lineToWrite(cidrs: readonly string[], allowedUsers: readonly string[]): string {
  const others = allowedUsers.filter((name) => name !== 'self' && name !== 'any')
  const user = others.length === 1 ? others[0]! : 'NAME'
  const further = cidrs.filter((cidr) => reachOf(cidr.split('/', 1)[0]!) !== 'loopback')
  const items = further.map((cidr) => (cidr.includes(':') ? `"${cidr}"` : cidr))
  return `trusted_proxies: [${[`{ user: ${user} }`, ...items].join(', ')}]`
}
