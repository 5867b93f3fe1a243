// What a socket reads, handed to its 'readable' listeners at once. Node puts each piece into a buffer of the stream, and
// emits the event in a tick of its own; where the listener is not ready to read, that happens here too.
// Leans on: `onread` of net.connect, which is documented; that its callback is called on the socket, which is not (onStreamRead
// in https://github.com/nodejs/node/blob/main/lib/internal/stream_base_commons.js); and on a listener that takes pieces by `read()`.
// Buys: a tick, two reads and a buffer a streamed event. Canary: test/platform/node/direct-reads.test.ts.
import { Socket, type OnReadOpts } from 'node:net'

/** As Node reads. All sockets of a thread share it, because each piece is copied before the next one is read. */
const readBytes = 65_536

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
  // Small ones share memory.
  const piece = Buffer.allocUnsafe(length)
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
