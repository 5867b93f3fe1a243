import assert from 'node:assert/strict'
import { test } from 'node:test'

import { StreamTail } from '../../src/dialects/stream-tail.ts'

const [short, long] = [(text: string) => Buffer.from(text), (letter: string) => Buffer.alloc(100_000, letter)]

function tailOf(events: readonly Buffer[]): string[] {
  const tail = new StreamTail()
  for (const event of events) tail.push(event)
  return tail.events.map((event) => event.toString('latin1', 0, 1))
}

test('the tail of a stream is its last three events', () => {
  assert.deepEqual(tailOf(['a', 'b', 'c', 'd'].map(short)), ['b', 'c', 'd'])
})

test('of long events the tail keeps the last one only, and what is short beside it', () => {
  assert.deepEqual(tailOf([long('a'), long('b'), short('c'), long('d'), short('e')]), ['c', 'd', 'e'])
})
