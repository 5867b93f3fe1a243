import assert from 'node:assert/strict'
import { test } from 'node:test'
import { percentile } from '../../src/platform/percentile.ts'

test('a percentile is a value that occurs, at the nearest rank', () => {
  assert.equal(percentile([], 0.5), undefined)
  assert.equal(percentile([7], 0.95), 7)
  assert.equal(percentile([1, 2, 3, 4], 0.5), 2)
  assert.equal(percentile([1, 2, 3], 0.5), 2)
  assert.equal(percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.95), 10)
})
