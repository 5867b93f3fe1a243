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

test('texts of very many lines have a difference that is cut off', () => {
  const before = 'a\n'.repeat(200_000)
  const lines = diffLines(`${before}x`, `b\n${before}y\n${'c\n'.repeat(100_000)}`)
  assert.equal(lines.length, 2_001)
  assert.match(lines.at(-1)!, /^ … and \d+ more lines$/)
  assert.deepEqual(diffLines(`${before}x`, `${before}y`), [' a', ' a', ' a', '-x', '+y'])
})
