// Which server a conversation belongs to.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fc } from '../support/properties.ts'

import { dialects } from '../../src/dialects/table.ts'
import type { ModelRequest } from '../../src/dialects/request.ts'
import type { Target } from '../../src/domain.ts'
import { affinityKeyOf, type Choice, chooseTargets } from '../../src/routing/choose-targets.ts'
import { ProviderLoad } from '../../src/routing/load.ts'
import { Placement } from '../../src/routing/placement.ts'
import { TargetHealth } from '../../src/routing/target-health.ts'

const chat = [...dialects.keys()].find(({ name }) => name === 'chat')!

function request(messages?: readonly object[]): ModelRequest {
  const read = chat.readRequest({
    contentType: 'application/json',
    body: Buffer.from(JSON.stringify({ model: 'm', messages })),
  })
  assert.ok(!(read instanceof Error))
  return read
}

/** A conversation with a system prompt of some length, after so many turns. */
function conversation(number: number, turns: number): ModelRequest {
  const system = { role: 'system', content: `You are agent ${number}. ${'Be exact. '.repeat(60)}` }
  const turn = [
    { role: 'user', content: 'And then?' },
    { role: 'assistant', content: 'Nothing.' },
  ]
  return request([
    system,
    ...Array.from({ length: turns }, () => turn).flat(),
    { role: 'user', content: 'Go on.' },
  ])
}

function target(provider: string, weight = 1): Target {
  return { provider, model: 'm', tier: 1, weight }
}

/** Chooses again and again with one memory. All targets are idle unless the test says otherwise. */
class Chooser {
  readonly health = new TargetHealth()
  readonly load = new ProviderLoad()
  readonly placement = new Placement()
  /** Providers that speak the client's format. */
  readonly passing = new Set<string>()
  readonly #isLocal: boolean

  constructor(isLocal = true) {
    this.#isLocal = isLocal
  }

  choice(targets: readonly Target[], asked: ModelRequest): Choice {
    const isLocal = () => this.#isLocal
    const { health, load, placement } = this
    const hasShown = (provider: string) => this.passing.has(provider)
    const facts = { isLocal, health, load, placement, hasShown, now: () => 0, chance: () => 0.5 }
    const affinityKey = affinityKeyOf(asked.promptPrefix)
    return chooseTargets({ model: 'm', targets, affinityKey, format: 'chat' }, facts)
  }

  /** The provider of the first choice. */
  choose(targets: readonly Target[], asked: ModelRequest): string {
    return this.choice(targets, asked).targets[0]!.provider
  }
}

const conversations = Array.from({ length: 600 }, (_, number) => number)
const abc = [target('a'), target('b'), target('c')]

test('a conversation stays with the server where it began', () => {
  const chooser = new Chooser()
  const first = conversations.map((number) => chooser.choose(abc, conversation(number, 0)))
  for (const turns of [1, 2, 9]) {
    for (const number of conversations) {
      assert.equal(chooser.choose(abc, conversation(number, turns)), first[number])
    }
  }
})

test('a server that goes moves its own conversations and no others, and they stay where they went', () => {
  const chooser = new Chooser()
  const moved = { a: 0, b: 0 }
  const first = conversations.map((number) => chooser.choose(abc, conversation(number, 0)))
  for (const number of conversations) {
    const before = first[number]
    const after = chooser.choose(abc.slice(0, 2), conversation(number, 1))
    if (before === 'c') moved[after as 'a'] += 1
    else assert.equal(after, before)
    assert.equal(chooser.choose(abc.slice(0, 2), conversation(number, 2)), after)
  }
  for (const count of Object.values(moved)) assert.ok(count > 60 && count < 140, `${count}`)
})

test('a conversation whose server is too busy for once returns to it', () => {
  const chooser = new Chooser()
  const home = chooser.choose(abc, conversation(1, 0))
  for (let call = 0; call < 9; call++) chooser.load.add(home)
  assert.notEqual(chooser.choose(abc, conversation(1, 1)), home)
  for (let call = 0; call < 9; call++) chooser.load.remove(home)
  assert.equal(chooser.choose(abc, conversation(1, 2)), home)
})

test('a conversation that began in a later tier moves to an earlier one once that is back', () => {
  const chooser = new Chooser()
  const tiers = [target('early'), { ...target('late'), tier: 2 }]
  const cooling = { cooldownMs: 1000, isLocal: true, retryAfterMs: undefined, nowMs: 0 }
  chooser.health.recordFailure(tiers[0]!, 'broken', cooling)
  assert.equal(chooser.choose(tiers, conversation(1, 0)), 'late')
  chooser.health.recordSuccess(tiers[0]!)
  assert.equal(chooser.choose(tiers, conversation(1, 1)), 'early')
})

test('conversations, and calls to clouds, spread within one call of the weights after each of them', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 2 })
  fc.assert(
    fc.property(weights, fc.boolean(), ([a = 1, b = 1], isLocal) => {
      const chooser = new Chooser(isLocal)
      const targets = [target('a', a), target('b', b)]
      let first = 0
      for (let call = 1; call <= 100; call++) {
        if (chooser.choose(targets, conversation(isLocal ? call : 1, 1)) === 'a') first += 1
        assert.ok(Math.abs(first - (call * a) / (a + b)) <= 1, `${first} of ${call}, weights ${a}:${b}`)
      }
    }),
    { numRuns: 50 },
  )
})

test('the calls of one target are spread', () => {
  const chooser = new Chooser(false)
  const targets = [target('a', 5), target('b'), target('c')]
  const order = Array.from({ length: 14 }, () => chooser.choose(targets, conversation(1, 1)))
  assert.equal(order.join(''), 'aabacaa'.repeat(2))
})

test('a choice that is given back costs no turn', () => {
  const chooser = new Chooser(false)
  const targets = [target('a', 3), target('b')]
  const counts: Record<string, number> = { a: 0, b: 0 }
  for (let call = 0; call < 80; call++) {
    const {
      targets: [first],
      turn,
    } = chooser.choice(targets, conversation(1, 1))
    // Every other call is refused.
    if (call % 2 === 1) chooser.placement.giveBack(turn!)
    else counts[first!.provider]! += 1
  }
  assert.deepEqual(counts, { a: 30, b: 10 })
})

test('the oldest conversations are forgotten beyond ten thousand', () => {
  const placement = new Placement()
  placement.setHome('first', 'a')
  placement.setHome('second', 'a')
  assert.equal(placement.homeOf('first'), 'a')
  for (let other = 0; other < 9_999; other++) placement.setHome(`${other}`, 'b')
  assert.deepEqual([placement.homeOf('first'), placement.homeOf('second')], ['a', undefined])
})

test('the reason of a choice', () => {
  const chooser = new Chooser()
  const two = abc.slice(0, 2)
  const reasonOf = (targets: readonly Target[], number = 1) =>
    chooser.choice(targets, conversation(number, 1)).reason
  assert.equal(reasonOf(abc.slice(0, 1)), 'only')
  assert.deepEqual([reasonOf(two), reasonOf(two)], ['turn', 'cached'])
  const home = chooser.choose(two, conversation(1, 2))
  for (let call = 0; call < 9; call++) chooser.load.add(home)
  assert.equal(reasonOf(two), 'least_busy')
  const cooling = { cooldownMs: 1000, isLocal: true, retryAfterMs: undefined, nowMs: 0 }
  chooser.health.recordFailure(two[0]!, 'broken', cooling)
  assert.equal(reasonOf(two, 2), 'only')
  chooser.health.recordFailure(two[1]!, 'broken', cooling)
  assert.equal(reasonOf(two, 3), 'cooling')
})
