// A stream's first event: found however it is cut, and told apart from an answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { errorHeadOf, FirstEvent, isDone } from '../../src/call/first-event.ts'

/** What is found, and after how many pieces. */
function find(pieces: readonly Buffer[]): { data: string; at: number } | undefined {
  const peek = new FirstEvent()
  for (const [at, piece] of pieces.entries()) {
    const data = peek.push(piece)
    if (data !== undefined) return { data: data.toString(), at }
  }
  return undefined
}

const stream = ': hello\n\nevent: ping\n\ndata: {"a":\ndata: 1}\n\ndata: {"b":2}\n\n'

test('the first event with data is found, however the stream is cut', () => {
  const bytes = Buffer.from(stream)
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
      const bounds = [0, ...cuts.toSorted((one, other) => one - other), bytes.length]
      const pieces = bounds.slice(1).map((bound, index) => bytes.subarray(bounds[index], bound))
      assert.equal(find(pieces)?.data, '{"a":\n1}')
    }),
  )
})

test('comments and half an event are nothing yet', () => {
  assert.equal(find([': ping\n\n', ': ping\n\n', 'data: {"a"'].map((text) => Buffer.from(text))), undefined)
})

test('an event that is too large to be an error is found as nothing', () => {
  const piece = Buffer.from('x'.repeat(1_000_000))
  const found = find([Buffer.from('data: '), ...Array.from({ length: 64 }, () => piece)])
  assert.equal(found?.data, '')
})

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
