import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fc } from '../support/properties.ts'

import { diffLines } from '../../src/cli/diff.ts'

test('a changed line is shown with three lines around it', () => {
  const before = ['1', '2', '3', '4', 'old', '6', '7', '8', '9'].join('\n')
  assert.deepEqual(diffLines(before, before.replace('old', 'new')), [
    ' 2',
    ' 3',
    ' 4',
    '-old',
    '+new',
    ' 6',
    ' 7',
    ' 8',
  ])
})

test('the shown lines hold all of what went and what came', () => {
  const texts = fc
    .array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 12 })
    .map((lines) => lines.join('\n'))
  fc.assert(
    fc.property(texts, texts, (before, after) => {
      const shown = diffLines(before, after)
      if (before === after) return assert.deepEqual(shown, [])
      const count = (sign: string) => shown.filter((line) => line.startsWith(sign)).length
      const [old, now] = [before.split('\n').length, after.split('\n').length]
      assert.equal(now - old, count('+') - count('-'))
      assert.ok(count('+') + count('-') > 0)
    }),
  )
})
