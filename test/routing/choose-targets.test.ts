// Where calls are placed: by what is cached, by what is to be done before them, by turns.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { fc } from '../support/properties.ts'

import { dialects } from '../../src/dialects/table.ts'
import type { Target } from '../../src/domain.ts'
import type { Choice } from '../../src/routing/choose-targets.ts'
import type { ServerTraits } from '../../src/routing/expected-time.ts'
import { type PlacedCall, Placer, type ShownUsage } from '../../src/routing/placer.ts'
import { PrefixHasher, type PrefixHashes } from '../../src/routing/prefix-hashes.ts'
import { ServerFacts } from '../../src/routing/server-facts.ts'
import { TargetHealth } from '../../src/routing/target-health.ts'

const chat = [...dialects.keys()].find(({ name }) => name === 'chat')!

function prefixOf(messages: readonly object[]): PrefixHashes {
  const body = Buffer.from(JSON.stringify({ model: 'm', messages }))
  const read = chat.readRequest({ contentType: 'application/json', body })
  assert.ok(!(read instanceof Error))
  const hasher = new PrefixHasher(read.promptPieces, [1, 2], 'user:me')
  hasher.advance(Infinity)
  return hasher.hashes
}

/** A conversation with a system prompt of some length, after so many turns of 1 KB each. */
function conversation(number: number, turns: number, system = 'You are an agent. '): PrefixHashes {
  return prefixOf([
    { role: 'system', content: system.repeat(30) },
    { role: 'user', content: `This is ${number}. ${'Be exact. '.repeat(60)}` },
    ...Array.from({ length: turns }, (_, turn) => ({ role: 'user', content: `${turn}`.repeat(1_000) })),
  ])
}

function bytesOf(prefix: PrefixHashes): number {
  return prefix.at(-1)!
}

function target(provider: string, weight = 1): Target {
  return { provider, model: 'm', tier: 1, weight }
}

class OpenCall {
  readonly provider: string
  readonly choice: Choice
  readonly #scene: Scene
  readonly #placed: PlacedCall | undefined

  constructor(
    scene: Scene,
    choice: Choice,
    asked: { readonly prefix: PrefixHashes | undefined; readonly isStream: boolean },
  ) {
    const first = choice.targets[0]!
    this.#scene = scene
    this.choice = choice
    this.provider = first.provider
    scene.placer.load.add(this.provider)
    this.#placed = scene.placer.start(choice, asked, first)
  }

  answered(): this {
    this.#placed?.answered()
    return this
  }

  end(usage?: ShownUsage): string {
    this.#placed?.answered()
    this.#scene.placer.load.remove(this.provider)
    this.#placed?.end(usage)
    return this.provider
  }
}

/** Places calls with one memory. All targets are idle unless the test says otherwise. */
class Scene {
  nowMs = 1_000
  readonly health = new TargetHealth()
  readonly placer: Placer
  /** Providers that speak the client's format. */
  readonly passing = new Set<string>()
  readonly serverFacts = new ServerFacts()

  constructor(traits: Partial<ServerTraits> = {}) {
    this.placer = new Placer({
      health: this.health,
      traitsOf: () => ({ cache: 'slots', slots: undefined, ...traits }),
      serverFacts: this.serverFacts,
      hasShown: (provider) => this.passing.has(provider),
      now: () => this.nowMs,
      chance: () => 0.5,
    })
  }

  begin(targets: readonly Target[], prefix: PrefixHashes | undefined, isStream = true): OpenCall {
    const choice = this.placer.choose({ model: 'm', targets, prefix, format: 'chat' })
    return new OpenCall(this, choice, { prefix, isStream })
  }

  /** A call that is answered at once. @returns its provider. */
  call(targets: readonly Target[], prefix: PrefixHashes): string {
    this.nowMs += 64
    return this.begin(targets, prefix).end()
  }
}

const ab = [target('a'), target('b')]
const abc = [...ab, target('c')]

