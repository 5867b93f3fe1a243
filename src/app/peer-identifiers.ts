// How the clients of connections are identified, by listener.
import { statSync } from 'node:fs'
import type { Config } from '../config/types.ts'
import type { Events } from '../observe/events.ts'
import { isConnected } from '../platform/node/getpeername.ts'
import { systemUsers } from '../platform/unix-users.ts'
import type { InheritedSocket } from '../server/listeners/inherited.ts'
import type { PeerIdentifiers } from '../server/listeners/listeners.ts'
import { PeerTable } from '../server/peer/peer-table.ts'
import { Observers, type ViewUsers } from '../server/observers.ts'
import {
  addressIdentity,
  peerUserCheck,
  peerUserFinder,
  proxyUserCheck,
  socketOwner,
} from '../server/peer/peer-user.ts'

export interface Peers {
  readonly identifiers: PeerIdentifiers
  readonly observers: Observers
  /** The Unix user of a connection that was accepted without. */
  readonly findUser: ReturnType<typeof peerUserFinder>
}

/**
 * @param sockets that a service manager has opened.
 * @throws StartError when a configured user does not exist on this machine.
 */
export function peersOf(
  config: Pick<Config, 'access' | 'metrics' | 'server' | 'status'>,
  events: Events,
  sockets: readonly InheritedSocket[] = [],
): Peers {
  const { access, server } = config
  const users = systemUsers()
  const ownUid = process.getuid?.() ?? 0
  const observers = new Observers(users, ownUid, viewUsersOf(config))
  const parts = {
    proxyUsers: server.trustedProxies.users,
    observers,
    users,
    ownUid,
    platform: process.platform,
    table: new PeerTable(),
    isConnected,
    onUnreadable: (cause: Error) => events.emit({ kind: 'peer_users_unreadable', cause }),
  }
  const byUser = peerUserCheck({ ...parts, allowedUsers: access.allowedUsers })
  const identifiers = {
    tcp: byUser ?? proxyUserCheck(parts, addressIdentity),
    unixSocket: socketOwner({ ...parts, isPrivateSocket: sockets.every(isPrivate) }),
  }
  return { identifiers, observers, findUser: peerUserFinder(parts) }
}

/** Empty lists where there is nothing to look at. */
export function viewUsersOf({ metrics, status }: Pick<Config, 'metrics' | 'status'>): ViewUsers {
  return {
    metrics: metrics.enabled ? metrics.allowedUsers : [],
    status: status.enabled ? status.allowedUsers : [],
  }
}

/** systemd lets everybody open its Unix sockets, unless `SocketMode=` says otherwise; the gateway's own are private. */
function isPrivate({ path }: InheritedSocket): boolean {
  if (path === undefined) return true
  try {
    return (statSync(path).mode & 0o077) === 0
  } catch {
    return false
  }
}

/** The client that the gateway's own user is. */
export function ownClientId(): string {
  const uid = process.getuid?.() ?? 0
  return `user:${systemUsers().nameOf(uid) ?? uid}`
}
