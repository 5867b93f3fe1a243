// The store of shared limits over a real server: the contract of every store with one gateway, and what several keep together.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { modelScope, providerScope, type Scope } from '../../../../src/admission/scopes.ts'
import type { AdmissionStore, Demand } from '../../../../src/admission/stores/store.ts'
import { StoreFault } from '../../../../src/admission/stores/valkey/store-fault.ts'
import type { ModelLimits } from '../../../../src/domain.ts'
import { testAdmissionStore } from '../../../contracts/admission-store.ts'
import { missing } from '../../../support/needs.ts'
import { redisProgram } from '../../../support/redis.ts'
import { ExchangeServer } from './exchange-server.ts'
import { Gateways, ownName } from './gateways.ts'

const skip = missing(redisProgram)
const server = skip === false ? await ExchangeServer.start({ after }) : undefined

if (skip === false) testAdmissionStore('valkey', () => later(Gateways.start(server!, 1)))
else test('valkey', { skip }, () => assert.fail())

/** The store once there are gateways. */
function later(starting: Promise<Gateways>): AdmissionStore {
  const store = starting.then((gateways) => gateways.at(0))
  return {
    reserve: async (...args) => (await store).reserve(...args),
    probe: async (...args) => (await store).probe(...args),
    grow: async (...args) => (await store).grow(...args),
    settle: async (...args) => (await store).settle(...args),
    move: async (...args) => (await store).move(...args),
    use: async (...args) => (await store).use(...args),
    set onFreed(listener: () => void) {
      void store.then((each) => (each.onFreed = listener))
    },
  }
}

/** Every call of a run: when it was admitted, and what it was charged. */
interface Admitted {
  readonly atMs: number
  readonly tokens: number
}

function demand(limits: Omit<ModelLimits, 'whenLimited' | 'maxWaitMs'>, tokens = 1): Demand {
  const scope = modelScope('m', { ...limits, whenLimited: 'reject', maxWaitMs: 0 })
  return { scopes: [scope], oneOf: [], tokens, minTokens: tokens }
}

/** The most that any 60 seconds hold. */
function worst(admitted: readonly Admitted[], of: (each: Admitted) => number): number {
  const sums = admitted.map(({ atMs }) =>
    admitted.reduce((sum, each) => {
      return each.atMs > atMs - 60_000 && each.atMs <= atMs ? sum + of(each) : sum
    }, 0),
  )
  return Math.max(0, ...sums)
}

