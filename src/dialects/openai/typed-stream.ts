// Streams whose events carry a `type`: responses (response-stream.ts), transcriptions, images, speech. Each format has types that end it.
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { encodeEvent, eventData } from '../../bytes/sse.ts'
import { fieldsOf, ownEventsOf, retryMember } from './errors.ts'
import { deltaTextBytes } from '../event-bytes.ts'
import { isEndMark, type StreamFormat } from './chat-stream.ts'

interface TypedFormat {
  /** Types of the events that have nothing of an answer yet. Absent: none. */
  readonly preambleTypes?: readonly string[]
  /** Types of the event that ends a whole stream. */
  readonly finalTypes: ReadonlySet<string>
  /** Servers also stream events without a type, which have no final one: a stream of these ends as its body does. */
  readonly mayBeUntyped?: boolean
}

export function typedStream({
  preambleTypes = [],
  finalTypes,
  mayBeUntyped = false,
}: TypedFormat): StreamFormat {
  // Such an event may repeat a whole request, so its type is looked for. In a text within it, the quotes are escaped.
  const preambles = preambleTypes.flatMap((type) =>
    [`"type":"${type}"`, `"type": "${type}"`].map((mark) => Buffer.from(mark)),
  )
  return {
    isPreamble: (data) => preambles.some((mark) => data.includes(mark)),

    ending(tail) {
      let isTyped = !mayBeUntyped
      for (const event of tail.toReversed()) {
        const data = eventData(event)
        if (data === undefined) continue
        if (isEndMark(data)) return 'over'
        const type = typeOf(data)
        isTyped ||= type !== undefined
        if (type !== undefined && errorTypes.has(type)) return 'error'
        if (type !== undefined && finalTypes.has(type)) return 'over'
      }
      return isTyped ? 'cut' : 'complete'
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
