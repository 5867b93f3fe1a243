// A stream of the Messages API as Anthropic writes it.

export interface MessageEvent {
  readonly type: string
  readonly [member: string]: unknown
}

export function eventText(event: MessageEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

export const messageStart: MessageEvent = {
  type: 'message_start',
  message: {
    id: 'msg_01',
    type: 'message',
    role: 'assistant',
    model: 'claude-x',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: 10,
      cache_creation_input_tokens: 10,
      cache_read_input_tokens: 80,
      output_tokens: 1,
    },
  },
}

export const ping: MessageEvent = { type: 'ping' }

/** A text in pieces, as the block with this index. */
export function textBlock(index: number, ...pieces: readonly string[]): readonly MessageEvent[] {
  return [
    { type: 'content_block_start', index, content_block: { type: 'text', text: '' } },
    ...pieces.map((text) => ({ type: 'content_block_delta', index, delta: { type: 'text_delta', text } })),
    { type: 'content_block_stop', index },
  ]
}

/** Reasoning with its signature, as the block with this index. */
export function thinkingBlock(index: number, thinking: string, signature: string): readonly MessageEvent[] {
  return [
    {
      type: 'content_block_start',
      index,
      content_block: { type: 'thinking', thinking: '', signature: '' },
    },
    { type: 'content_block_delta', index, delta: { type: 'thinking_delta', thinking } },
    { type: 'content_block_delta', index, delta: { type: 'signature_delta', signature } },
    { type: 'content_block_stop', index },
  ]
}

/** A call of a tool with the pieces of its input, as the block with this index. */
export function toolBlock(
  index: number,
  call: { readonly id: string; readonly name: string },
  ...pieces: readonly string[]
): readonly MessageEvent[] {
  return [
    { type: 'content_block_start', index, content_block: { type: 'tool_use', ...call, input: {} } },
    ...pieces.map((piece) => ({
      type: 'content_block_delta',
      index,
      delta: { type: 'input_json_delta', partial_json: piece },
    })),
    { type: 'content_block_stop', index },
  ]
}

export function errorEvent(type: string, message: string): MessageEvent {
  return { type: 'error', error: { type, message } }
}

export function endFor(stopReason: string): readonly MessageEvent[] {
  return [
    {
      type: 'message_delta',
      delta: { stop_reason: stopReason, stop_sequence: null },
      usage: { output_tokens: 5 },
    },
    { type: 'message_stop' },
  ]
}

export const messageEnd = endFor('end_turn')

/** A whole stream that says "Hello there". */
export const helloStream = [messageStart, ping, ...textBlock(0, 'Hello', ' there'), ...messageEnd]
  .map(eventText)
  .join('')

/** The same as a whole response. */
export const helloMessage = {
  id: 'msg_01',
  type: 'message',
  role: 'assistant',
  model: 'claude-x',
  content: [{ type: 'text', text: 'Hello there' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 10, cache_creation_input_tokens: 10, cache_read_input_tokens: 80, output_tokens: 5 },
}