for (const count of [2, 8]) {
  const shared = (behaviour: string, run: (gateways: Gateways) => Promise<void>): void => {
    test(`${count} gateways: ${behaviour}`, { skip }, async () => run(await Gateways.start(server!, count)))
  }

  /** Each of them tries, one after the other, every so often. */
  async function load(
    gateways: Gateways,
    of: (index: number) => Demand,
    untilMs: number,
    stepMs: number,
  ): Promise<Admitted[][]> {
    const admitted: Admitted[][] = gateways.stores.map(() => [])
    for (let atMs = gateways.clock.now(); atMs < untilMs; atMs += stepMs) {
      await gateways.runTo(atMs)
      for (const [index, store] of gateways.stores.entries()) {
        const result = await store.reserve(of(index), atMs)
        await gateways.idle()
        if (result.kind !== 'admitted') continue
        const { tokens } = result.reservation
        store.settle(result.reservation, { requests: 1, tokens }, atMs)
        admitted[index]!.push({ atMs, tokens })
      }
    }
    return admitted
  }

  shared(
    'no 60 seconds hold more requests than the limit, all are used, and each has its part',
    async (gateways) => {
      const limits = demand({ rpm: 40 })
      const admitted = await load(gateways, () => limits, 150_000, 500)
      assert.ok(worst(admitted.flat(), () => 1) <= 40)
      assert.ok(admitted.flat().length >= 2 * 40, `${admitted.flat().length}`)
      for (const own of admitted) assert.ok(own.length >= 2, JSON.stringify(admitted))
    },
  )

  shared(
    'no 60 seconds hold more tokens than the limit, and neither large nor small calls are starved',
    async (gateways) => {
      const [large, little] = [demand({ tpm: 1_000 }, 900), demand({ tpm: 1_000 }, 20)]
      const admitted = await load(gateways, (index) => (index === 0 ? large : little), 300_000, 1_000)
      assert.ok(worst(admitted.flat(), ({ tokens }) => tokens) <= 1_000)
      for (const [index, calls] of admitted.entries())
        assert.ok(
          calls.length >= 1,
          `gateway ${index} got none: ${JSON.stringify(admitted.map((each) => each.map(({ atMs }) => atMs / 1000)))}`,
        )
    },
  )

  shared('what one does not use, another one gets', async (gateways) => {
    const limits = demand({ rpm: 40 })
    for (const store of gateways.stores) await store.reserve(limits, 0)
    const admitted = await load(gateways, () => limits, 1_000, 1_000)
    assert.equal(admitted.flat().length, count)
    const last = gateways.stores.at(-1)!
    let more = 0
    for (let tries = 0; tries < 100; tries++) {
      await gateways.runTo(gateways.clock.now() + 200)
      const result = await last.reserve(limits, gateways.clock.now())
      await gateways.idle()
      if (result.kind === 'admitted') more++
    }
    assert.equal(more, 40 - 2 * count)
  })

  shared('parallel slots are those of all, and one that comes free may be taken by any', async (gateways) => {
    const limits = demand({ maxParallelRequests: 2 })
    const [first, second] = [gateways.at(0), gateways.at(1)]
    const one = await first.reserve(limits, 0)
    const other = await second.reserve(limits, 0)
    assert.deepEqual([one.kind, other.kind], ['admitted', 'admitted'])
    for (const index of gateways.stores.keys()) {
      const refusal = await gateways.at(index).reserve(limits, 1)
      assert.ok(refusal.kind === 'limited')
      assert.deepEqual([refusal.dimension, refusal.limit, refusal.used], ['parallel', 2, 2])
    }
    assert.ok(one.kind === 'admitted')
    await first.settle(one.reservation, { requests: 1, tokens: 1 }, 2)
    await gateways.runTo(10_000)
    assert.equal((await gateways.at(count - 1).reserve(limits, 10_000)).kind, 'admitted')
  })

  shared('a lower limit after a reload holds for what all have used', async (gateways) => {
    const before = await load(gateways, () => demand({ rpm: 20 }), 5_000, 500)
    assert.ok(before.flat().length >= 18)
    const lower = demand({ rpm: 10 })
    const after = await load(gateways, () => lower, 130_000, 1_000)
    const late = after.flat().filter(({ atMs }) => atMs > 64_000)
    assert.ok(worst(after.flat(), () => 1) <= 10)
    assert.ok(late.length >= 10)
    assert.ok(after.flat().every(({ atMs }) => atMs >= 60_000))
  })

  shared('a call moves between providers that all share', async (gateways) => {
    const [p, q] = [providerScope('p', 1), providerScope('q', 1)]
    const on = (provider: Scope): Demand => ({ scopes: [], oneOf: [provider], tokens: 1, minTokens: 1 })
    const one = await gateways.at(0).reserve(on(p), 0)
    const other = await gateways.at(1).reserve(on(q), 0)
    assert.ok(one.kind === 'admitted' && other.kind === 'admitted')
    assert.equal(await gateways.at(0).move(one.reservation, [q], 1), false)
    await gateways.at(1).settle(other.reservation, { requests: 1, tokens: 1 }, 2)
    await gateways.runTo(4_000)
    assert.equal(await gateways.at(0).move(one.reservation, [q], 4_000), true)
    await gateways.runTo(8_000)
    assert.equal((await gateways.at(1).reserve(on(p), 8_000)).kind, 'admitted')
    assert.equal((await gateways.at(1).reserve(on(q), 8_000)).kind, 'limited')
  })

  for (const limits of [
    { rpm: 1_000, tpm: 100 },
    { rpm: 1_000, maxParallelRequests: 2 },
  ]) {
    const [, short] = Object.keys(limits)
    shared(`calls that are refused for want of ${short} do not ask each time`, async (gateways) => {
      const wish = demand(limits, 50)
      for (let call = 0; call < 2; call++)
        assert.equal((await gateways.at(0).reserve(wish, 0)).kind, 'admitted')
      assert.equal((await gateways.at(0).reserve(wish, 1)).kind, 'limited')
      const before = gateways.exchanges
      for (let call = 0; call < 20; call++)
        assert.equal((await gateways.at(0).reserve(wish, 2)).kind, 'limited')
      assert.equal(gateways.exchanges, before)
    })
  }

  for (const name of ['key:a', ownName]) {
    shared(`calls that the limits of ${name} refuse keep no other gateway from a model`, async (gateways) => {
      const client: Scope = { kind: 'client', name, limits: { rpm: 1 }, isMetered: true }
      const { scopes } = demand({ tpm: 100 })
      const call = (tokens: number): Demand => ({
        scopes: [client, ...scopes],
        oneOf: [],
        tokens,
        minTokens: 1,
      })
      assert.equal((await gateways.at(0).reserve(call(1), 0)).kind, 'admitted')
      for (let atMs = 1_000; atMs < 5_000; atMs += 500) {
        assert.equal((await gateways.at(0).reserve(call(100), atMs)).kind, 'limited')
        const other = await gateways.at(1).reserve(demand({ tpm: 100 }, 10), atMs)
        assert.equal(other.kind, 'admitted')
      }
    })
  }

  shared('what no gateway writes is removed from a scope, and of no effect', async (gateways) => {
    const zeros = ' 0'.repeat(6)
    const fields = [
      ['m:other', 'garbage'],
      ['m:other', `1 9e15 0 ${'9 '.repeat(6)}`],
      ['m:other', '1 1700000000000 0 9 9'],
      ['m:other', `1 1700000000000 0 nan inf${' 9'.repeat(4)}`],
      ['m:g0.1', `9007199254740991 1 0${zeros}`],
      ['m:g1.1', `1e300 1 0${zeros}`],
      ['w:other', 'garbage'],
      ['w:other', `1 9e15${' 9'.repeat(6)}`],
      ['x:other', 'garbage'],
    ] as const
    const scope = `{${gateways.prefix}}:s:model:m`
    let atMs = 0
    const fillLimit = async () => {
      const admitted = await load(gateways, () => demand({ rpm: 16 }), atMs + 2_000, 200)
      assert.equal(admitted.flat().length, 16)
      atMs += 70_000
      await gateways.runTo(atMs)
    }
    await fillLimit()
    for (const [field, text] of fields) await server!.client.hset(scope, field, text)
    await fillLimit()
    assert.equal((await server!.client.hmget(scope, 'm:other', 'w:other', 'x:other')).join(''), '')
    await server!.client.del(scope)
    await server!.client.set(scope, 'garbage')
    await fillLimit()
  })

  shared(
    'a server that only fails counts as one that is away, and that is reported once',
    async (gateways) => {
      const limits = demand({ rpm: 8 * count })
      for (const index of gateways.stores.keys()) await gateways.at(index).reserve(limits, 0)
      gateways.fault = new StoreFault('refused', 'ERR a fault', 'ERR')
      const admitted = await load(gateways, () => limits, 120_000, 500)
      for (const each of admitted) {
        const late = each.filter(({ atMs }) => atMs > 50_000)
        assert.ok(late.length >= 8, `${late.length} calls`)
        assert.ok(worst(each, () => 1) <= 8)
      }
      assert.ok(gateways.reported.length >= count && gateways.reported.length <= 3 * count)
      gateways.fault = undefined
      await gateways.runTo(200_000)
      assert.ok((await load(gateways, () => limits, 203_000, 100)).flat().length > 8)
    },
  )

  shared('while the server is away, what others used counts no longer than it may', async (gateways) => {
    const limits = demand({ rpm: 100, maxParallelRequests: 100 })
    const [scope] = limits.scopes
    for (const index of gateways.stores.keys()) await gateways.at(index).reserve(limits, 0)
    const use = async (atMs: number) => {
      const { requests, parallel, limitStatus } = await gateways.at(0).use(scope!, atMs)
      return [requests, parallel, limitStatus.requests?.remaining]
    }
    assert.deepEqual(await use(2_000), [count, count, 100 - count])
    gateways.isUp = false
    assert.deepEqual(await use(7_000), [count, 1, 100 - count])
    const later = await gateways.at(0).reserve(limits, 69_000)
    assert.deepEqual(later.limitStatus?.requests?.remaining, 99)
    assert.deepEqual(await use(70_000), [1, 2, 99])
  })

  shared('what has not changed is stated every other second, while its lease is valid', async (gateways) => {
    const slots: Demand = demand({ maxParallelRequests: 1 })
    const held = await gateways.at(0).reserve(slots, 0)
    assert.equal(held.kind, 'admitted')
    await gateways.runTo(1_000)
    for (const endMs of [10_000, 20_000]) {
      const before = gateways.exchanges
      await gateways.runTo(endMs)
      const sent = gateways.exchanges - before
      assert.ok(sent >= 4 && sent <= 6, `${sent} round trips`)
      assert.equal((await gateways.at(1).reserve(slots, endMs)).kind, 'limited')
    }
  })

  shared('a preferred provider that all share is asked for before another one is taken', async (gateways) => {
    const [p, own] = [providerScope('p', count), providerScope(ownName, undefined)]
    const wish: Demand = { scopes: [], oneOf: [p, own], tokens: 1, minTokens: 1 }
    for (const name of ['p', ownName]) {
      for (const index of gateways.stores.keys()) {
        const result = await gateways.at(index).reserve(wish, 0)
        assert.equal(result.kind === 'admitted' && result.reservation.choice?.name, name)
      }
    }
  })

  shared(
    'a refusal says by how much the limit is too low, whatever lies unused elsewhere',
    async (gateways) => {
      const limits = demand({ rpm: 2 })
      await gateways.at(0).reserve(limits, 0)
      await gateways.at(1).reserve(limits, 0)
      const refusal = await gateways.at(count - 1).reserve(limits, 0)
      assert.ok(refusal.kind === 'limited')
      assert.ok(refusal.used + refusal.requested > refusal.limit)
      assert.equal(refusal.limitStatus.requests?.remaining, 0)
    },
  )
}

