import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestartDelay } from '../../../src/app/workers/restart-delay.ts'

test('workers that end again and again are replaced later and later, and at once after a calm minute', () => {
  let nowMs = 0
  const restarts = new RestartDelay(() => nowMs)
  const delays = Array.from({ length: 11 }, () => restarts.next())
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
  nowMs += 59_999
  assert.equal(restarts.next(), 30_000)
  nowMs += 60_000
  assert.equal(restarts.next(), 100)
})
