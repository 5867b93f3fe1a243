// What the door found out about a connection, kept on its socket for the calls that come over it.
import type { Socket } from 'node:net'
import type { Client } from '../domain.ts'

const clientKey = Symbol('client')

type KnownSocket = Socket & { [clientKey]?: Client }

export function setClient(socket: Socket, client: Client): void {
  const known: KnownSocket = socket
  known[clientKey] = client
}

/** Who is at the other end of a connection that was let in. */
export function clientOfSocket(socket: Socket): Client {
  const known: KnownSocket = socket
  return known[clientKey] ?? unknownClient
}

const unknownClient: Client = { id: 'unknown' }
