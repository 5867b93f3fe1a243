import assert from 'node:assert/strict'
import { test } from 'node:test'

import { LogThrottle } from '../../src/server/log-throttle.ts'

test('of one key a line a second is logged, with the number of those in between', () => {
  const throttle = new LogThrottle()
  assert.deepEqual(throttle.shouldLog('a', 0), { suppressed: 0 })
  assert.equal(throttle.shouldLog('a', 1), false)
  assert.equal(throttle.shouldLog('a', 999), false)
  assert.deepEqual(throttle.shouldLog('b', 999), { suppressed: 0 }, 'keys are apart')
  assert.deepEqual(throttle.shouldLog('a', 1_000), { suppressed: 2 })
  assert.deepEqual(throttle.shouldLog('a', 2_000), { suppressed: 0 })
})

test('many keys do not pile up', () => {
  const throttle = new LogThrottle()
  for (let key = 0; key < 1_001; key++) throttle.shouldLog(String(key), 0)
  assert.deepEqual(throttle.shouldLog('0', 1), { suppressed: 0 })
})