describe('a conversation', () => {
  test('stays where it began, among others that begin alike', () => {
    const scene = new Scene()
    const numbers = Array.from({ length: 60 }, (_, number) => number)
    const unlike = (number: number) => `You are agent ${number}. `
    const first = numbers.map((number) => scene.call(abc, conversation(number, 0, unlike(number))))
    assert.deepEqual(new Set(first), new Set(['a', 'b', 'c']))
    for (const turns of [1, 2, 9]) {
      for (const number of numbers) {
        assert.equal(scene.call(abc, conversation(number, turns, unlike(number))), first[number])
      }
    }
  })

  test('moves with a server that goes, and stays where it went', () => {
    const scene = new Scene()
    const first = scene.call(abc, conversation(1, 0))
    const left = abc.filter(({ provider }) => provider !== first)
    const second = scene.call(left, conversation(1, 1))
    assert.equal(scene.call(left, conversation(1, 2)), second)
    assert.equal(scene.call(abc, conversation(1, 3)), second)
  })

  test('that began in a later tier moves to an earlier one once that is back', () => {
    const scene = new Scene()
    const tiers = [target('early'), { ...target('late'), tier: 2 }]
    const cooling = { cooldownMs: 1000, isLocal: true, retryAfterMs: undefined, nowMs: scene.nowMs }
    scene.health.recordFailure(tiers[0]!, 'broken', cooling)
    assert.equal(scene.begin(tiers, conversation(1, 0)).end(), 'late')
    scene.health.recordSuccess(tiers[0]!)
    assert.equal(scene.call(tiers, conversation(1, 1)), 'early')
  })

  test('is read anew elsewhere while its own server would answer later, and returns to it', () => {
    const scene = new Scene({ slots: 1 })
    const home = scene.call(ab, conversation(1, 3))
    const other = scene.begin(
      ab.filter(({ provider }) => provider === home),
      conversation(2, 0),
    )
    assert.notEqual(scene.begin(ab, conversation(1, 4)).provider, home)
    other.end()
    assert.equal(scene.begin(ab, conversation(1, 5)).provider, home)
  })

  test('waits for its own server if that is sooner than reading it anew', () => {
    const scene = new Scene({ slots: 1 })
    const home = scene.call(ab, conversation(1, 100))
    const rates = { readBytes: 10_000, readMs: 5_000, writeMs: 100 }
    for (const { provider } of ab) scene.placer.rates.learn(`${provider}\nm`, rates)
    scene.begin(
      ab.filter(({ provider }) => provider === home),
      conversation(2, 0),
    )
    // Reading takes 50 s, and the call before it half a second.
    assert.equal(scene.begin(ab, conversation(1, 101)).provider, home)
  })
})

describe('two calls on two idle servers', () => {
  for (const traits of [{}, { slots: 2 }, { cache: 'shared', slots: undefined }] as const) {
    test(`never share one (${JSON.stringify(traits)})`, () => {
      const scene = new Scene(traits)
      const first = scene.begin(ab, conversation(1, 0))
      assert.notEqual(scene.begin(ab, conversation(2, 0)).provider, first.provider)
    })

    test(`nor if one of them has the beginning of both cached (${JSON.stringify(traits)})`, () => {
      const scene = new Scene(traits)
      scene.call(ab, conversation(0, 0))
      const first = scene.begin(ab, conversation(1, 0))
      scene.nowMs += 10
      assert.notEqual(scene.begin(ab, conversation(2, 0)).provider, first.provider)
    })
  }

  test('nor if the first is being answered, and its slot has the beginning of both', () => {
    const scene = new Scene({ slots: 2 })
    const first = scene.begin(ab, conversation(1, 9)).answered()
    assert.notEqual(scene.begin(ab, conversation(2, 9)).provider, first.provider)
  })
})

