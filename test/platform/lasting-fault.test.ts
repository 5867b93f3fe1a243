import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LastingFault } from '../../src/platform/lasting-fault.ts'

test('a fault is news when it begins, when its reason changes, and after a time', () => {
  const fault = new LastingFault(1_000)
  const news = (reason: string, times: readonly number[]) => times.map((nowMs) => fault.isNews(reason, nowMs))
  assert.deepEqual(news('full', [0, 1, 999]), [true, false, false])
  assert.deepEqual(news('refused', [999, 1_500, 1_998, 1_999, 2_000]), [true, false, false, true, false])
})

test('it ends once, and is news again when it begins anew', () => {
  const fault = new LastingFault(1_000)
  assert.equal(fault.ends(), false)
  fault.isNews('full', 0)
  assert.deepEqual([fault.ends(), fault.ends(), fault.isNews('full', 1)], [true, false, true])
})
