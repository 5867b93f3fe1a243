// What calls learn of targets, and how long they remember it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../support/properties.ts'

import type { FailureKind } from '../../src/domain.ts'
import { TargetHealth } from '../../src/routing/target-health.ts'

const target = { provider: 'p', model: 'm', tier: 1, weight: 1 }
const sibling = { ...target, model: 'n' }
const stranger = { ...target, provider: 'q' }

function fail(
  health: TargetHealth,
  failureKind: FailureKind,
  nowMs: number,
  more: { isLocal?: boolean; retryAfterMs?: number; cooldownMs?: number; cause?: string } = {},
): void {
  const { isLocal = false, retryAfterMs, cooldownMs = 30_000, cause } = more
  health.recordFailure(target, failureKind, { cooldownMs, isLocal, retryAfterMs, cause, nowMs })
}

/** How long after `nowMs` the target is ready again. */
function coolsFor(health: TargetHealth, nowMs: number): number {
  return health.stateOf(target, nowMs).readyAtMs - nowMs
}

const cooldowns: readonly [FailureKind, remoteMs: number, localMs: number, isOfProvider: boolean][] = [
  ['auth', 120_000, 12_000, true],
  ['billing', 600_000, 60_000, true],
  ['broken', 3_000, 300, false],
  ['loading', 1_500, 150, false],
  ['missing_model', 60_000, 6_000, false],
  ['overloaded', 3_000, 300, false],
  ['rate_limit', 7_500, 750, false],
  ['timeout', 30_000, 3_000, false],
  ['unreachable', 30_000, 3_000, true],
]

for (const [failureKind, remoteMs, localMs, isOfProvider] of cooldowns) {
  describe(`kind of failure: ${failureKind}`, () => {
    for (const [isLocal, forMs] of [
      [false, remoteMs],
      [true, localMs],
    ] as const) {
      test(`a ${isLocal ? 'local' : 'remote'} target cools for ${forMs} ms`, () => {
        const health = new TargetHealth()
        fail(health, failureKind, 1000, { isLocal })
        assert.deepEqual(health.stateOf(target, 1000 + forMs - 1), {
          isReady: false,
          readyAtMs: 1000 + forMs,
          failureKind,
        })
        assert.equal(health.stateOf(target, 1000 + forMs).isReady, true)
      })
    }

    test(`it concerns ${isOfProvider ? 'all models of the provider' : 'the one model'}`, () => {
      const health = new TargetHealth()
      fail(health, failureKind, 1000)
      assert.equal(health.stateOf(sibling, 1000).isReady, !isOfProvider)
      assert.equal(health.stateOf(stranger, 1000).isReady, true)
    })
  })
}

describe('how long', () => {
  test('a failed probe doubles the cool-down, up to eightfold', () => {
    const health = new TargetHealth()
    let nowMs = 0
    const found = Array.from({ length: 6 }, () => {
      fail(health, 'timeout', nowMs)
      const forMs = coolsFor(health, nowMs)
      nowMs += forMs
      health.recordStart(target, nowMs)
      return forMs
    })
    assert.deepEqual(found, [30_000, 60_000, 120_000, 240_000, 240_000, 240_000])
  })

  test('calls that fail together are one failure', () => {
    const health = new TargetHealth()
    for (let call = 0; call < 32; call++) fail(health, 'timeout', 0)
    assert.equal(coolsFor(health, 0), 30_000)
  })

  test('a success starts it over', () => {
    const health = new TargetHealth()
    fail(health, 'timeout', 0)
    health.recordSuccess(target)
    assert.equal(health.stateOf(target, 0).isReady, true)
    fail(health, 'timeout', 5)
    assert.equal(coolsFor(health, 5), 30_000)
  })

  test('what the provider asks for counts, up to an hour', () => {
    for (const [retryAfterMs, forMs] of [
      [1, 1],
      [90_000, 90_000],
      [1e12, 3_600_000],
    ] as const) {
      const health = new TargetHealth()
      fail(health, 'rate_limit', 0, { retryAfterMs })
      assert.equal(coolsFor(health, 0), forMs)
    }
  })

  test('a later failure does not shorten what the provider asked for', () => {
    const health = new TargetHealth()
    fail(health, 'rate_limit', 0, { retryAfterMs: 60_000 })
    fail(health, 'rate_limit', 100)
    assert.equal(coolsFor(health, 100), 59_900)
  })

  test('with a cool-down of 0 nothing is remembered', () => {
    const health = new TargetHealth()
    fail(health, 'auth', 0, { cooldownMs: 0 })
    assert.equal(health.stateOf(target, 0).isReady, true)
  })
})

