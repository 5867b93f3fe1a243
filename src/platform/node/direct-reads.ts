// What a socket reads, handed to its 'readable' listeners at once. Node puts each piece into a buffer of the stream, and
// emits the event in a tick of its own; where the listener is not ready to read, that happens here too.
// Leans on: `onread` of net.connect, which is documented; that its callback is called on the socket, which is not (onStreamRead
// in https://github.com/nodejs/node/blob/main/lib/internal/stream_base_commons.js); and on a listener that takes pieces by `read()`.
// Buys: a tick, two reads and a buffer a streamed event. Canary: test/platform/node/direct-reads.test.ts.
import { Socket, type OnReadOpts } from 'node:net'

/** As Node reads. All sockets of a thread share it, because each piece is copied before the next one is read. */
const readBytes = 65_536

/**
 * Small pieces share memory, so that each is not an object of its own outside the heap; and little of it, because whoever keeps one
 * keeps all of what it shares: the last events of a silent stream kept up to five of Node's own pools, of 64 KiB each.
 */
const [sharedBytes, mostSharedBytes] = [4096, 1024]
let shared = Buffer.allocUnsafeSlow(sharedBytes)
let sharedEnd = 0

function pieceOf(length: number): Buffer {
  if (length > mostSharedBytes) return Buffer.allocUnsafeSlow(length)
  if (sharedEnd + length > sharedBytes) {
    shared = Buffer.allocUnsafeSlow(sharedBytes)
    sharedEnd = 0
  }
  const piece = shared.subarray(sharedEnd, sharedEnd + length)
  sharedEnd += length
  return piece
}

/** The piece that is being handed over; null once it was taken. Undefined: none is. */
const pieceKey = Symbol('piece')

interface DirectSocket extends Socket {
  [pieceKey]?: Buffer | null | undefined
}

/** For the options of a connection over TCP. Its socket is to be given to `readDirectly` as well. */
export const directReads: OnReadOpts = { buffer: Buffer.allocUnsafeSlow(readBytes), callback: handOver }

/** @param socket connects with `directReads`. */
export function readDirectly(socket: Socket): void {
  socket.read = read
}

function handOver(this: unknown, length: number, buffer: Uint8Array): boolean {
  const socket = this as DirectSocket
  const piece = pieceOf(length)
  piece.set(length === buffer.length ? buffer : buffer.subarray(0, length))
  if (socket.readableLength > 0 || socket.read !== read) return socket.push(piece)
  socket[pieceKey] = piece
  let isTaken = false
  try {
    socket.emit('readable')
  } finally {
    isTaken = socket[pieceKey] === null
    socket[pieceKey] = undefined
  }
  return isTaken || socket.destroyed || socket.push(piece)
}

function read(this: DirectSocket, size?: number): unknown {
  const piece = this[pieceKey]
  // Ended, or a part of the piece was put back.
  if (piece === undefined || size !== undefined || this.readableLength > 0 || this.destroyed) {
    return Socket.prototype.read.call(this, size)
  }
  this[pieceKey] = null
  return piece
}
