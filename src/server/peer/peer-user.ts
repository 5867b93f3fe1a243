// Who may connect (`access.allowed_users`), and which of them are trusted proxies (`server.trusted_proxies`): both by Unix
// user, because loopback has no other border between the accounts of a machine. The look-up happens once for a connection
// and before its first byte is read; where it fails, the connection is refused, because not to know is not to allow.
import type { Socket } from 'node:net'
import type { Client } from '../../domain.ts'
import { GatewayError, StartError } from '../../errors.ts'
import { overflowUid, uidNamed, type UnixUsers } from '../../platform/unix-users.ts'
import { plainAddress } from '../../clients/ip-address.ts'
import type { PeerLookup, PeerTable } from './peer-table.ts'
import type { Peer } from '../../clients/client.ts'

/** Who is at the other end of a connection, or why nobody may be. */
export type Identity =
  | ({ readonly kind: 'known' } & Peer)
  | { readonly kind: 'refused'; readonly client: Client; readonly error: GatewayError }

/** Total: it never rejects, and never leaves a connection undecided. */
export type Identify = (socket: Socket) => Promise<Identity>

export interface PeerUserParts {
  /** `access.allowed_users`. */
  readonly allowedUsers: readonly string[]
  /** The users of `server.trusted_proxies`. */
  readonly proxyUsers: readonly string[]
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
  const { allowedUsers, proxyUsers, users, platform, onUnreadable } = parts
  if (allowedUsers.includes('any')) return undefined
  if (platform !== 'linux') {
    const way = 'Set access.allowed_users: [any] to serve every user of this machine.'
    throw new StartError(`access.allowed_users is unsupported on ${platform}: ${onlyLinux}. ${way}`)
  }
  const allowed = uidsOf('access.allowed_users', allowedUsers, parts)
  const proxies = uidsOf('server.trusted_proxies', proxyUsers, parts)
  const clients = new Map<number, Client>()
  const clientOf = (uid: number): Client => {
    const client = clients.get(uid) ?? { id: `user:${users.nameOf(uid) ?? uid}` }
    clients.set(uid, client)
    return client
  }
  return async (socket) => {
    const peer = await lookUp(socket, parts)
    switch (peer.kind) {
      case 'found': {
        const client = clientOf(peer.uid)
        if (!allowed.has(peer.uid)) return { kind: 'refused', client, error: notAllowed(client, peer.uid) }
        return { kind: 'known', client, isTrustedProxy: proxies.has(peer.uid) }
      }
      case 'absent':
        return unknownUser('the client has already disconnected')
      case 'ambiguous':
        return unknownUser('sockets of several users share its pair of addresses')
      case 'unreadable':
        onUnreadable(peer.cause)
        return unknownUser("the look-up failed; the gateway's log has the reason (peer_users_unreadable)")
      default:
        return peer satisfies never
    }
  }
}

/**
 * Where everybody is let in (`any`), the look-up only finds the trusted proxies among them: whose user is unknown is
 * served, and not believed.
 * @throws StartError when the setting can't be held here.
 */
export function proxyUserCheck(parts: Omit<PeerUserParts, 'allowedUsers'>, identify: Identify): Identify {
  const { proxyUsers, platform, onUnreadable } = parts
  if (proxyUsers.length === 0) return identify
  if (platform !== 'linux') {
    throw new StartError(
      `server.trusted_proxies is unsupported on ${platform}: ${onlyLinux}. Remove the key.`,
    )
  }
  const proxies = uidsOf('server.trusted_proxies', proxyUsers, parts)
  return async (socket) => {
    const [identity, peer] = await Promise.all([identify(socket), lookUp(socket, parts)])
    if (peer.kind === 'unreadable') onUnreadable(peer.cause)
    return { ...identity, isTrustedProxy: peer.kind === 'found' && proxies.has(peer.uid) }
  }
}

const onlyLinux = 'the Unix user of a connection can be looked up on Linux only'

/** Identifies the client of a connection by its address, where users are not distinguished. */
export const addressIdentity: Identify = (socket) =>
  Promise.resolve({
    kind: 'known',
    client: { id: `ip:${plainAddress(socket.remoteAddress) ?? 'unknown'}` },
    isTrustedProxy: false,
  })

async function lookUp(
  socket: Socket,
  { table, isStanding }: Pick<PeerUserParts, 'table' | 'isStanding'>,
): Promise<PeerLookup> {
  const { localAddress, localPort, remoteAddress, remotePort } = socket
  if (
    localAddress === undefined ||
    localPort === undefined ||
    remoteAddress === undefined ||
    remotePort === undefined
  ) {
    return { kind: 'absent' }
  }
  const peer = await table.find({ localAddress, localPort, remoteAddress, remotePort })
  if (peer.kind !== 'found') return peer
  // A reset frees the peer's port for the next user, whose row would then be read for this connection and for
  // the bytes that lie in it. But while our socket stands, no other pair with its ends can complete a handshake:
  // a SYN would reach our socket. So one that stands now stood when the row of a connected socket was read, and
  // the row is its peer's. What happens to it from here on changes nothing about who sent its bytes.
  const stands = isStanding(socket)
  if (stands === undefined) {
    return {
      kind: 'unreadable',
      cause: new Error('this version of Node.js cannot ask the kernel for the peer of a connection'),
    }
  }
  return stands ? peer : { kind: 'absent' }
}

/**
 * The user of whoever can open a socket file that only its owner can open. Where proxies are trusted at all, one that
 * comes this way is: its own user is not told.
 */
export function socketOwner({
  proxyUsers,
  users,
  ownUid,
}: Pick<PeerUserParts, 'proxyUsers' | 'users' | 'ownUid'>): Identify {
  const client = { id: `user:${users.nameOf(ownUid) ?? ownUid}` }
  const identity = { kind: 'known', client, isTrustedProxy: proxyUsers.length > 0 } as const
  return () => Promise.resolve(identity)
}

function uidsOf(
  setting: string,
  names: readonly string[],
  { users, ownUid }: Pick<PeerUserParts, 'users' | 'ownUid'>,
): ReadonlySet<number> {
  const uids = new Set<number>()
  for (const name of names) {
    const uid = uidNamed(name, users, ownUid)
    if (uid === undefined) {
      const way = 'Correct or remove the entry.'
      throw new StartError(`${setting}: there is no user ${JSON.stringify(name)} on this machine. ${way}`)
    }
    if (uid === overflowUid) {
      const why = 'in a user namespace, all users from outside it appear under this uid. List another user.'
      throw new StartError(
        `${setting}: ${JSON.stringify(name)} has uid ${overflowUid}, which cannot be listed: ${why}`,
      )
    }
    uids.add(uid)
  }
  return uids
}

function notAllowed({ id }: Client, uid: number): GatewayError {
  const name = id.slice('user:'.length)
  const message = `The Unix user ${JSON.stringify(name)} is not allowed to use this gateway.`
  const way =
    uid === overflowUid
      ? 'In a user namespace (PrivateUsers=), all users from outside it appear as this one, and access.allowed_users can admit only the user that runs the gateway.'
      : 'access.allowed_users lists the allowed users.'
  return new GatewayError('user_not_allowed', `${message} ${way}`)
}

function unknownUser(why: string): Identity {
  const message = `The Unix user at the other end of this connection is unknown: ${why}.`
  const error = new GatewayError(
    'user_not_allowed',
    `${message} access.allowed_users admits known users only.`,
  )
  return { kind: 'refused', client: nobodyKnown, error }
}
