// Streams of chat and text completions: chunks with choices, one with a finish_reason, then `[DONE]`.
import { encodeEvent, eventData } from '../../bytes/sse.ts'
import type { ClientDialect, ProviderDialect } from '../dialect.ts'
import { errorEnvelope } from './errors.ts'

/** How a stream of a format ends, and how its events report an error. */
export type StreamFormat = Pick<ProviderDialect, 'ending'> & Pick<ClientDialect, 'errorEvent'>

export const chatStream: StreamFormat = {
  ending(tail) {
    let isWhole = false
    for (const event of tail) {
      const data = eventData(event)
      if (data === undefined) continue
      const chunk = parseChunk(data)
      // vLLM sends `[DONE]` after an error too.
      if (isError(chunk)) return 'error'
      // Some servers omit `[DONE]`; a finish_reason also shows that the stream is complete.
      isWhole ||= isEndMark(data) || hasFinished(chunk)
    }
    return isWhole ? 'complete' : 'cut'
  },

  errorEvent: (error) => encodeEvent({ data: JSON.stringify(errorEnvelope(error)) }),
}

const doneMark = Buffer.from('[DONE]')

/** Whether an event's data is the mark after the last event. A stream that begins with it is empty. */
export function isEndMark(data: Buffer): boolean {
  return data.equals(doneMark)
}

interface Chunk {
  readonly error?: unknown
  readonly object?: unknown
  readonly choices?: unknown
}

function parseChunk(data: Buffer): Chunk {
  try {
    const value: unknown = JSON.parse(data.toString())
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    // Data that is not JSON does not reveal the ending; the client has received it unchanged.
    return {}
  }
}

/** vLLM's older form has `object: "error"` in place of an `error` member. */
function isError(chunk: Chunk): boolean {
  return (chunk.error !== undefined && chunk.error !== null) || chunk.object === 'error'
}

function hasFinished({ choices }: Chunk): boolean {
  if (!Array.isArray(choices)) return false
  return choices.some(
    (choice: { finish_reason?: unknown } | null) => typeof choice?.finish_reason === 'string',
  )
}
