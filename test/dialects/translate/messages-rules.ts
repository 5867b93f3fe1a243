// Reads a Messages stream as the strictest clients do: events in their order, one block open at a time, indexes without gaps.
import assert from 'node:assert/strict'

export interface ReadMessage {
  readonly id: string
  readonly content: readonly Record<string, unknown>[]
  readonly stop_reason: string
  readonly stop_sequence: string | null
  readonly usage: Record<string, number>
  /** Instead of an end. */
  readonly error?: { readonly type: string; readonly message: string }
}

interface Event {
  readonly type: string
  readonly index?: number
  readonly message?: Record<string, unknown>
  readonly content_block?: Record<string, unknown>
  readonly delta?: Record<string, string>
  readonly usage?: Record<string, number>
  readonly error?: { readonly type: string; readonly message: string }
}

/** The member of a block that a delta adds to. */
const growing: Readonly<Record<string, readonly [block: string, member: string]>> = {
  text_delta: ['text', 'text'],
  thinking_delta: ['thinking', 'thinking'],
  signature_delta: ['thinking', 'signature'],
  input_json_delta: ['tool_use', 'partial_json'],
}

/** @throws AssertionError for the first rule that is broken. A stream may lack its end. */
export function readMessage(stream: string): ReadMessage {
  let message: Record<string, unknown> = {}
  const content: Record<string, unknown>[] = []
  let hasStarted = false
  let open = -1
  let last = ''
  const states: Readonly<Record<string, (event: Event) => void>> = {
    message_start(event) {
      assert.ok(!hasStarted, 'a second message_start')
      hasStarted = true
      message = { ...event.message }
      assert.deepEqual(message['content'], [])
    },
    content_block_start({ index, content_block: block }) {
      assert.equal(open, -1, 'a block starts within another')
      assert.equal(index, content.length)
      open = index
      content.push({ ...block })
    },
    content_block_delta({ index, delta }) {
      assert.equal(index, open, 'a delta of a block that is not open')
      const [kind, member] = growing[delta!['type']!]!
      const block = content[open]!
      assert.equal(block['type'], kind)
      const before = block[member]
      block[member] = (typeof before === 'string' ? before : '') + delta![member]!
    },
    content_block_stop({ index }) {
      assert.equal(index, open, 'the end of a block that is not open')
      const { partial_json: json, ...block } = content[open]!
      if (block['type'] === 'tool_use') content[open] = { ...block, input: parsed(json) }
      open = -1
    },
    message_delta({ delta, usage }) {
      assert.equal(open, -1, 'the message ends within a block')
      Object.assign(message, delta, { usage: { ...(message['usage'] as object), ...usage } })
    },
    message_stop: () => assert.equal(last, 'message_delta'),
    error: ({ error }) => void (message['error'] = error),
    ping() {},
  }
  for (const [, name, data] of stream.matchAll(/event: ([^\n]*)\ndata: ([^\n]*)\n\n/g)) {
    const event = JSON.parse(data!) as Event
    assert.equal(event.type, name)
    assert.ok(last !== 'message_stop' && last !== 'error', `${name} after the end`)
    assert.ok(hasStarted || name === 'message_start' || name === 'error', `${name} before the start`)
    states[name!]!(event)
    if (name !== 'ping') last = name!
  }
  assert.equal(stream.replaceAll(/event: [^\n]*\ndata: [^\n]*\n\n/g, ''), '', 'something besides events')
  return { ...message, content } as unknown as ReadMessage
}

/** Text that is no JSON stays text. */
function parsed(json: unknown): unknown {
  if (typeof json !== 'string') return {}
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}
