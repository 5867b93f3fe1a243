// The memory of a piece that was read from a socket, freed at once instead of by the garbage collector.
// Leans on: Node's reader gives out each piece with an ArrayBuffer of its own, as long as the piece, and keeps none
// (onStreamRead in https://github.com/nodejs/node/blob/main/lib/internal/stream_base_commons.js).
// Buys: no collection of all of the heap in the middle of a body of 10 MB. Canary: test/platform/node/read-piece.test.ts.

/** Empties a piece that nobody else has. One that lies in a pool stays. */
export function freePiece({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
