import assert from 'node:assert/strict'
import { test } from 'node:test'

import { LineSplitter } from '../../src/bytes/lines.ts'
import { fc } from '../support/properties.ts'

class Found {
  readonly pieces: string[] = []

  event(bytes: Buffer): void {
    this.pieces.push(bytes.toString('latin1'))
  }

  overflow(bytes: Buffer, isLast: boolean): void {
    this.pieces.push(`${isLast ? 'last' : 'more'}:${bytes.toString('latin1')}`)
  }
}

function split(splitter: LineSplitter, chunks: readonly string[]) {
  const found = new Found()
  for (const chunk of chunks) splitter.push(Buffer.from(chunk, 'latin1'), found)
  const rest = splitter.end(found)
  return { pieces: found.pieces, rest: rest?.toString('latin1') }
}

test('lines do not depend on how a stream is cut', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '\n', '\r', ' '), maxLength: 40 })
  fc.assert(
    fc.property(text, fc.array(fc.nat(40), { maxLength: 5 }), (whole, cuts) => {
      const bounds = [0, ...cuts.filter((cut) => cut < whole.length).toSorted((a, b) => a - b), whole.length]
      const chunks = bounds.slice(1).map((bound, at) => whole.slice(bounds[at], bound))
      const { pieces, rest } = split(new LineSplitter(), chunks)
      const lines = whole.split('\n')
      const last = lines.pop()
      assert.deepEqual(
        pieces,
        lines.map((line) => `${line}\n`),
      )
      assert.equal(rest ?? '', last)
    }),
  )
})

test('a line above the limit is handed on in pieces, and the next one is whole again', () => {
  const { pieces, rest } = split(new LineSplitter(4), ['ab', 'cde', 'fg', 'h\nij\n', 'kl'])
  assert.deepEqual(pieces, ['more:abcde', 'more:fg', 'last:h\n', 'ij\n'])
  assert.equal(rest, 'kl')
})
