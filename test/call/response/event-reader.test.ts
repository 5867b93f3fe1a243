// A stream's events: the first is found however the stream is cut, and all of them are handed on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../support/properties.ts'

import { EventReader } from '../../../src/call/response/event-reader.ts'

/** Every event is an answer, as it is. */
const plain = { isPreamble: () => false, standardEvent: (event: Buffer) => event }

/** What is found, and the events that a sink gets after that. */
function read(pieces: readonly Buffer[]): { first: string | undefined; events: string[]; oversized: number } {
  const reader = new EventReader(plain)
  const left = [...pieces]
  let first: Buffer | undefined
  while (first === undefined && left.length > 0) first = reader.peek(left.shift()!)
  const events: string[] = []
  let oversized = 0
  reader.readTo({
    event: (bytes) => void events.push(bytes.toString()),
    overflow: ({ length }) => void (oversized += length),
  })
  for (const piece of left) reader.push(piece)
  return { first: first?.toString(), events, oversized }
}

const events = [': hello\n\n', 'event: ping\n\n', 'data: {"a":\ndata: 1}\n\n', 'data: {"b":2}\n\n', ': x\n\n']

test('the first event with data is found and all bytes are handed on, however the stream is cut', () => {
  const bytes = Buffer.from(events.join(''))
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
      const bounds = [0, ...cuts.toSorted((one, other) => one - other), bytes.length]
      const found = read(bounds.slice(1).map((bound, index) => bytes.subarray(bounds[index], bound)))
      assert.equal(found.first, '{"a":\n1}')
      // What has no data may come together.
      assert.deepEqual(found.events, [events[0]! + events[1]!, ...events.slice(2)])
    }),
  )
})

test('comments and half an event are nothing yet, and not lost', () => {
  const reader = new EventReader(plain)
  for (const text of [': ping\n\n', ': ping\n\n', 'data: {"a"']) {
    assert.equal(reader.peek(Buffer.from(text)), undefined)
  }
  const events: string[] = []
  const overflow = () => assert.fail('nothing is that large')
  reader.readTo({ event: (bytes) => void events.push(bytes.toString()), overflow })
  reader.push(Buffer.from(':1}\n\n'))
  assert.deepEqual(events, [': ping\n\n: ping\n\n', 'data: {"a":1}\n\n'])
})

test('an event that is too large to be held is found as nothing, and handed on in pieces', () => {
  const piece = Buffer.from('x'.repeat(1_000_000))
  const pieces = [Buffer.from('data: '), ...Array.from({ length: 8 }, () => piece), Buffer.from('\n\n')]
  const found = read(pieces)
  assert.equal(found.first, '')
  assert.equal(found.oversized, 8_000_008)
})

test('events that came in pieces lie side by side, so that they go out in one write', () => {
  const reader = new EventReader(plain)
  for (const event of events) reader.push(Buffer.from(event))
  const found: Buffer[] = []
  reader.readTo({ event: (bytes) => void found.push(bytes), overflow: () => assert.fail() })
  for (const [index, bytes] of found.slice(1).entries()) {
    const before = found[index]!
    assert.equal(before.buffer, bytes.buffer)
    assert.equal(before.byteOffset + before.length, bytes.byteOffset)
  }
})

test('a million comments before the first event cost no object each', () => {
  const reader = new EventReader(plain)
  const comments = Buffer.from('\n'.repeat(1_000_000))
  assert.equal(reader.peek(comments), undefined)
  const sizes: number[] = []
  reader.readTo({ event: ({ length }) => void sizes.push(length), overflow: () => {} })
  assert.deepEqual(sizes, [1_000_000])
})
