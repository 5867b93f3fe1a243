// A stream that becomes one message for a client that did not ask for a stream.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messageReshape } from '../../../src/dialects/anthropic/reshape.ts'

function assemble(...events: readonly object[]): unknown {
  const assembled = messageReshape.toWhole()
  const write = () => assert.fail('a whole body is returned, not written')
  for (const event of events) assembled.event(Buffer.from(`data: ${JSON.stringify(event)}\n\n`), write)
  const end = assembled.end(write)
  assert.ok(Buffer.isBuffer(end))
  return JSON.parse(end.toString())
}

test('a citation that is not an object is left out, and the message stays JSON', () => {
  const start = { type: 'message_start', message: { id: 'msg_1', content: [], usage: { input_tokens: 1 } } }
  const block = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }
  const delta = (members: object) => ({ type: 'content_block_delta', index: 0, delta: members })
  const citation = { type: 'char_location', cited_text: 'x' }
  const message = assemble(
    start,
    block,
    delta({ type: 'text_delta', text: 'a' }),
    ...[{}, { citation: null }, { citation: 'x' }, { citation }].map((members) =>
      delta({ type: 'citations_delta', ...members }),
    ),
    { type: 'message_stop' },
  )
  assert.deepEqual((message as { content: unknown }).content, [
    { type: 'text', text: 'a', citations: [citation] },
  ])
})
