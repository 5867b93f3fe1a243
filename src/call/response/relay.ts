// The way back: from a provider's response to the client, byte for byte or translated.
import { BodyRelay } from './relay-body.ts'
import { StreamRelay } from './relay-stream.ts'
import { TranslatedRelay, translateWhole } from './relay-translated.ts'
import type { Relay, RelayInput, RelayResult } from './relay-types.ts'

/** Passes the response on, and returns how that ended. Never rejects. */
export function relay(input: RelayInput): RelayResult | Promise<RelayResult> {
  const { response, reply, headers, meter } = input
  if (reply.isGone) {
    response.abort()
    return { kind: 'gone' }
  }
  const { whole, translation } = response
  if (whole !== undefined) {
    if (translation !== undefined) return translateWhole(input, translation, whole)
    meter.readWhole(whole.bytes, whole.value)
    reply.start(response.head.status, [...headers, 'content-length', String(whole.bytes.length)])
    reply.end(whole.bytes)
    return { kind: 'complete' }
  }
  const { promise, resolve } = Promise.withResolvers<RelayResult>()
  const reader = readerOf(input, resolve)
  const leave = () => {
    const end = reader.reachedEnd()
    if (end !== undefined) {
      if (reply.interruption === undefined) response.drain()
      else response.abort()
      reply.end()
      return resolve(end)
    }
    response.abort()
    // Anything written now would land inside an unfinished event or body.
    if (reply.interruption !== undefined && !reader.mayEndHere) reply.cut()
    resolve({ kind: 'gone' })
  }
  const resume = () => response.resume()
  reply.onGone = leave
  reply.onDrain = resume
  reader.begin()
  response.read(reader)
  // Not before: a first chunk that is here already takes the head along in one packet.
  if (reply.isStarted) reply.flush()
  return promise
}

function readerOf(input: RelayInput, resolve: (result: RelayResult) => void): Relay {
  const { events, translation } = input.response
  if (events === undefined) return new BodyRelay(input, resolve)
  if (translation === undefined) return new StreamRelay(input, events, resolve)
  return new TranslatedRelay({ ...input, events, translation }, resolve)
}
