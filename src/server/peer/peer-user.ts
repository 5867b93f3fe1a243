// The users who may connect (`access.allowed_users`), and those of them who are trusted proxies (`server.trusted_proxies`):
// both by Unix user, because loopback has no other boundary between the accounts of a machine. The look-up happens once for
// each connection, before its first byte is read. If it fails, the connection is refused: an unknown user is not allowed.
import type { Socket } from 'node:net'
import type { Client } from '../../domain.ts'
import { GatewayError, StartError } from '../../errors.ts'
import { isOutOfDescriptors } from '../../platform/descriptors.ts'
import { overflowUid, uidNamed, type UnixUsers } from '../../platform/unix-users.ts'
import { plainAddress } from '../../clients/ip-address.ts'
import type { PeerLookup, PeerTable } from './peer-table.ts'
import type { Peer } from '../../clients/client.ts'
import type { Observers } from '../observers.ts'

/** The other end of a connection, or why it is refused. */
export type Identity =
  | ({ readonly kind: 'known' } & Peer)
  | {
      readonly kind: 'refused'
      readonly client: Client
      readonly error: GatewayError
      /** Its user is unknown because the client has left already, which is nothing to warn of. */
      readonly hasLeft: boolean
    }

/** Total: it never rejects, and decides on every connection. */
export type Identify = (socket: Socket) => Promise<Identity>

export interface PeerUserParts {
  /** `access.allowed_users`. */
  readonly allowedUsers: readonly string[]
  /** The users of `server.trusted_proxies`. */
  readonly proxyUsers: readonly string[]
  /** Who may look at metrics or the status page without being allowed to call. */
  readonly observers: Pick<Observers, 'isObserver'>
  readonly users: UnixUsers
  readonly ownUid: number
  /** Only Linux reports the users of connections. */
  readonly platform: NodeJS.Platform
  readonly table: Pick<PeerTable, 'find'>
  /** Whether the kernel still has the connection; undefined where it cannot be asked. */
  readonly isConnected: (socket: Socket) => boolean | undefined
  /** The kernel's list cannot be read, so everybody is refused. */
  readonly onUnreadable: (cause: Error) => void
}

const nobodyKnown: Client = { id: 'unknown' }

/**
 * The check for TCP connections; undefined when it is off (`any`).
 * @throws StartError when the setting cannot be enforced here.
 */
export function peerUserCheck(parts: PeerUserParts): Identify | undefined {
  const { allowedUsers, proxyUsers, observers, users, platform, onUnreadable } = parts
  if (allowedUsers.includes('any')) return undefined
  if (platform !== 'linux') {
    const hint = 'Set allowed_users: [any] to serve every user of this machine.'
    throw new StartError(
      `access.allowed_users is unsupported on ${platform}: only Linux reports them. ${hint}`,
    )
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
        const { uid } = peer
        if (!allowed.has(uid) && !observers.isObserver(uid)) {
          return { kind: 'refused', client, error: notAllowed(client, uid), hasLeft: false }
        }
        const isTrustedProxy = proxies.has(uid)
        return { kind: 'known', client, uid, isTrustedProxy, isObserver: !allowed.has(uid) }
      }
      case 'absent':
        return { ...unknownUser('the client has disconnected'), hasLeft: true }
      case 'ambiguous':
        return unknownUser('sockets of several users have these addresses')
      case 'unreadable':
        if (isOutOfDescriptors(peer.cause.code)) return noDescriptor()
        onUnreadable(peer.cause)
        return unknownUser('the look-up failed')
      default:
        return peer satisfies never
    }
  }
}

/**
 * Where every user is served (`any`), the look-up only finds the trusted proxies: a client whose user is unknown is served,
 * and its `X-Forwarded-For` ignored.
 * @throws StartError when the setting cannot be enforced here.
 */
export function proxyUserCheck(
  parts: Omit<PeerUserParts, 'allowedUsers' | 'observers'>,
  identify: Identify,
): Identify {
  const { proxyUsers, platform, onUnreadable } = parts
  if (proxyUsers.length === 0) return identify
  if (platform !== 'linux') {
    throw new StartError(
      `server.trusted_proxies is unsupported on ${platform}: only Linux reports the users of connections.`,
    )
  }
  const proxies = uidsOf('server.trusted_proxies', proxyUsers, parts)
  return async (socket) => {
    const [identity, peer] = await Promise.all([identify(socket), lookUp(socket, parts)])
    if (peer.kind === 'unreadable') onUnreadable(peer.cause)
    if (peer.kind !== 'found') return { ...identity, isTrustedProxy: false }
    return { ...identity, uid: peer.uid, isTrustedProxy: proxies.has(peer.uid) }
  }
}

