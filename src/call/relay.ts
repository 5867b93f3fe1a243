// The way back: from a provider's answer to the client, byte for byte.
import type { Dialect } from '../dialects/dialect.ts'
import type { GatewayError } from '../errors.ts'
import type { Answer } from './answer.ts'
import type { Reply, Snapshot } from './call.ts'
import type { Hold } from './coordinator.ts'
import type { Meter } from './meter.ts'
import { StreamRelay } from './relay-stream.ts'
import { WholeRelay } from './relay-whole.ts'

/** How the way back ended. After `broken` the client has been told, if its answer had begun. */
export type Ending =
  | { readonly kind: 'complete' }
  /** The provider itself said that it failed, and the client has its words. */
  | { readonly kind: 'failed'; readonly error: GatewayError }
  | { readonly kind: 'gone' }
  | { readonly kind: 'broken'; readonly error: GatewayError }

export interface Relayed {
  readonly answer: Answer
  readonly reply: Reply
  /** For the status line, names and values in turn. */
  readonly headers: readonly string[]
  readonly meter: Meter
  /** The call's charge, which grows with a stream that takes more than was reserved. */
  readonly hold: Pick<Hold, 'tokens' | 'grow'>
}

/** Passes the answer to the client and says how that ended. Never rejects. */
export function relay(relayed: Relayed, dialect: Dialect, on: Pick<Snapshot, 'ticker'>): Promise<Ending> {
  const { answer, reply } = relayed
  const { promise, resolve } = Promise.withResolvers<Ending>()
  const reader = answer.isEventStream
    ? new StreamRelay(relayed, dialect, on.ticker, resolve)
    : new WholeRelay(relayed, resolve)
  const leave = () => {
    answer.abort()
    reader.stop()
    // Whatever might still be said would stand in the middle of something.
    if (reply.interruption !== undefined && reply.isStarted && !reader.mayEndHere) reply.cut()
    resolve({ kind: 'gone' })
  }
  if (reply.isGone) {
    leave()
    return promise
  }
  const resume = () => answer.resume()
  reply.onGone = leave
  reply.onDrain = resume
  answer.read(reader)
  // Not before: a first chunk that is here already takes the head along in one packet.
  if (reply.isStarted) reply.flush()
  return promise
}
