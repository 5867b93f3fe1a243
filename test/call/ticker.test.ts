import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createTicker } from '../../src/call/ticker.ts'
import { FakeClock } from '../support/fake-clock.ts'

test('every call that stays is looked at in each period, although others end meanwhile', () => {
  const clock = new FakeClock()
  const ticker = createTicker(clock)
  const looks: number[] = [0, 0, 0, 0, 0, 0]
  const calls = looks.map((_, name) => ({
    index: -1,
    onTick() {
      looks[name]! += 1
      if (name % 2 === 1) ticker.delete(calls[name]!)
      if (name === 5) ticker.delete(calls[0]!)
    },
  }))
  for (const call of calls) ticker.add(call)

  clock.advance(100)
  assert.ok(looks.slice(1).every((count) => count > 0))
  const before = [...looks]
  clock.advance(200)

  assert.deepEqual(
    looks.map((count, name) => count - before[name]!),
    [0, 0, 2, 0, 2, 0],
  )
  ticker.delete(calls[2]!)
  ticker.delete(calls[4]!)
  clock.advance(100)
  assert.equal(clock.pendingTimers, 0)
})
