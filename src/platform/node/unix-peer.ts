// Whether the other end of a Unix socket is closed. Node notices that only by reading, and unread bytes hide it.
// Leans on: the descriptor in a socket's `_handle` (https://github.com/nodejs/node/blob/main/src/stream_base.cc). Linux refuses
// even an empty write to a closed end with EPIPE, and sends nothing for it to an open one (unix_stream_sendmsg).
// Buys: a call whose client has left while it waited is not made. Canary: test/platform/node/unix-peer.test.ts.
import { writeSync } from 'node:fs'
import type { Socket } from 'node:net'

interface SocketInside {
  readonly _handle?: { readonly fd?: number } | null
}

const nothing = Buffer.alloc(0)

/**
 * @param socket a connection through a socket file.
 * @returns false as well while the other end has only stopped sending, and where this version of Node shows no descriptor.
 */
export function isPeerClosed(socket: Socket): boolean {
  const { _handle: handle } = socket as SocketInside
  if (handle === null) return true
  const { fd } = handle ?? {}
  if (fd === undefined || fd < 0) return false
  try {
    writeSync(fd, nothing)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPIPE'
  }
}
