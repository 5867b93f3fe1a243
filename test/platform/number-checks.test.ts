import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAmount, isCount } from '../../src/platform/number-checks.ts'

test('an amount is a finite number, at least 0, and a count is a whole one of them', () => {
  for (const value of [0, 7, Number.MAX_SAFE_INTEGER])
    assert.deepEqual([isAmount(value), isCount(value)], [true, true])
  for (const value of [0.5, 2 ** 53]) assert.deepEqual([isAmount(value), isCount(value)], [true, false])
  for (const value of [-1, NaN, Infinity, '7', 7n, null, undefined])
    assert.deepEqual([isAmount(value), isCount(value)], [false, false])
})
