// The client at the other end of a connection, kept on its socket for the requests that come over it.
import type { Socket } from 'node:net'
import type { Client } from '../domain.ts'

/** The other end of an admitted connection. */
export interface Peer {
  readonly client: Client
  /** Whether its `X-Forwarded-For` is believed. */
  readonly isTrustedProxy: boolean
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

function peerOf(socket: Socket): Peer {
  const known: KnownSocket = socket
  return known[peerKey] ?? unknownPeer
}

const unknownPeer: Peer = { client: { id: 'unknown' }, isTrustedProxy: false }
