// How often a call may ask targets again.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Failure } from '../../src/call/failures.ts'
import { RetryBudget } from '../../src/call/retry-budget.ts'
import type { FailureKind, Target } from '../../src/domain.ts'
import { createEcho } from '../../src/upstream/providers/echo.ts'

const [a, b]: readonly Target[] = ['a', 'b'].map((provider) => ({ provider, model: 'm', tier: 1, weight: 1 }))

function failure(failureKind: FailureKind): Failure {
  const decision = { failureKind, canFailOver: true, canRetry: true, retryAfterMs: undefined }
  return { decision, reason: failureKind, refusedConnection: failureKind === 'unreachable', readyAtMs: 0 }
}

function scene({
  retries,
  firstByteMs = 0,
  restartWaitMs = 0,
}: {
  retries: number
  firstByteMs?: number
  restartWaitMs?: number
}) {
  const clock = { nowMs: 0 }
  const failures = new Map<Target, Failure>()
  const timeouts = { connectMs: 0, firstByteMs, idleMs: 0, totalMs: 0 }
  const providers = new Map(['a', 'b'].map((name) => [name, { ...createEcho(name), timeouts }]))
  const now = () => clock.nowMs
  const budget = new RetryBudget({ retries, restartWaitMs, failures, providers, now, startedAtMs: 0 })
  return { clock, failures, budget }
}

test('the retries of all targets together are counted', () => {
  const { failures, budget } = scene({ retries: 2 })
  failures.set(a!, failure('overloaded')).set(b!, failure('unreachable'))
  for (const target of [a!, b!]) {
    assert.equal(budget.mayRetry(target), true)
    budget.spend(target)
  }
  assert.equal(budget.mayRetry(a!), false)
  assert.equal(budget.mayRetry(b!), false)
})

test("a target's first attempt is not a retry", () => {
  const { failures, budget } = scene({ retries: 1 })
  failures.set(a!, failure('overloaded'))
  budget.spend(b!)
  assert.equal(budget.mayRetry(a!), true)
})

test('a server that loads its model is free until the time of its first byte is over', () => {
  const { clock, failures, budget } = scene({ retries: 1, firstByteMs: 5000 })
  failures.set(a!, failure('loading')).set(b!, failure('overloaded'))
  for (const nowMs of [0, 1000, 4999]) {
    clock.nowMs = nowMs
    budget.spend(a!)
    assert.equal(budget.mayRetry(a!), true)
  }
  assert.equal(budget.mayRetry(b!), true)
  clock.nowMs = 5000
  budget.spend(a!)
  assert.equal(budget.mayRetry(a!), false)
})

test('without a time for the first byte loading is waited for without end', () => {
  const { clock, failures, budget } = scene({ retries: 0 })
  failures.set(a!, failure('loading'))
  clock.nowMs = 3_600_000
  assert.equal(budget.mayRetry(a!), true)
})

test('a local server that refuses connections is free for the time of a restart', () => {
  const { clock, failures, budget } = scene({ retries: 0, restartWaitMs: 3000 })
  failures.set(a!, failure('unreachable'))
  clock.nowMs = 2999
  assert.equal(budget.mayRetry(a!), true)
  clock.nowMs = 3000
  assert.equal(budget.mayRetry(a!), false)
})
