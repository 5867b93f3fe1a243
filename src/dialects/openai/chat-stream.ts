// Streams of chat and text completions: chunks with choices, one with a finish_reason, then `[DONE]`.
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { encodeEvent, eventData } from '../../bytes/sse.ts'
import type { ClientDialect, ProviderDialect, StreamEnding } from '../dialect.ts'
import type { UsageReader } from '../usage.ts'
import { fieldsOf, ownEventsOf, retryMember } from './errors.ts'
import { choicesTextBytes, mayReportError } from '../event-bytes.ts'

/** How a stream of a format begins and ends, how its events report an error, and where their text is. */
export type StreamFormat = Pick<ProviderDialect, 'isPreamble' | 'ending'> &
  Pick<ClientDialect, 'ownEvents'> &
  Pick<UsageReader, 'textBytes'>

export const chatStream: StreamFormat = {
  isPreamble(data) {
    if (data.length > maxPreambleBytes || !preambleMarks.some((mark) => data.includes(mark))) return false
    const { choices, error, object, prompt_filter_results: report } = membersOf(parseJson(data))
    if (!isNothing(error) || object === 'error' || !Array.isArray(choices)) return false
    return choices.length === 0 ? report !== undefined : choices.every(hasNoOutput)
  },

  ending(tail) {
    // As nearly all streams end: nothing needs to be parsed then.
    if (tail.slice(-1).some(isMarkedEvent) && !tail.some(mayReportError)) return 'over'
    let ending: StreamEnding = 'cut'
    for (const event of tail) {
      const data = eventData(event)
      if (data === undefined) continue
      if (isEndMark(data)) {
        ending = 'over'
        continue
      }
      // Data that is not JSON does not reveal the ending; the client has received it unchanged.
      const { error, object, choices } = membersOf(parseJson(data))
      // vLLM sends `[DONE]` after an error too; its older form has `object: "error"` in place of an `error` member.
      if ((error !== undefined && error !== null) || object === 'error') return 'error'
      // Some servers omit `[DONE]`; a finish_reason also shows that the stream is complete.
      if (ending === 'cut' && hasFinished(choices)) ending = 'complete'
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

function isMarkedEvent(event: Buffer): boolean {
  const data = eventData(event)
  return data !== undefined && isEndMark(data)
}

/** Some servers write an empty reason into every chunk. */
function hasFinished(choices: unknown): boolean {
  if (!Array.isArray(choices)) return false
  return choices.some((choice) => {
    const { finish_reason: reason } = membersOf(choice)
    return typeof reason === 'string' && reason !== ''
  })
}

/** A chunk that brings nothing but a role is short; longer ones are not parsed. */
const maxPreambleBytes = 4_096

/** Only a chunk with one of these may be without output: a role, an empty text or delta, Azure's report on the prompt. */
const preambleMarks = ['"role"', '"text":""', '"delta":{}', '"prompt_filter_results"'].map((mark) =>
  Buffer.from(mark),
)

/** Whether a chunk's choice is open and brings no output. */
function hasNoOutput(choice: unknown): boolean {
  const { delta, text, finish_reason: reason } = membersOf(choice)
  const { role: _, ...output } = membersOf(delta)
  return isNothing(reason) && isNothing(text) && Object.values(output).every(isNothing)
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}
