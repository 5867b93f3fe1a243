// A stream's first event is found however it is cut.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { FirstEvent } from '../../src/call/first-event.ts'

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
