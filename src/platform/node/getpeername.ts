// Whether the kernel still has a TCP connection. Node notices a reset only when it reads, and caches `remoteAddress`.
// Leans on: a socket's `_handle`, null once it is destroyed, and its `getpeername`, which fills an object and returns 0 or a
// negative error number (https://github.com/nodejs/node/blob/main/src/tcp_wrap.cc). Linux returns ENOTCONN after a reset
// (inet_getname).
// Buys: nobody is served as the user who had a port before. Canary: test/platform/node/getpeername.test.ts.
import type { Socket } from 'node:net'

interface SocketInside {
  readonly _handle?: { readonly getpeername?: (peer: object) => number } | null
}

/** True as well while either end has only stopped sending. Undefined where this version of Node cannot ask. */
export function isConnected(socket: Socket): boolean | undefined {
  const { _handle: handle } = socket as SocketInside
  if (handle === null) return false
  const result = handle?.getpeername?.({})
  return result === undefined ? undefined : result === 0
}
