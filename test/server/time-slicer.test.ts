import assert from 'node:assert/strict'
import { test } from 'node:test'

import { TimeSlicer } from '../../src/server/time-slicer.ts'

/** Time and an event loop that stand still until a test moves them. */
function stopped(): { slicer: TimeSlicer; pass: (ms: number) => void; nextIteration: () => void } {
  let nowMs = 1000
  let deferred: (() => void)[] = []
  const slicer = new TimeSlicer(
    () => nowMs,
    (fn) => deferred.push(fn),
  )
  const nextIteration = () => {
    const due = deferred
    deferred = []
    for (const fn of due) fn()
  }
  return { slicer, pass: (ms) => (nowMs += ms), nextIteration }
}

test('a slice is used up for all work, and the next iteration has another', () => {
  const { slicer, pass, nextIteration } = stopped()
  const isOver = () => !slicer.startSlice()
  assert.equal(isOver(), false)
  pass(0.1)
  assert.equal(isOver(), false)
  pass(2)
  assert.equal(isOver(), true)
  assert.equal(isOver(), true)

  nextIteration()
  assert.equal(isOver(), false)
})

test('a slice counts from its first step, however long the iteration before was', () => {
  const { slicer, pass, nextIteration } = stopped()
  const isOver = () => !slicer.startSlice()
  assert.equal(isOver(), false)
  nextIteration()
  pass(500)
  assert.equal(isOver(), false)
})

test('waiters resume one an iteration, in the order in which they came', () => {
  const { slicer, nextIteration } = stopped()
  const went: string[] = []
  const again = () => {
    went.push('a')
    if (went.length < 4) slicer.yieldTo(again)
  }
  slicer.yieldTo(again)
  slicer.yieldTo(() => went.push('b'))
  assert.deepEqual(went, [])

  const seen = Array.from({ length: 5 }, () => {
    nextIteration()
    return went.join('')
  })
  assert.deepEqual(seen, ['a', 'ab', 'aba', 'abaa', 'abaa'])
})
