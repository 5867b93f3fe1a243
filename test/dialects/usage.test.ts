// What several counts of one response add up to.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { completeUsage, isWholeCount, newerUsage } from '../../src/dialects/usage.ts'

function counts(promptTokens?: number, completionTokens?: number, totalTokens?: number) {
  return { promptTokens, completionTokens, totalTokens }
}

test('what follows replaces what came before, and an older total does not outlive newer output', () => {
  const start = counts(60, 1)
  assert.deepEqual(newerUsage(start, counts(undefined, 9)), counts(60, 9))
  assert.deepEqual(newerUsage(counts(8, 1, 9), counts(undefined, 5)), counts(8, 5))
  assert.deepEqual(newerUsage(counts(8, 1, 9), counts(8, 2, 10)), counts(8, 2, 10))
  assert.deepEqual(newerUsage(undefined, start), start)
})

test('what has a price of its own is kept, whichever event reports it', () => {
  const start = { ...counts(60, 1), cachedTokens: 30, cacheWriteTokens: 20 }
  const whole = newerUsage(start, { ...counts(undefined, 9), reasoningTokens: 4 })
  const parts = { cachedTokens: 30, cacheWriteTokens: 20, reasoningTokens: 4 }
  assert.deepEqual(whole, { ...counts(60, 9), ...parts })
  assert.deepEqual(completeUsage(whole, estimated), { ...counts(60, 9, 69), ...parts })
})

const estimated = { promptTokens: 100, completionTokens: 50, totalTokens: 150 }

test('what is missing comes from what is there, else from the estimate', () => {
  assert.deepEqual(completeUsage(counts(9, undefined, 13), estimated), counts(9, 4, 13))
  assert.deepEqual(completeUsage(counts(undefined, 4, 13), estimated), counts(9, 4, 13))
  assert.deepEqual(completeUsage(counts(undefined, undefined, 13), estimated), counts(13, 0, 13))
  assert.deepEqual(completeUsage(counts(9), estimated), counts(9, 50, 59))
  assert.deepEqual(completeUsage(counts(undefined, 4), estimated), counts(100, 4, 104))
})

test('a total beyond its parts is charged in full: thinking is counted nowhere else', () => {
  assert.equal(completeUsage(counts(9, 4, 50), estimated).totalTokens, 50)
})

test('a total below its parts is not believed', () => {
  assert.equal(completeUsage(counts(9, 4, 1), estimated).totalTokens, 13)
})

test('any two counts leave nothing to guess; without output one does', () => {
  assert.equal(isWholeCount(counts(1, 2), true), true)
  assert.equal(isWholeCount(counts(undefined, 2, 3), true), true)
  assert.equal(isWholeCount(counts(1), true), false)
  assert.equal(isWholeCount(counts(undefined, undefined, 3), true), false)
  assert.equal(isWholeCount(counts(1), false), true)
  assert.equal(isWholeCount(counts(undefined, undefined, 3), false), true)
})
