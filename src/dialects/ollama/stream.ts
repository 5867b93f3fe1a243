// Streams of Ollama's own API: each event is a line with a JSON object, the last one has `"done": true`.
// https://docs.ollama.com/api/streaming
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import type { OwnEvents, ProviderDialect } from '../dialect.ts'

/**
 * JSON allows white space before a value, so this begins the next line. A blank line would be one of its own, which some
 * clients try to parse.
 */
const blank = Buffer.from(' ')

const events: OwnEvents = {
  sent() {},
  heartbeat: () => blank,
  error: ({ message }) => errorLine(message),
}

export function ownEvents(): OwnEvents {
  return events
}

/** What keeps a stream alive between two lines. */
export function heartbeat(): Buffer {
  return blank
}

/** A line that reports an error; the stream's last. */
export function errorLine(message: string): Buffer {
  return Buffer.from(`${JSON.stringify({ error: message })}\n`)
}

export const ending: ProviderDialect['ending'] = (tail) => {
  const last = tail.at(-1)
  const { error, done } = membersOf(last && parseJson(last))
  if (error !== undefined && error !== null) return 'error'
  return done === true ? 'over' : 'cut'
}
