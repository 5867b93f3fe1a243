// The client at the other end of a connection, kept on its socket for the requests that come over it.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Client } from '../domain.ts'

/** The other end of an admitted connection. */
export interface Peer {
  readonly client: Client
  /** Whether its `X-Forwarded-For` is believed. */
  readonly isTrustedProxy: boolean
  /** It has connected to a Unix socket that only its owner can open. Absent: to another one, or a TCP port. */
  readonly isPrivateSocket?: boolean
  /** Its Unix user. Absent: nobody has looked. */
  readonly uid?: number
  /** It may look at metrics or the status page, and may not call. */
  readonly isObserver?: boolean
}

const peerKey = Symbol('peer')
type KnownSocket = Socket & { [peerKey]?: Peer }

export function setPeer(socket: Socket, peer: Peer): void {
  const known: KnownSocket = socket
  known[peerKey] = peer
}

/** The client at the other end of an admitted connection. */
export function clientOfSocket(socket: Socket): Client {
  return peerOf(socket).client
}

/** Whether the other end may report another client than itself. */
export function isTrustedProxy(socket: Socket): boolean {
  return peerOf(socket).isTrustedProxy
}

/** Whether the connection came by a Unix socket that only its owner can open. */
export function isOfPrivateSocket(socket: Socket): boolean {
  return peerOf(socket).isPrivateSocket === true
}

/** The Unix user at the other end; undefined: it has not been looked up. */
export function uidOfSocket(socket: Socket): number | undefined {
  return peerOf(socket).uid
}

/** Whether the other end may look at metrics or the status page only. */
export function isObserver(socket: Socket): boolean {
  return peerOf(socket).isObserver === true
}

const clientKey = Symbol('client')
type KnownRequest = IncomingMessage & { [clientKey]?: Client }

/** Attributes a request to another client than its connection's: the owner of its key, or its identity. */
export function setClient(request: IncomingMessage, client: Client): void {
  const known: KnownRequest = request
  known[clientKey] = client
}

/** The client that was set; undefined: that of its connection. */
export function clientSetFor(request: IncomingMessage): Client | undefined {
  const known: KnownRequest = request
  return known[clientKey]
}

function peerOf(socket: Socket): Peer {
  const known: KnownSocket = socket
  return known[peerKey] ?? unknownPeer
}

const unknownPeer: Peer = { client: { id: 'unknown' }, isTrustedProxy: false }
