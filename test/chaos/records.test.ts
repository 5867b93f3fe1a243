// That calls which the limits or the log do not account for are seen.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import type { PlannedCall } from './calls.ts'
import {
  type Ended,
  answeredVisits,
  countedBetween,
  faultOfLine,
  faultsOfVisits,
  mostAtOnce,
  mostInWindow,
} from './records.ts'

const call: PlannedCall = {
  id: 'chaos-0-0',
  model: 'steady',
  dialect: 'chat',
  isCount: false,
  isStream: false,
  wantsUsage: false,
  leaves: undefined,
  readsSlowly: false,
  pauseMs: 0,
  promptBytes: 60,
}
const line = { status: 200, code: undefined, attempts: 1, provider: 'a', fallback: false, isCall: true }

function endedAt(sentAtMs: number, verdict: Ended['verdict'] = { end: 'whole', tag: 'a.1.1' }): Ended {
  return {
    call,
    verdict,
    wire: { sentAtMs, headAtMs: sentAtMs + 10, endedAtMs: sentAtMs + 20, message: undefined },
  }
}

suite('a line of the log', () => {
  test('fits what the client saw', () => assert.equal(faultOfLine(endedAt(0), [line]), undefined))
  test('that is missing is a fault', () => assert.ok(faultOfLine(endedAt(0), [])))
  test('that is doubled is a fault', () => assert.ok(faultOfLine(endedAt(0), [line, line])))
  test('of another provider is a fault', () =>
    assert.ok(faultOfLine(endedAt(0), [{ ...line, provider: 'b' }])))
  test('that calls a good response broken is a fault', () =>
    assert.ok(faultOfLine(endedAt(0), [{ ...line, code: 'provider_timeout' }])))
  test('may be missing where the client left before there was a head', () =>
    assert.equal(faultOfLine(endedAt(0, { end: 'left' }), []), undefined))
})

suite('the limits', () => {
  test('count calls that lie within 60 s for sure', () => {
    assert.equal(mostInWindow([0, 1_000, 59_980, 59_995, 61_500].map((at) => endedAt(at))), 3)
  })

  test('do not count what was refused', () => {
    const refused = endedAt(5, { end: 'gateway_error', code: 'rate_limit_exceeded' })

    assert.equal(mostInWindow([endedAt(0), refused]), 1)
    assert.deepEqual(countedBetween([endedAt(0), refused], { beganAtMs: 100, endedAtMs: 110 }), [1, 1])
  })

  test('bound what the window holds from both sides', () => {
    const calls = [endedAt(0), endedAt(50_000), endedAt(50_000, { end: 'left' })]

    assert.deepEqual(countedBetween(calls, { beganAtMs: 100_000, endedAtMs: 100_010 }), [1, 2])
  })
})

suite('visits of upstreams', () => {
  const visit = (beganAtMs: number, endedAtMs?: number) => ({
    tag: 'a.1.1' as const,
    callId: call.id,
    beganAtMs,
    ...(endedAtMs !== undefined && { endedAtMs }),
  })

  test('count at once when they overlap, and not when one follows the other', () => {
    assert.equal(mostAtOnce([visit(0, 10), visit(10, 20), visit(15, 30), visit(16)]), 2)
  })

  test('of a client that has left, or of an attempt before the last, may go on after their slot is free', () => {
    const visits = [visit(0, 10), { ...visit(0, 10), tag: 'a.1.2' as const }]
    const answered = endedAt(0, { end: 'whole', tag: 'a.1.2' })

    assert.deepEqual(answeredVisits([answered], visits), [visits[1]])
    assert.deepEqual(answeredVisits([endedAt(0, { end: 'left' })], visits), [])
  })

  test('are no more than the attempts', () => {
    const lines = new Map([[call.id, [line]]])

    assert.deepEqual(faultsOfVisits([visit(0)], lines), [])
    assert.equal(faultsOfVisits([visit(0), visit(5)], lines).length, 1)
  })
})
