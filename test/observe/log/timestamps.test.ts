import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fc } from '../../support/properties.ts'

import { Timestamps } from '../../../src/observe/log/timestamps.ts'

test('a time is written as toISOString writes it, whatever came before', () => {
  const year9999 = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
  const anywhere = fc.integer({ min: -62_135_596_800_000, max: year9999 })
  const sameSecond = fc.integer({ min: 1_763_769_600_000, max: 1_763_769_601_999 })
  fc.assert(
    fc.property(fc.array(fc.oneof(anywhere, sameSecond)), (times) => {
      const timestamps = new Timestamps()
      for (const time of times) assert.equal(timestamps.at(time), new Date(time).toISOString())
    }),
  )
})
