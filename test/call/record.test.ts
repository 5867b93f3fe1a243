import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import type { AttemptOutcome } from '../../src/call/attempt-outcome.ts'
import { CallRecord } from '../../src/call/record.ts'
import { GatewayError } from '../../src/errors.ts'

const error = new GatewayError('provider_unreachable', 'Nobody listens.')
const failed: AttemptOutcome = { kind: 'failed', error, isStaleConnection: false, hasBegun: false }

function recordAt(startedAtMs: number): CallRecord {
  const client = { id: 'user:ann', budgets: [] }
  const record = new CallRecord({ requestId: 'r', client, startedAtMs, dialect: { name: 'chat' } })
  record.provider = 'qwen'
  record.targetModel = 'qwen'
  return record
}

suite('the time that a call waits for the start of a server', () => {
  test('is a part of its wait, and neither of the provider nor of the gateway', () => {
    const record = recordAt(1_000)
    record.addWait(200, 1_201)
    record.startSinceMs = 1_201
    record.addStart(5_000, 6_201)
    record.startAttempt(6_202, 'pass', undefined)
    record.endAttempt(failed, 'unreachable', 6_212)
    assert.equal(record.serverTiming(6_213), 'wait;dur=5200, start;dur=5000, upstream;dur=10, gateway;dur=3')
    const { wait_ms, start_ms, gateway_ms } = record.facts(6_213, { status: 502, error })
    assert.deepEqual({ wait_ms, start_ms, gateway_ms }, { wait_ms: 5_200, start_ms: 5_000, gateway_ms: 2 })
    assert.equal(record.startSinceMs, undefined)
  })

  test('is no time of a provider between two attempts either', () => {
    const record = recordAt(1_000)
    record.startAttempt(1_001, 'pass', undefined)
    record.endAttempt(failed, 'unreachable', 1_011)
    record.addStart(3_000, 4_011)
    assert.equal(record.facts(4_011, { status: 503, error }).gateway_ms, 1)
    record.startAttempt(4_012, 'pass', undefined)
    record.endAttempt(failed, 'unreachable', 4_032)
    assert.equal(record.serverTiming(4_032), 'wait;dur=3000, start;dur=3000, upstream;dur=31, gateway;dur=1')
  })

  test('is left out where there was none', () => {
    const record = recordAt(1_000)
    record.startAttempt(1_000, 'pass', undefined)
    record.endAttempt(failed, 'unreachable', 1_010)
    assert.equal(record.serverTiming(1_010), 'wait;dur=0, upstream;dur=10, gateway;dur=0')
    assert.equal(record.facts(1_010, { status: 502, error }).start_ms, undefined)
  })
})
