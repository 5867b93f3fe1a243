// What is learned of targets, and for how many.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { TargetRates } from '../../src/routing/target-rates.ts'

test('keeps the 4,096 targets of which something was learned last', () => {
  const rates = new TargetRates()
  const sample = { readBytes: 1_000, readMs: 500, writeMs: 40 }
  for (let each = 0; each < 4096; each += 1) rates.learn(`t${each}`, sample)
  rates.learnCached('t0', 1_000, 1_000)
  rates.learn('one more', sample)
  assert.equal(rates.of('t0').readMsPerByte, 0.5)
  assert.equal(rates.of('t1').readMsPerByte, undefined)
  assert.equal(rates.of('t2').writeMs, 40)
  assert.equal(rates.of('one more').readMsPerByte, 0.5)
})
