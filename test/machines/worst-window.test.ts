import assert from 'node:assert/strict'
import { test } from 'node:test'

import { mostAtOnce, worstWindow } from './worst-window.ts'

const at = (...times: readonly number[]) => times.map((atMs) => ({ fromMs: atMs, toMs: atMs, amount: 1 }))

test('what comes within a minute counts together, in any order', () => {
  assert.equal(worstWindow(at(59_999, 0, 30_000)), 3)
})

test('what comes a minute later does not count with it', () => {
  assert.equal(worstWindow(at(0, 60_000)), 1)
})

test('amounts add up in a window of any length', () => {
  const counted = [
    { fromMs: 0, toMs: 0, amount: 5 },
    { fromMs: 10, toMs: 10, amount: 7 },
    { fromMs: 20, toMs: 20, amount: 1 },
  ]
  assert.equal(worstWindow(counted, 15), 12)
})

test('what may have been before the window does not count in it', () => {
  const counted = [
    { fromMs: 0, toMs: 500, amount: 1 },
    { fromMs: 60_100, toMs: 60_200, amount: 1 },
  ]
  assert.equal(worstWindow(counted), 1)
})

test('spans that touch are not at once', () => {
  assert.equal(
    mostAtOnce([
      [0, 10],
      [10, 20],
      [5, 12],
    ]),
    2,
  )
})
