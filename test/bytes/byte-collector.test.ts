import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fc } from '../support/properties.ts'

import { ByteCollector } from '../../src/bytes/byte-collector.ts'

/** A piece in memory of its own, or a view with this much more around it. */
interface Piece {
  readonly size: number
  readonly around: number
}

const size = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.integer({ min: 0, max: 4_100 }),
  fc.integer({ min: 0, max: 140_000 }),
)
const pieces = fc.array(
  fc.record<Piece>({ size, around: fc.oneof(fc.constant(0), fc.nat({ max: 70_000 })) }),
  { maxLength: 40 },
)
const ways = fc.constantFrom('as one', 'in pieces')

let next = 0
function made({ size, around }: Piece): Buffer {
  const memory = Buffer.allocUnsafeSlow(size + around)
  for (let at = 0; at < memory.length; at += 1) memory[at] = next++ % 251
  return memory.subarray(around >> 1, (around >> 1) + size)
}

/** Memory that the buffers keep, each piece of it counted once. */
function keptBytes(buffers: readonly Buffer[]): number {
  const memory = new Set(buffers.map(({ buffer }) => buffer))
  return [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0)
}

suite('A byte collector', () => {
  test('returns the bytes that were pushed, in order and once, and is empty then', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(pieces, ways), { minLength: 1, maxLength: 3 }), (rounds) => {
        const collector = new ByteCollector()
        for (const [sizes, way] of rounds) {
          const pushed = sizes.map(made)
          const expected = Buffer.concat(pushed)
          for (const piece of pushed) collector.push(piece)
          assert.equal(collector.length, expected.length)
          const taken = way === 'as one' ? collector.take() : Buffer.concat(collector.takePieces())
          assert.ok(taken.equals(expected))
          assert.equal(collector.length, 0)
          assert.equal(collector.take().length, 0)
          assert.deepEqual(collector.takePieces(), [])
        }
      }),
      { numRuns: 300 },
    )
  })

  test('holds few pieces, in at most about twice the memory of their bytes', () => {
    fc.assert(
      fc.property(pieces, (sizes) => {
        const pushed = sizes.map(made)
        const collector = new ByteCollector()
        for (const piece of pushed) collector.push(piece)
        const { length } = collector
        const taken = collector.takePieces()
        const onlyOne = sizes.filter(({ size }) => size > 0).length === 1
        if (!onlyOne) assert.ok(keptBytes(taken) <= 2 * length + 1_024, `${keptBytes(taken)} for ${length}`)
        assert.ok(taken.length <= length / 2_048 + 1, `${taken.length} pieces of ${length} bytes`)
      }),
      { numRuns: 300 },
    )
  })

  test('does not copy a piece that comes alone', () => {
    const piece = Buffer.from('{"id":1}')
    const collector = new ByteCollector()
    collector.push(Buffer.alloc(0))
    collector.push(piece)
    assert.equal(collector.take(), piece)
    collector.push(piece)
    assert.equal(collector.takePieces()[0], piece)
  })

  test('does not copy large pieces, and copies all small ones between them together', () => {
    const [first, last] = [Buffer.allocUnsafeSlow(60_000), Buffer.allocUnsafeSlow(4_096)]
    const collector = new ByteCollector()
    collector.push(first)
    for (let count = 0; count < 1_000; count += 1) collector.push(Buffer.from('x'))
    collector.push(last)
    const taken = collector.takePieces()
    assert.deepEqual([taken[0], taken[2]], [first, last])
    assert.equal(taken[0]!.buffer, first.buffer)
    assert.equal(taken[2]!.buffer, last.buffer)
    assert.equal(taken[1]!.toString(), 'x'.repeat(1_000))
    assert.equal(taken[1]!.buffer.byteLength, 1_000)
  })
})
