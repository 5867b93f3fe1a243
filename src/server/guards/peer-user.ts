// Who may connect: the Unix users of `access.allowed_users`. Loopback has no other border between the accounts of a
// machine. The look-up happens once for a connection and before its first byte is read; where it fails, the
// connection is refused, because not to know is not to allow.
import type { Socket } from 'node:net'
import type { Client } from '../../domain.ts'
import { GatewayError, StartError } from '../../errors.ts'
import { overflowUid, type UnixUsers } from '../../unix-users.ts'
import type { PeerTable } from '../peer-table.ts'

/** Who is at the other end of a connection, or why nobody may be. */
export type Identity =
  | { readonly kind: 'known'; readonly client: Client }
  | { readonly kind: 'refused'; readonly client: Client; readonly error: GatewayError }

/** Total: it never rejects, and never leaves a connection undecided. */
export type Identify = (socket: Socket) => Promise<Identity>

export interface PeerUserParts {
  /** `access.allowed_users`. */
  readonly allowedUsers: readonly string[]
  readonly users: UnixUsers
  readonly ownUid: number
  /** Only Linux tells the users of connections. */
  readonly platform: NodeJS.Platform
  readonly table: Pick<PeerTable, 'find'>
  /** Asks the kernel anew whether the connection stands; undefined where that can't be asked. */
  readonly isStanding: (socket: Socket) => boolean | undefined
  /** The kernel's list can't be read, so that everybody is refused. */
  readonly onUnreadable: (cause: Error) => void
}

const nobodyKnown: Client = { id: 'unknown' }

/**
 * The check for TCP connections; undefined when it is off (`any`).
 * @throws StartError when the setting can't be held here.
 */
export function peerUserCheck(parts: PeerUserParts): Identify | undefined {
  const { allowedUsers, users, platform, table, isStanding, onUnreadable } = parts
  if (allowedUsers.includes('any')) return undefined
  if (platform !== 'linux') {
    const way = 'Write allowed_users: [any] to serve every user of this machine.'
    throw new StartError(`access.allowed_users is unsupported on ${platform}: only Linux names them. ${way}`)
  }
  const allowed = allowedUids(parts)
  const clients = new Map<number, Client>()
  const clientOf = (uid: number): Client => {
    const client = clients.get(uid) ?? { id: `user:${users.nameOf(uid) ?? uid}` }
    clients.set(uid, client)
    return client
  }
  return async (socket) => {
    const { localAddress, localPort, remoteAddress, remotePort } = socket
    if (
      localAddress === undefined ||
      localPort === undefined ||
      remoteAddress === undefined ||
      remotePort === undefined
    ) {
      return unknownUser('it has left already')
    }
    const peer = await table.find({ localAddress, localPort, remoteAddress, remotePort })
    switch (peer.kind) {
      case 'found': {
        // A reset frees the peer's port for the next user, whose row would then be read for this connection and for
        // the bytes that lie in it. But while our socket stands, no other pair with its ends can complete a handshake:
        // a SYN would reach our socket. So one that stands now stood when the row of a connected socket was read, and
        // the row is its peer's. What happens to it from here on changes nothing about who sent its bytes.
        const stands = isStanding(socket)
        if (stands === undefined) {
          onUnreadable(new Error('this Node.js does not ask the kernel for the peer of a connection'))
          return unknownUser('the kernel can not be asked whether it still stands')
        }
        if (!stands) return unknownUser('it has left already')
        const client = clientOf(peer.uid)
        if (allowed.has(peer.uid)) return { kind: 'known', client }
        return { kind: 'refused', client, error: notAllowed(client) }
      }
      case 'absent':
        return unknownUser('it has left already')
      case 'ambiguous':
        return unknownUser('sockets of several users have its ends')
      case 'unreadable':
        onUnreadable(peer.cause)
        return unknownUser("/proc/self/net/tcp can't be read")
      default:
        return peer satisfies never
    }
  }
}

/** The user of whoever can open a socket file that only its owner can open. */
export function socketOwner({ users, ownUid }: Pick<PeerUserParts, 'users' | 'ownUid'>): Identify {
  const identity = { kind: 'known', client: { id: `user:${users.nameOf(ownUid) ?? ownUid}` } } as const
  return () => Promise.resolve(identity)
}

/** For accounts that `/etc/passwd` does not list, a number does as well. */
function allowedUids({ allowedUsers, users, ownUid }: PeerUserParts): ReadonlySet<number> {
  const uids = new Set<number>()
  for (const name of allowedUsers) {
    const uid = name === 'self' ? ownUid : (users.uidOf(name) ?? asUid(name))
    if (uid === undefined) {
      throw new StartError(`access.allowed_users: there is no user ${JSON.stringify(name)} on this machine.`)
    }
    if (uid === overflowUid) {
      const why = 'In a user namespace every foreign user looks like that one.'
      throw new StartError(
        `access.allowed_users: ${JSON.stringify(name)} has uid ${overflowUid}, which is refused. ${why}`,
      )
    }
    uids.add(uid)
  }
  return uids
}

function asUid(name: string): number | undefined {
  return /^\d{1,10}$/.test(name) ? Number(name) : undefined
}

function notAllowed({ id }: Client): GatewayError {
  const name = id.slice('user:'.length)
  const message = `The Unix user ${JSON.stringify(name)} is not allowed to use this gateway.`
  return new GatewayError('user_not_allowed', `${message} access.allowed_users lists those that are.`)
}

function unknownUser(why: string): Identity {
  const message = `The Unix user at the other end of this connection is unknown: ${why}.`
  const error = new GatewayError('user_not_allowed', `${message} access.allowed_users asks for it.`)
  return { kind: 'refused', client: nobodyKnown, error }
}
