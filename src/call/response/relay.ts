// The way back: from a provider's response to the client, byte for byte or translated.
import { BodyRelay } from './relay-body.ts'
import { StreamRelay } from './relay-stream.ts'
import { TranslatedRelay, translateWhole } from './relay-translated.ts'
import type { Relay, RelayInput, RelayResult } from './relay-types.ts'

/** Passes the response on, and returns how that ended. Throws, or rejects, only with a bug. */
export function relay(input: RelayInput): RelayResult | Promise<RelayResult> {
  const { response, reply, headers, meter } = input
  if (reply.isGone) {
    response.abort()
    return { kind: 'gone' }
  }
  const { whole, translation } = response
  if (whole !== undefined) {
    if (translation !== undefined) return translateWhole(input, translation, whole)
    if (response.meter === undefined) meter.readWhole(whole.bytes, whole.value)
    reply.start(response.head.status, [...headers, 'content-length', String(whole.bytes.length)])
    reply.end(whole.bytes)
    return { kind: 'complete' }
  }
  const { promise, resolve, reject } = Promise.withResolvers<RelayResult>()
  const reader = readerOf(input, resolve)
  const fail = (error: unknown) => {
    // What reports the error would land inside an unfinished event or body.
    if (reply.isStarted && !reader.mayEndHere) reply.cut()
    reject(error)
  }
  const stop = () => {
    const end = reader.reachedEnd()
    if (end !== undefined) {
      if (reply.interruption === undefined) response.drain()
      else response.abort()
      reply.end()
      return resolve(end)
    }
    if (reply.interruption === undefined && reader.awaitsCount?.() === true) return response.resume()
    response.abort()
    // Anything written now would land inside an unfinished event or body.
    if (reply.interruption !== undefined && !reader.mayEndHere) reply.cut()
    resolve({ kind: 'gone' })
  }
  const leave = () => {
    try {
      stop()
    } catch (error) {
      fail(error)
    }
  }
  const resume = () => response.resume()
  reply.onGone = leave
  reply.onDrain = resume
  try {
    reader.begin()
    response.read(reader, fail)
    // Not before: a first chunk that is here already takes the head along in one packet.
    if (reply.isStarted) reply.flush()
  } catch (error) {
    fail(error)
  }
  return promise
}

function readerOf(input: RelayInput, resolve: (result: RelayResult) => void): Relay {
  const { events, translation } = input.response
  if (events === undefined) return new BodyRelay(input, resolve)
  if (translation === undefined) return new StreamRelay(input, events, resolve)
  return new TranslatedRelay({ ...input, events, translation }, resolve)
}
