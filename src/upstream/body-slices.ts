import { setImmediate as nextIteration } from 'node:timers/promises'
import type { SplicedBody } from '../bytes/large-body.ts'

/** Bytes handed to the system in one turn of the event loop. Above a socket's high-water mark (64 KiB). */
const sliceBytes = 262_144

/**
 * The bytes to send, slice by slice. The sender must not ask for the next slice before the socket has drained (which it
 * signals for slices longer than its high-water mark): the body's memory is reused once its last reader has left, and the
 * system may still read from it. Shorter slices are copies.
 */
export async function* bodySlices({ of: body, parts }: SplicedBody): AsyncGenerator<Buffer> {
  body.retain()
  try {
    for (const part of parts) {
      for (let at = 0; at < part.length; at += sliceBytes) {
        const slice = part.subarray(at, at + sliceBytes)
        if (slice.length < sliceBytes) yield Buffer.from(slice)
        else {
          yield slice
          await nextIteration()
        }
      }
    }
  } finally {
    body.release()
  }
}
