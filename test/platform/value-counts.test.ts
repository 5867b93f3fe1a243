import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../support/properties.ts'

import { percentile } from '../../src/platform/percentile.ts'
import { ValueCounts } from '../../src/platform/value-counts.ts'

test('percentiles of counted values are those of the sorted values', () => {
  const value = fc.oneof(
    fc.nat({ max: 100 }),
    fc.integer({ min: 0, max: 2 ** 40 }),
    fc.constantFrom(65_535, 65_536),
  )
  fc.assert(
    fc.property(
      fc.array(value, { maxLength: 60 }),
      fc.constantFrom(0.01, 0.5, 0.9, 0.95, 1),
      (values, share) => {
        const counts = new ValueCounts()
        for (const each of values) counts.add(each)
        assert.equal(counts.total, values.length)
        assert.equal(counts.percentile(share), percentile(Float64Array.from(values).sort(), share))
      },
    ),
  )
})
