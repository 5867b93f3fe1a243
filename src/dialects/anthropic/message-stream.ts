// Streams of the Messages API: how they begin and end, how their events report an error, and what the gateway adds to them.
// https://docs.claude.com/en/docs/build-with-claude/streaming
import { type JsonObject, membersOf, parseJson } from '../../bytes/json/parse.ts'
import { encodeEvent, eventData, eventName } from '../../bytes/sse.ts'
import { GatewayError } from '../../errors.ts'
import type { ErrorFields, OwnEvents, StreamEnding } from '../dialect.ts'
import { fieldsOf, readErrorFields, retryMember } from '../openai/errors.ts'
import { errorEnvelope, errorHeadOf, errorTypeOf, errorTypeOfStatus } from './errors.ts'

/** Longer events are part of an answer. A `message_start` may hold a container and diagnostics. */
const maxPreambleBytes = 16_384

/** `message_start`, pings, and the start of a block that brings nothing yet. */
export function isPreamble(data: Buffer): boolean {
  if (data.length > maxPreambleBytes) return false
  const { type, content_block: block } = membersOf(parseJson(data))
  return type === 'message_start' || type === 'ping' || (type === 'content_block_start' && isEmpty(block))
}

/** A tool's call has a name and an id from its start, and other blocks come whole. */
function isEmpty(block: unknown): boolean {
  const { type, text, thinking } = membersOf(block)
  return (type === 'text' && text === '') || (type === 'thinking' && thinking === '')
}

/** Some servers add OpenAI's mark to the last event. */
export function isEndMark(data: Buffer): boolean {
  return typeOf(data) === 'message_stop' || data.toString('latin1', 0, 8).trimEnd() === '[DONE]'
}

/** Whole only with `message_stop`: what is cut before it may lack the stop reason and the usage. */
export function ending(tail: readonly Buffer[]): StreamEnding {
  let found: StreamEnding = 'cut'
  for (const event of tail) {
    const data = eventData(event)
    const type = data && typeOf(data)
    if (type === 'error') return 'error'
    if (type === 'message_stop') found = 'over'
  }
  return found
}

/** Data that is not JSON has none; the client has received it unchanged. */
function typeOf(data: Buffer): unknown {
  const { type, error } = membersOf(parseJson(data))
  return type === undefined && error !== undefined && error !== null ? 'error' : type
}

const LETTER_V = 0x76
const errorKey = Buffer.from('"error"')

/** An error without the name that Anthropic's SDKs go by gets it: they skip an event without one. */
export function standardEvent(event: Buffer): Buffer {
  // `event:` is the first field of nearly all of them.
  if (event[1] === LETTER_V || !event.includes(errorKey) || eventName(event) !== undefined) return event
  const data = eventData(event)
  const head = data && errorHeadOf(data)
  if (head === undefined) return event
  const { type, message = 'The provider reported an error.' } = readErrorFields(data!) ?? {}
  return encodeError({ type: type ?? errorTypeOfStatus(head.status), message })
}

export function ownEvents(): OwnEvents {
  return new MessageEvents()
}

const ping = encodeEvent({ event: 'ping', data: JSON.stringify({ type: 'ping' }) })
const pingMark = Buffer.from('ping')
/** No event with a piece of an answer is as short. */
const maxPingBytes = 64

class MessageEvents implements OwnEvents {
  #last: Buffer | undefined

  sent(bytes: Buffer): void {
    if (bytes.length > maxPingBytes || !bytes.includes(pingMark)) this.#last = bytes
  }

  /**
   * Clients skip a ping; Claude Code takes only a delta for a sign of life, so within an open block an empty one follows
   * (https://github.com/Wei-Shaw/sub2api/issues/3626).
   */
  heartbeat(): Buffer {
    const delta = this.#last && emptyDelta(this.#last)
    return delta === undefined ? ping : Buffer.concat([ping, delta])
  }

  error(error: GatewayError | ErrorFields): Buffer {
    const fields = fieldsOf(error)
    const type = error instanceof GatewayError ? errorTypeOf(error) : (fields.type ?? errorTypeOfStatus(500))
    return encodeError({ type, message: fields.message, ...retryMember(fields) })
  }
}

function encodeError(error: { readonly type: string; readonly message: string }): Buffer {
  return encodeEvent({ event: 'error', data: JSON.stringify(errorEnvelope(error)) })
}

const eventMark = Buffer.from('event:')

/** For the block that the last of these events leaves open; undefined if there is none. */
function emptyDelta(events: Buffer): Buffer | undefined {
  const at = events.lastIndexOf(eventMark)
  const data = at < 0 ? undefined : eventData(events.subarray(at))
  const { index, delta, content_block: block } = membersOf(data && parseJson(data))
  const empty = emptyOf(membersOf(delta)) ?? emptyOf(membersOf(block))
  if (typeof index !== 'number' || empty === undefined) return undefined
  const type = 'content_block_delta'
  return encodeEvent({ event: type, data: JSON.stringify({ type, index, delta: empty }) })
}

/** An empty delta of the kind of this delta or block; undefined for those that come whole. */
function emptyOf({ type }: JsonObject): object | undefined {
  switch (type) {
    case 'text':
    case 'text_delta':
    case 'citations_delta':
      return { type: 'text_delta', text: '' }
    case 'thinking':
    case 'thinking_delta':
    case 'signature_delta':
      return { type: 'thinking_delta', thinking: '' }
    case 'tool_use':
    case 'server_tool_use':
    case 'mcp_tool_use':
    case 'input_json_delta':
      return { type: 'input_json_delta', partial_json: '' }
    default:
      return undefined
  }
}
