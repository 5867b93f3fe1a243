// The usual contents of responses of Anthropic's Messages API.
import { type Script, stream } from './upstream-script.ts'

/** A stream of these events, each with its type as its name. */
export function messagesStream(
  events: readonly MessagesEvent[],
  headers: Record<string, string> = {},
): Script {
  return stream(events.map(encoded).join(''), { headers })
}

/** The bytes of an event. */
export function encoded(event: MessagesEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

export interface MessagesEvent {
  readonly type: string
  readonly [member: string]: unknown
}

export function messageStart(usage: object = { input_tokens: 7, output_tokens: 1 }): MessagesEvent {
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude', content: [], usage }
  return { type: 'message_start', message: { ...message, stop_reason: null, stop_sequence: null } }
}

/** The events of a block whose pieces are these deltas. */
export function block(index: number, start: object, deltas: readonly object[] = []): MessagesEvent[] {
  return [
    { type: 'content_block_start', index, content_block: start },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ]
}

export function textBlock(index: number, ...pieces: readonly string[]): MessagesEvent[] {
  return block(
    index,
    { type: 'text', text: '' },
    pieces.map((text) => ({ type: 'text_delta', text })),
  )
}

export function thinkingBlock(index: number, thinking: string, signature: string): MessagesEvent[] {
  return block(index, { type: 'thinking', thinking: '', signature: '' }, [
    { type: 'thinking_delta', thinking },
    { type: 'signature_delta', signature },
  ])
}

export function toolBlock(
  index: number,
  call: { readonly id: string; readonly name: string },
  ...pieces: readonly string[]
): MessagesEvent[] {
  return block(
    index,
    { type: 'tool_use', ...call, input: {} },
    pieces.map((json) => ({ type: 'input_json_delta', partial_json: json })),
  )
}

/** The last two events. */
export function messageEnd(stopReason: string, outputTokens = 5): MessagesEvent[] {
  const delta = { stop_reason: stopReason, stop_sequence: null }
  return [{ type: 'message_delta', delta, usage: { output_tokens: outputTokens } }, { type: 'message_stop' }]
}

export function errorEvent(type: string, message: string): MessagesEvent {
  return { type: 'error', error: { type, message } }
}