describe('a server', () => {
  test('with the beginning of a prompt comes before one that has nothing of it', () => {
    const scene = new Scene()
    const first = scene.call(ab, conversation(1, 0))
    for (const number of [2, 3, 4]) assert.equal(scene.call(ab, conversation(number, 0)), first)
  })

  test('that reads faster comes first, however the weights are', () => {
    const scene = new Scene()
    for (const [provider, readMs] of [
      ['a', 9_000],
      ['b', 900],
    ] as const) {
      scene.placer.rates.learn(`${provider}\nm`, { readBytes: 10_000, readMs, writeMs: 100 })
    }
    for (const number of [1, 2, 3])
      assert.equal(scene.call([target('a', 9), target('b')], conversation(number, 0, `${number}`)), 'b')
  })

  test('that has to load its model comes after one that has it loaded', () => {
    const scene = new Scene()
    scene.serverFacts.setListed('a', new Map([['m', { state: 'unloaded' }]]))
    scene.serverFacts.setListed('b', new Map([['m', { state: 'loaded' }]]))
    for (const number of [1, 2, 3]) assert.equal(scene.call(ab, conversation(number, 0, `${number}`)), 'b')
  })

  test('that sleeps has lost what it had', () => {
    const scene = new Scene()
    const home = scene.call(ab, conversation(1, 1))
    scene.serverFacts.setReported(home, { isSleeping: true })
    assert.notEqual(scene.call(ab, conversation(1, 2)), home)
  })

  test('that turns out to have lost a prompt is not believed to have older ones', () => {
    const scene = new Scene()
    const [older, newer] = [conversation(1, 5, 'one'), conversation(2, 5, 'two')]
    const only = [target('a'), { ...target('b'), tier: 2 }]
    scene.call(only, older)
    scene.call(only, newer)
    scene.nowMs += 64
    const call = scene.begin(only, newer)
    assert.equal(call.choice.prospects!.get(only[0]!)!.cachedBytes, bytesOf(newer))
    call.end({ promptTokens: 1_000, completionTokens: 5, cachedTokens: 0 })
    assert.equal(scene.placer.index.find('a\nm', older).bytes, 0)
    // It has read this one again.
    assert.equal(scene.placer.index.find('a\nm', newer).bytes, bytesOf(newer))
  })

  test('that has less cached than expected, call after call, is expected to have less', () => {
    const scene = new Scene()
    const only = [target('a'), { ...target('b'), tier: 2 }]
    const prefix = conversation(1, 5)
    scene.call(only, prefix)
    for (let call = 0; call < 20; call += 1) {
      scene.nowMs += 64
      scene.begin(only, prefix).end({ promptTokens: 1_000, completionTokens: 5, cachedTokens: 0 })
    }
    const { cachedBytes } = scene.begin(only, prefix).choice.prospects!.get(only[0]!)!
    assert.ok(cachedBytes < bytesOf(prefix) / 50, `${cachedBytes}`)
  })

  test('is as fast as its own times say, else as the time to the first token of a call that was alone', () => {
    const scene = new Scene()
    const prefix = conversation(1, 9)
    const rateOf = () => scene.placer.rates.of('a\nm')
    const only = [target('a'), { ...target('b'), tier: 2 }]
    const call = scene.begin(only, prefix)
    scene.nowMs += 500
    call.answered()
    scene.nowMs += 300
    call.end({ promptTokens: 1_000, completionTokens: 5, cachedTokens: 0 })
    assert.deepEqual(rateOf(), { readMsPerByte: 500 / bytesOf(prefix), writeMs: 300, trust: 1 })
    const whole = new Scene()
    whole.placer.rates.learn('a\nm', { readBytes: 1_000, readMs: 100, writeMs: undefined })
    const asked = whole.begin(only, prefix, false)
    whole.nowMs += bytesOf(prefix) / 10 + 700
    asked.end({ promptTokens: 1_000, completionTokens: 5 })
    assert.equal(Math.round(whole.placer.rates.of('a\nm').writeMs!), 700)
    const own = new Scene()
    own
      .begin(only, prefix)
      .end({ promptTokens: 1_000, completionTokens: 5, cachedTokens: 500, promptMs: 100, outputMs: 7 })
    assert.deepEqual(own.placer.rates.of('a\nm'), {
      readMsPerByte: 100 / (bytesOf(prefix) / 2),
      writeMs: 7,
      trust: 1,
    })
  })
})

describe('clouds', () => {
  test('with a long prompt in their cache come first, for five minutes', () => {
    const scene = new Scene({ cache: 'paid', slots: undefined })
    const first = scene.call(ab, conversation(1, 9))
    for (const turns of [10, 11, 12]) assert.equal(scene.call(ab, conversation(1, turns)), first)
    scene.nowMs += 300_001
    const seen = [13, 14].map((turns) => scene.call(ab, conversation(1, turns, 'other')))
    assert.deepEqual(new Set(seen.slice(0, 1)), new Set([first === 'a' ? 'b' : 'a']))
  })

  test('that sell cached prompts at the full price are chosen by turns', () => {
    const scene = new Scene({ cache: 'paid', slots: undefined })
    const rates = {
      input: 1,
      cachedInput: 1,
      cacheWrite: 1,
      hourCacheWrite: 1,
      output: 1,
      reasoning: 1,
      request: 0,
    }
    const price = { rates, above: [], serviceTiers: new Map() }
    const targets = ab.map((each) => ({ ...each, price }))
    const seen = [9, 10, 11, 12].map((turns) => scene.call(targets, conversation(1, turns)))
    assert.deepEqual(seen, ['a', 'b', 'a', 'b'])
  })

  test('are not busy because of calls under way', () => {
    const scene = new Scene({ cache: 'paid', slots: undefined })
    const first = scene.call(ab, conversation(1, 9))
    for (let call = 0; call < 5; call += 1) scene.placer.load.add(first)
    assert.equal(scene.call(ab, conversation(1, 10)), first)
  })
})