/**
 * Finds the Unix user of a connection that was accepted without, as where every user is served. Undefined: it is unknown, also
 * because this is not Linux.
 */
export function peerUserFinder(
  parts: Pick<PeerUserParts, 'isConnected' | 'onUnreadable' | 'platform' | 'table'>,
): (socket: Socket) => Promise<number | undefined> {
  return async (socket) => {
    if (parts.platform !== 'linux') return undefined
    const peer = await lookUp(socket, parts)
    if (peer.kind === 'unreadable' && !isOutOfDescriptors(peer.cause.code)) parts.onUnreadable(peer.cause)
    return peer.kind === 'found' ? peer.uid : undefined
  }
}

/** Identifies clients by address, where users are not looked up. */
export const addressIdentity: Identify = (socket) =>
  Promise.resolve({
    kind: 'known',
    client: { id: `ip:${plainAddress(socket.remoteAddress) ?? 'unknown'}` },
    isTrustedProxy: false,
  })

async function lookUp(
  socket: Socket,
  { table, isConnected }: Pick<PeerUserParts, 'table' | 'isConnected'>,
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
  // the bytes already received. But while our socket exists, no other pair with its ends can complete a handshake:
  // a SYN would reach our socket. So if it exists now, it existed when the row of a connected socket was read, and
  // the row is its peer's. What happens to it from here on does not change who sent its bytes.
  const connected = isConnected(socket)
  if (connected === undefined) {
    return {
      kind: 'unreadable',
      cause: new Error('this version of Node.js cannot ask the kernel for the peer of a connection'),
    }
  }
  return connected ? peer : { kind: 'absent' }
}

/**
 * For a socket file that only its owner can open. If any proxy is trusted, so is one that connects here: its user is not
 * reported.
 */
export function socketOwner({
  proxyUsers,
  users,
  ownUid,
  isPrivateSocket,
}: Pick<PeerUserParts, 'proxyUsers' | 'users' | 'ownUid'> & {
  /** Whether it is known that nobody else can open the file. */
  readonly isPrivateSocket: boolean
}): Identify {
  const client = { id: `user:${users.nameOf(ownUid) ?? ownUid}` }
  const isTrustedProxy = proxyUsers.length > 0
  const owner = isPrivateSocket && { uid: ownUid }
  const identity = { kind: 'known', client, isTrustedProxy, isPrivateSocket, ...owner } as const
  return () => Promise.resolve(identity)
}

/**
 * The uids of users that a setting names.
 * @throws StartError when one is none here, or cannot be told from others.
 */
export function uidsOf(
  setting: string,
  names: readonly string[],
  { users, ownUid }: Pick<PeerUserParts, 'users' | 'ownUid'>,
): ReadonlySet<number> {
  const uids = new Set<number>()
  for (const name of names) {
    const uid = uidNamed(name, users, ownUid)
    if (uid === undefined) {
      throw new StartError(`${setting}: no such user: ${JSON.stringify(name)}.`)
    }
    if (uid === overflowUid) {
      const why = 'In a user namespace every unmapped user has that uid.'
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
  const namespace =
    uid === overflowUid ? ' In a user namespace (PrivateUsers=) every unmapped user has that uid.' : ''
  return new GatewayError(
    'user_not_allowed',
    `${message} access.allowed_users lists the allowed ones.${namespace}`,
  )
}

function noDescriptor(): Identity & { kind: 'refused' } {
  const message = 'The gateway has no file descriptor left to look up the Unix user of this connection.'
  const error = new GatewayError('overloaded', message, { headers: { 'retry-after': '5' } })
  return { kind: 'refused', client: nobodyKnown, error, hasLeft: false }
}

function unknownUser(why: string): Identity & { kind: 'refused' } {
  const message = `The Unix user at the other end of this connection is unknown: ${why}.`
  const error = new GatewayError('user_not_allowed', `${message} access.allowed_users requires it.`)
  return { kind: 'refused', client: nobodyKnown, error, hasLeft: false }
}
