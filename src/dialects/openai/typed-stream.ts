// Streams whose events carry a `type`: responses (response-stream.ts), transcriptions, images, speech. Each format has types that end it.
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { encodeEvent, eventData } from '../../bytes/sse.ts'
import { fieldsOf, ownEventsOf, retryMember } from './errors.ts'
import { deltaTextBytes } from './event-bytes.ts'
import { isEndMark, type StreamFormat } from './chat-stream.ts'

/** @param finalTypes types of the event that ends a whole stream. */
export function typedStream(finalTypes: ReadonlySet<string>): StreamFormat {
  return {
    ending(tail) {
      for (const event of tail.toReversed()) {
        const data = eventData(event)
        if (data === undefined) continue
        if (isEndMark(data)) return 'over'
        const type = typeOf(data)
        if (type !== undefined && errorTypes.has(type)) return 'error'
        if (type !== undefined && finalTypes.has(type)) return 'over'
      }
      return 'cut'
    },

    textBytes: deltaTextBytes,

    ownEvents: ownEventsOf((error) => {
      const fields = fieldsOf(error)
      const { code, message, param } = fields
      const data = JSON.stringify({ type: 'error', code, message, param, ...retryMember(fields) })
      return encodeEvent({ event: 'error', data })
    }),
  }
}

const errorTypes: ReadonlySet<string> = new Set(['error', 'response.failed'])

function typeOf(data: Buffer): string | undefined {
  // Data that is not JSON does not reveal the ending; the client has received it unchanged.
  const { type, error } = membersOf(parseJson(data))
  if (typeof type === 'string') return type
  return error === undefined ? undefined : 'error'
}
