// Streams of chat and text completions: chunks with choices, one with a finish_reason, then `[DONE]`.
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { encodeEvent, eventData } from '../../bytes/sse.ts'
import type { ClientDialect, ProviderDialect, StreamEnding } from '../dialect.ts'
import type { UsageReader } from '../usage.ts'
import { fieldsOf, ownEventsOf, retryMember } from './errors.ts'
import { choicesTextBytes } from './event-bytes.ts'

/** How a stream of a format ends, how its events report an error, and where their text is. */
export type StreamFormat = Pick<ProviderDialect, 'ending'> &
  Pick<ClientDialect, 'ownEvents'> &
  Pick<UsageReader, 'textBytes'>

export const chatStream: StreamFormat = {
  ending(tail) {
    let ending: StreamEnding = 'cut'
    for (const event of tail) {
      const data = eventData(event)
      if (data === undefined) continue
      // Data that is not JSON does not reveal the ending; the client has received it unchanged.
      const { error, object, choices } = membersOf(parseJson(data))
      // vLLM sends `[DONE]` after an error too; its older form has `object: "error"` in place of an `error` member.
      if ((error !== undefined && error !== null) || object === 'error') return 'error'
      if (isEndMark(data)) ending = 'over'
      // Some servers omit `[DONE]`; a finish_reason also shows that the stream is complete.
      else if (ending === 'cut' && hasFinished(choices)) ending = 'complete'
    }
    return ending
  },

  textBytes: choicesTextBytes,

  ownEvents: ownEventsOf((error) => {
    const fields = fieldsOf(error)
    const { message, type, param, code } = fields
    return encodeEvent({
      data: JSON.stringify({ error: { message, type, param, code, ...retryMember(fields) } }),
    })
  }),
}

const doneMark = Buffer.from('[DONE]')

/** Whether an event's data is the mark after the last event. A stream that begins with it is empty. */
export function isEndMark(data: Buffer): boolean {
  return data.equals(doneMark)
}

function hasFinished(choices: unknown): boolean {
  return (
    Array.isArray(choices) && choices.some((choice) => typeof membersOf(choice)['finish_reason'] === 'string')
  )
}