test('a call is placed on a busy server only where it is answered sooner than on an idle one', () => {
  const step = fc.record({
    conversation: fc.nat(4),
    turns: fc.nat(6),
    afterMs: fc.nat(3_000),
    ends: fc.boolean(),
  })
  const traits = fc.record({
    cache: fc.constantFrom('slots', 'shared'),
    slots: fc.constantFrom(1, 2, undefined),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), traits, (steps, of) => {
      const scene = new Scene(of)
      const open: OpenCall[] = []
      for (const { conversation: number, turns, afterMs, ends } of steps) {
        scene.nowMs += afterMs
        const idle = abc.filter(({ provider }) => scene.placer.load.of(provider) === 0)
        const call = scene.begin(abc, conversation(number, turns))
        const expectedMs = (each: Target) => call.choice.prospects!.get(each)!.expectedMs!
        const chosen = call.choice.targets[0]!
        for (const each of idle) {
          if (!idle.includes(chosen)) assert.ok(expectedMs(chosen) < expectedMs(each) * 1.02)
        }
        if (ends) call.end()
        else open.push(call)
        if (open.length > 6) open.shift()!.end()
      }
    }),
    { numRuns: 60 },
  )
})

test('new conversations, and calls to clouds, spread within one call of the weights after each of them', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 2 })
  fc.assert(
    fc.property(weights, fc.boolean(), ([a = 1, b = 1], isLocal) => {
      const scene = new Scene({ cache: isLocal ? 'slots' : 'paid' })
      const targets = [target('a', a), target('b', b)]
      let first = 0
      for (let call = 1; call <= 60; call++) {
        const prefix = isLocal ? conversation(call, 1, `${call} `) : conversation(1, 1)
        if (scene.call(targets, prefix) === 'a') first += 1
        assert.ok(Math.abs(first - (call * a) / (a + b)) <= 1, `${first} of ${call}, weights ${a}:${b}`)
      }
    }),
    { numRuns: 30 },
  )
})

test('the calls of one target are spread', () => {
  const scene = new Scene({ cache: 'paid' })
  const targets = [target('a', 5), target('b'), target('c')]
  const order = Array.from({ length: 14 }, () => scene.call(targets, conversation(1, 1)))
  assert.equal(order.join(''), 'aabacaa'.repeat(2))
})

test('a choice that is given back costs no turn', () => {
  const { placer } = new Scene()
  const targets = [target('a', 3), target('b')]
  const counts: Record<string, number> = { a: 0, b: 0 }
  for (let call = 0; call < 80; call++) {
    const { targets: ordered, turn } = placer.choose({
      model: 'm',
      targets,
      prefix: undefined,
      format: 'chat',
    })
    // Every other call is refused.
    if (call % 2 === 1) placer.placement.giveBack(turn!)
    else counts[ordered[0]!.provider]! += 1
  }
  assert.deepEqual(counts, { a: 30, b: 10 })
})

test('without a prompt the least busy for its weight comes first', () => {
  const scene = new Scene()
  const targets = [target('a', 4), target('b')]
  for (let call = 0; call < 3; call += 1) scene.placer.load.add('a')
  scene.placer.load.add('b')
  assert.equal(scene.begin(targets, undefined).provider, 'a')
})

test('the reason of a choice', () => {
  const scene = new Scene()
  const reasonOf = (targets: readonly Target[], prefix: PrefixHashes) => {
    const call = scene.begin(targets, prefix)
    call.end()
    return call.choice.reason
  }
  const prefix = conversation(1, 1)
  assert.equal(reasonOf(ab.slice(0, 1), prefix), 'only')
  assert.deepEqual([reasonOf(ab, prefix), reasonOf(ab, prefix)], ['turn', 'cached'])
  const home = scene.call(ab, prefix)
  for (let call = 0; call < 9; call++) scene.placer.load.add(home)
  assert.equal(reasonOf(ab, prefix), 'least_busy')
  const cooling = { cooldownMs: 1000, isLocal: true, retryAfterMs: undefined, nowMs: scene.nowMs }
  scene.health.recordFailure(ab[0]!, 'broken', cooling)
  assert.equal(reasonOf(ab, prefix), 'only')
  scene.health.recordFailure(ab[1]!, 'broken', cooling)
  assert.equal(reasonOf(ab, prefix), 'cooling')
})
