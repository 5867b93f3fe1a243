// A stream's first event, told apart from an answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { errorHeadOf, isDone } from '../../src/call/first-event.ts'

test('the end mark is told apart from a first event', () => {
  assert.equal(isDone(Buffer.from('[DONE]')), true)
  assert.equal(isDone(Buffer.from('{"a":"[DONE]"}')), false)
})

const errors: readonly [string, string, number | undefined][] = [
  ['OpenAI', '{"error":{"message":"no","type":"server_error","code":null}}', 500],
  ['OpenRouter', '{"error":{"code":502,"message":"Provider returned error"}}', 502],
  ['a number in a text', '{"error":{"code":"429","message":"slow"}}', 429],
  ['a word and a status', '{"error":{"code":"overloaded","status":529}}', 529],
  ['a text alone', '{"error":"model not found"}', 500],
  ['vLLM of old', '{"object":"error","message":"too long","type":"BadRequestError","code":400}', 400],
  ['the Responses API', '{"type":"error","code":"server_error","message":"no"}', 500],
  ['a code that is no status', '{"error":{"code":1234}}', 500],
  ['a chunk', '{"choices":[{"delta":{"content":"error"}}]}', undefined],
  ['a chunk with error: null', '{"error":null,"choices":[]}', undefined],
  ['a chunk with an empty error', '{"error":"","choices":[]}', undefined],
  ['no JSON', 'error', undefined],
  ['a JSON text', '"error"', undefined],
  ['the end', '[DONE]', undefined],
]

for (const [what, data, status] of errors) {
  test(`${what}: ${status ?? 'no error'}`, () => {
    assert.equal(errorHeadOf(Buffer.from(data))?.status, status)
  })
}