test(
  'what a gateway no longer uses goes to the next one that asks, which is not refused meanwhile',
  { skip },
  async () => {
    const gateways = await Gateways.start(server!, 3)
    gateways.patienceMs = 15_000
    const limits: Demand = {
      scopes: [{ kind: 'model', name: 'm', limits: { maxParallelRequests: 1 }, isMetered: true }],
      oneOf: [],
      tokens: 1,
      minTokens: 1,
    }
    for (const index of [0, 1, 2, 0, 1, 2]) {
      const store = gateways.stores[index]!
      const reserving = store.reserve(limits, gateways.clock.now())
      // Gateways give something back 50 ms after they were last told of others at the soonest.
      const state = { isDone: false }
      void Promise.resolve(reserving).finally(() => (state.isDone = true))
      while (!state.isDone) await gateways.runTo(gateways.clock.now() + 1)
      const result = await reserving
      assert.equal(result.kind, 'admitted', `gateway ${index}`)
      if (result.kind === 'admitted')
        store.settle(result.reservation, { requests: 1, tokens: 1 }, gateways.clock.now())
    }
  },
)

test('a thousand busy keys need few round trips, and few at once', { skip }, async () => {
  const gateways = await Gateways.start(server!, 1)
  const wishes = Array.from({ length: 1_000 }, (_, index): Demand => {
    const scope: Scope = { kind: 'client', name: `key:${index}`, limits: { rpm: 10 }, isMetered: true }
    return { scopes: [scope], oneOf: [], tokens: 1, minTokens: 1 }
  })
  const [store] = gateways.stores
  const callAll = async () => {
    const results = wishes.map(async (wish) => store!.reserve(wish, gateways.clock.now()))
    await gateways.idle()
    for (const { kind } of await Promise.all(results)) assert.equal(kind, 'admitted')
  }
  const trips = async (run: () => Promise<void>) => {
    gateways.mostAtOnce = 0
    gateways.sizes.length = 0
    await run()
    const { sizes, mostAtOnce } = gateways
    const scopes = sizes.reduce((sum, size) => sum + size, 0)
    return { trips: sizes.length, largest: Math.max(...sizes), scopes, mostAtOnce }
  }
  assert.deepEqual(await trips(callAll), { trips: 50, largest: 20, scopes: 1_000, mostAtOnce: 2 })
  // What was asked for is in use now: that is news once, and then stated as often as leases need it.
  const renewed = { trips: 50, largest: 20, scopes: 1_000, mostAtOnce: 1 }
  assert.deepEqual(await trips(() => gateways.runTo(1_000)), renewed)
  await callAll()
  assert.deepEqual(await trips(() => gateways.runTo(2_000)), renewed)
})
