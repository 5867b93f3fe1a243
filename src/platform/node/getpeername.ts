// Whether a TCP connection still stands, by what the kernel says now. Node tells of a reset only when it reads, and
// remembers `remoteAddress` from the first time it was asked for. So this leans on what Node does not document: a
// socket's `_handle` (null once it is destroyed) and its `getpeername`, which fills an object and returns 0, or else
// the negative number of the error. Linux answers ENOTCONN when the connection has been reset (inet_getname).
import type { Socket } from 'node:net'

interface SocketInside {
  readonly _handle?: { readonly getpeername?: (peer: object) => number } | null
}

/** True also while either end has only stopped sending. Undefined where this Node can't ask; test/server/standing.test.ts. */
export function isStanding(socket: Socket): boolean | undefined {
  const { _handle: handle } = socket as SocketInside
  if (handle === null) return false
  const result = handle?.getpeername?.({})
  return result === undefined ? undefined : result === 0
}
