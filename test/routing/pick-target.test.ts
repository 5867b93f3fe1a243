// The order of targets: properties over many rolls, loads and conversations.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../support/properties.ts'

import { type Candidate, orderTargets } from '../../src/routing/pick-target.ts'

interface Facts {
  readonly tier?: number
  readonly weight?: number
  readonly busy?: number
  readonly cost?: number
  readonly passes?: boolean
  readonly credit?: number
  readonly readyAtMs?: number
}

function candidate(provider: string, facts: Facts = {}): Candidate {
  const { tier = 1, weight = 1, busy = 0, cost = 0, passes = false, credit = 0, readyAtMs = 0 } = facts
  const target = { provider, model: 'm', tier, weight }
  return { target, isReady: readyAtMs === 0, readyAtMs, busy, cost, passes, credit }
}

function order(candidates: readonly Candidate[], roll = 0): string {
  return orderTargets(candidates, roll)
    .targets.map(({ provider }) => provider)
    .join(' ')
}

/** Evenly spread rolls, so that shares come out exact but for the ends. */
const rolls = Array.from({ length: 6000 }, (_, index) => (index + 0.5) / 6000)

/** How often each order comes out. */
function shares(candidates: readonly Candidate[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const roll of rolls) {
    const key = order(candidates, roll)
    counts[key] = (counts[key] ?? 0) + 1
  }
  return Object.fromEntries(Object.entries(counts).map(([key, count]) => [key, count / rolls.length]))
}

function near(actual: number | undefined, expected: number): void {
  assert.ok(Math.abs((actual ?? 0) - expected) < 0.002, `${actual} instead of ${expected}`)
}

describe('targets that need no translation', () => {
  test('come before others that are equal, whatever these are owed', () => {
    const pair = [candidate('a', { weight: 9, credit: 9 }), candidate('b', { passes: true })]
    for (const roll of rolls) assert.equal(order(pair, roll), 'b a')
    assert.deepEqual(orderTargets(pair, 0).equals, [pair[1]])
  })

  test('take turns with one another', () => {
    const three = [
      candidate('a'),
      candidate('b', { passes: true }),
      candidate('c', { passes: true, credit: 1 }),
    ]
    assert.equal(order(three), 'c b a')
    assert.deepEqual(orderTargets(three, 0).equals, three.slice(1))
  })

  test('come after a less busy one, a lower tier and a lower cost', () => {
    assert.equal(order([candidate('a', { passes: true, busy: 1 }), candidate('b')]), 'b a')
    assert.equal(order([candidate('a', { passes: true, tier: 2 }), candidate('b')]), 'b a')
    assert.equal(order([candidate('a', { passes: true, cost: 9 }), candidate('b', { cost: 1 })]), 'b a')
  })
})

describe('idle targets', () => {
  test('come first by what they are owed, whatever the roll', () => {
    const owed = [candidate('a', { weight: 3, credit: -1 }), candidate('b', { credit: 2 })]
    for (const roll of rolls) assert.equal(order(owed, roll), 'b a')
    assert.deepEqual(orderTargets(owed, 0).equals, owed)
  })

  test('are equals only if they are equally busy', () => {
    const busy = [candidate('a', { busy: 1 }), candidate('b', { credit: -9 })]
    assert.deepEqual(orderTargets(busy, 0).equals, [busy[1]])
  })

  test('take over evenly what the first one drops', () => {
    const found = shares(['a', 'b', 'c'].map((name) => candidate(name)))
    assert.deepEqual(Object.keys(found).toSorted(), ['a b c', 'a c b'])
    for (const share of Object.values(found)) near(share, 1 / 2)
  })
})

describe('load', () => {
  test('the least busy for its weight comes first', () => {
    const targets = [
      candidate('a', { busy: 2 }),
      candidate('b', { busy: 5, weight: 4 }),
      candidate('c', { busy: 3 }),
    ]
    assert.equal(order(targets, 0.9), 'b a c')
  })

  test('calls that stay spread by weight', () => {
    const weights = { a: 1, b: 2, c: 5 }
    const busy: Record<string, number> = { a: 0, b: 0, c: 0 }
    for (let call = 0; call < 80; call++) {
      const targets = Object.entries(weights).map(([name, weight]) =>
        candidate(name, { weight, busy: busy[name]! }),
      )
      busy[orderTargets(targets, (call * 0.618) % 1).targets[0]!.provider]! += 1
    }
    assert.deepEqual(busy, { a: 10, b: 20, c: 50 })
  })
})

describe('tiers', () => {
  test('a tier comes before the next, however busy it is', () => {
    const targets = [candidate('late', { tier: 7 }), candidate('early', { tier: 2, busy: 99 })]
    assert.equal(order(targets), 'early late')
  })

  test('cooling targets come last in the order of their return, whatever their tier', () => {
    const targets = [
      candidate('later', { tier: 1, readyAtMs: 900 }),
      candidate('sooner', { tier: 1, readyAtMs: 500 }),
      candidate('ready', { tier: 9, busy: 40 }),
    ]
    assert.equal(order(targets), 'ready sooner later')
  })
})

describe('cost', () => {
  test('the lowest comes first, however busy its target is and whatever others are owed', () => {
    const targets = [candidate('a', { cost: 9, credit: 8 }), candidate('b', { cost: 2, busy: 7 })]
    for (const roll of rolls) assert.equal(order(targets, roll), 'b a')
    assert.deepEqual(orderTargets(targets, 0).equals, [targets[1]])
  })

  test('costs that differ by less than a fiftieth are equal', () => {
    const at = (cost: number) => order([candidate('a', { cost, busy: 1 }), candidate('b', { cost: 1000 })])
    assert.equal(at(981), 'b a')
    assert.equal(at(979), 'a b')
  })

  test('is compared within a tier', () => {
    assert.equal(
      order([candidate('late', { tier: 2, cost: 1 }), candidate('early', { cost: 9 })]),
      'early late',
    )
  })
})

test('every target comes exactly once, whatever is known of it', () => {
  const anyCandidate = fc.record({
    tier: fc.integer({ min: 1, max: 3 }),
    weight: fc.integer({ min: 1, max: 50 }),
    busy: fc.nat(20),
    cost: fc.nat(50),
    credit: fc.integer({ min: -50, max: 50 }),
    readyAtMs: fc.oneof(fc.constant(0), fc.nat(9999)),
  })
  fc.assert(
    fc.property(
      fc.array(anyCandidate, { minLength: 1, maxLength: 8 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (facts, roll) => {
        const candidates = facts.map((each, index) => candidate(`p${index}`, each))
        const found = orderTargets(candidates, roll).targets
        assert.deepEqual(new Set(found), new Set(candidates.map(({ target }) => target)))
        assert.equal(found.length, candidates.length)
      },
    ),
  )
})