describe('after the cool-down', () => {
  const cooled = () => {
    const health = new TargetHealth()
    fail(health, 'unreachable', 0)
    return health
  }

  test('one call tries, and others go elsewhere until that is decided', () => {
    const health = cooled()
    health.recordStart(target, 30_000)
    assert.equal(health.stateOf(target, 30_001).isReady, false)
    health.recordSuccess(target)
    assert.equal(health.stateOf(target, 30_002).isReady, true)
  })

  test('a call that tries a cooling target for want of others is no probe', () => {
    const health = cooled()
    health.recordStart(target, 29_999)
    assert.equal(health.stateOf(target, 30_000).isReady, true)
  })

  test('a probe whose client left lets the next one try', () => {
    const health = cooled()
    health.recordStart(target, 30_000)
    health.recordNothing(target)
    assert.equal(health.stateOf(target, 30_001).isReady, true)
  })

  test('a provider that answers for one model can be reached for all', () => {
    const health = cooled()
    health.recordStart(target, 30_000)
    fail(health, 'overloaded', 30_000)
    assert.equal(health.stateOf(sibling, 30_000).isReady, true)
    assert.equal(health.stateOf(target, 30_000).failureKind, 'overloaded')
  })
})

test('no order of events leaves a target passed over for ever', () => {
  const step = fc.oneof(
    fc.constantFrom('start', 'success', 'nothing', 'wait'),
    fc.constantFrom(...cooldowns.map(([failureKind]) => failureKind)),
  )
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40 }),
      fc.constantFrom('success', 'nothing', 'timeout'),
      (steps, last) => {
        const health = new TargetHealth()
        let nowMs = 0
        for (const each of [...steps, last]) {
          if (each === 'wait') nowMs += 20_000
          else if (each === 'start') health.recordStart(target, nowMs)
          else if (each === 'success') health.recordSuccess(target)
          else if (each === 'nothing') health.recordNothing(target)
          else fail(health, each, nowMs)
        }
        assert.equal(health.stateOf(target, nowMs + 20 * 8 * 30_000).isReady, true)
      },
    ),
  )
})

describe('a health check', () => {
  test('that finds something puts all targets of its provider last, until one finds nothing', () => {
    const health = new TargetHealth()
    health.recordCheck('p', 'unreachable')
    for (const nowMs of [1000, 1e12]) {
      for (const each of [target, sibling]) {
        const { isReady, failureKind } = health.stateOf(each, nowMs)
        assert.deepEqual([isReady, failureKind], [false, 'unreachable'])
      }
    }
    assert.equal(health.stateOf(stranger, 1000).isReady, true)
    health.recordCheck('p', undefined)
    assert.equal(health.stateOf(target, 1000).isReady, true)
  })

  test('that finds something holds until a call succeeds', () => {
    const health = new TargetHealth()
    health.recordCheck('p', 'timeout')
    health.recordSuccess(sibling)
    assert.equal(health.stateOf(target, 1000).isReady, true)
  })

  test('that finds something outlasts the cool-down that a call has set', () => {
    const health = new TargetHealth()
    fail(health, 'unreachable', 1000)
    health.recordCheck('p', 'unreachable')
    assert.equal(health.stateOf(target, 1e9).isReady, false)
  })

  test('that finds nothing ends "unreachable" at once, and no other failure', () => {
    for (const [failureKind] of cooldowns) {
      const health = new TargetHealth()
      fail(health, failureKind, 1000)
      health.recordCheck('p', undefined)
      assert.equal(health.stateOf(target, 1000).isReady, failureKind === 'unreachable', failureKind)
    }
  })
})

test('everything about a provider can be forgotten, and nothing about another one', () => {
  const health = new TargetHealth()
  const namesake = { ...target, provider: 'pp' }
  for (const each of [target, namesake]) {
    for (const failureKind of ['rate_limit', 'auth'] as const) {
      health.recordFailure(each, failureKind, {
        cooldownMs: 30_000,
        isLocal: false,
        retryAfterMs: undefined,
        nowMs: 1000,
      })
    }
    health.recordCheck(each.provider, 'broken')
  }
  health.forget('p')
  assert.equal(health.stateOf(target, 1000).isReady, true)
  assert.equal(health.stateOf(namesake, 1000).isReady, false)
  health.recordCheck('pp', undefined)
  assert.equal(health.stateOf(namesake, 1000).isReady, false)
})

describe('an outage', () => {
  const outage = (health: TargetHealth, nowMs: number) => health.outageOf('p', nowMs)

  test('that one moment has shown ends with the cool-down', () => {
    const health = new TargetHealth()
    for (const nowMs of [1000, 1001, 1999]) fail(health, 'unreachable', nowMs)
    assert.deepEqual(outage(health, 31_998), { failureKind: 'unreachable', cause: undefined })
    assert.equal(outage(health, 31_999), undefined)
  })

  test('that calls have repeated lasts until something is reached', () => {
    const health = new TargetHealth()
    for (const nowMs of [1000, 2000]) fail(health, 'unreachable', nowMs, { cause: 'ECONNREFUSED' })
    assert.deepEqual(outage(health, 1e9), { failureKind: 'unreachable', cause: 'ECONNREFUSED' })
    health.recordSuccess(target)
    assert.equal(outage(health, 1e9), undefined)
  })
})
