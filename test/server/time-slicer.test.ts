import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Turns } from '../../src/server/time-slicer.ts'

/** Time and turns of an event loop that stand still until a test says so. */
function stopped(): { turns: Turns; pass: (ms: number) => void; nextTurn: () => void } {
  let nowMs = 1000
  let deferred: (() => void)[] = []
  const turns = new Turns(
    () => nowMs,
    (fn) => deferred.push(fn),
  )
  const nextTurn = () => {
    const due = deferred
    deferred = []
    for (const fn of due) fn()
  }
  return { turns, pass: (ms) => (nowMs += ms), nextTurn }
}

test("a turn's share is used up for all, and comes anew with the next turn", () => {
  const { turns, pass, nextTurn } = stopped()
  assert.equal(turns.isSpent(), false)
  pass(0.1)
  assert.equal(turns.isSpent(), false)
  pass(2)
  assert.equal(turns.isSpent(), true)
  assert.equal(turns.isSpent(), true)

  nextTurn()
  assert.equal(turns.isSpent(), false)
})

test('the share counts from when somebody asked, however long the turn before was', () => {
  const { turns, pass, nextTurn } = stopped()
  assert.equal(turns.isSpent(), false)
  nextTurn()
  pass(500)
  assert.equal(turns.isSpent(), false)
})

test('those who wait go on one a turn, in the order in which they came', () => {
  const { turns, nextTurn } = stopped()
  const went: string[] = []
  const again = () => {
    went.push('a')
    if (went.length < 4) turns.wait(again)
  }
  turns.wait(again)
  turns.wait(() => went.push('b'))
  assert.deepEqual(went, [])

  const seen = Array.from({ length: 5 }, () => {
    nextTurn()
    return went.join('')
  })
  assert.deepEqual(seen, ['a', 'ab', 'aba', 'abaa', 'abaa'])
})
