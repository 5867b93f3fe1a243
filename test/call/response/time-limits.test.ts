// The limits on the time that a provider takes, by a clock that the test moves.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { type LimitedExchange, TimeLimits } from '../../../src/call/response/time-limits.ts'

const timeouts = { connectMs: 1, firstByteMs: 100, idleMs: 50, totalMs: 1_000 }

function limitsOf(exchange: Partial<LimitedExchange> = {}): TimeLimits {
  return new TimeLimits({ timeouts, sinceMs: 0, startedMs: 0, upload: undefined, ...exchange })
}

suite('a provider is overdue', () => {
  test('that has not sent its head in time', () => {
    const limits = limitsOf({ startedMs: 10 })
    assert.equal(limits.overdue(109), undefined)
    assert.match(limits.overdue(110)!, /first_byte_ms/)
  })

  test('that falls silent behind its head', () => {
    const limits = limitsOf()
    limits.passHead()
    assert.equal(limits.overdue(90), undefined)
    assert.equal(limits.overdue(139), undefined)
    limits.move()
    assert.equal(limits.overdue(140), undefined)
    assert.match(limits.overdue(190)!, /idle_ms/)
  })

  test('that goes on for too long, over all attempts', () => {
    const limits = limitsOf({ startedMs: 900 })
    limits.passHead()
    assert.match(limits.overdue(1_000)!, /total_ms/)
  })

  test('never, without limits', () => {
    const none = { ...timeouts, firstByteMs: 0, idleMs: 0, totalMs: 0 }
    const limits = limitsOf({ timeouts: none })
    assert.equal(limits.overdue(1e9), undefined)
    limits.passHead()
    assert.equal(limits.overdue(2e9), undefined)
    assert.equal(limits.overdue(3e9), undefined)
  })
})

test('a provider that waits for the client is not idle, and the client has two minutes', () => {
  const limits = limitsOf({ timeouts: { ...timeouts, totalMs: 0 } })
  limits.passHead()
  limits.pause(10)
  limits.pause(20)
  assert.equal(limits.overdue(120_009), undefined)
  assert.equal(limits.isStalled, false)
  assert.match(limits.overdue(120_010)!, /the client read nothing/)
  assert.equal(limits.isStalled, true)
})

test('a provider whose client reads again has all of the time for its next byte', () => {
  const limits = limitsOf()
  limits.passHead()
  limits.pause(0)
  limits.resume()
  assert.equal(limits.overdue(200), undefined)
  assert.match(limits.overdue(250)!, /idle_ms/)
})

suite('a request whose body is still under way', () => {
  const upload = { endedAtMs: undefined as number | undefined, isOverdue: (nowMs: number) => nowMs >= 500 }

  test('leaves the provider its time from the body’s end on', () => {
    const limits = limitsOf({ upload })
    assert.equal(limits.overdue(400), undefined)
    const sent = limitsOf({ upload: { ...upload, endedAtMs: 400 } })
    assert.equal(sent.overdue(499), undefined)
  })

  test('and whose client keeps the provider waiting has failed', () => {
    assert.match(limitsOf({ upload }).overdue(500)!, /only a part of the request/)
  })
})
