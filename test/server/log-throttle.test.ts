import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Repeats } from '../../src/server/log-throttle.ts'

test('of one key a line a second is logged, with the number of those in between', () => {
  const repeats = new Repeats()
  assert.equal(repeats.note('a', 0), 0)
  assert.equal(repeats.note('a', 1), undefined)
  assert.equal(repeats.note('a', 999), undefined)
  assert.equal(repeats.note('a', 1_000), 2)
  assert.equal(repeats.note('a', 2_000), 0)
})

test('keys are apart', () => {
  const repeats = new Repeats()
  assert.deepEqual([repeats.note('a', 0), repeats.note('b', 0)], [0, 0])
})

test('many keys do not pile up', () => {
  const repeats = new Repeats()
  for (let key = 0; key < 1_001; key++) repeats.note(String(key), 0)
  assert.equal(repeats.note('0', 1), 0)
})
