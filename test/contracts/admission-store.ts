// What every AdmissionStore keeps. Each implementation's test file runs this; time is the given clock's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modelScope, providerScope, type Scope } from '../../src/admission/scopes.ts'
import type { AdmissionStore, Demand, Limited, Reservation } from '../../src/admission/stores/store.ts'
import type { ModelLimits } from '../../src/domain.ts'

const limits: ModelLimits = {
  rpm: 3,
  tpm: 100,
  maxParallelRequests: 2,
  whenLimited: 'reject',
  maxWaitMs: 0,
}
const used = (tokens: number): { requests: 1; tokens: number } => ({ requests: 1, tokens })
const refund = { requests: 0, tokens: 0 } as const

interface Wanted {
  readonly model?: string
  /** null: the model has none. */
  readonly limits?: ModelLimits | null
  readonly providers?: readonly Scope[]
  readonly tokens?: number
  readonly minTokens?: number
}

function demand(of: Wanted = {}): Demand {
  const { model = 'm', providers = [], tokens = 10, minTokens = 5 } = of
  const scope = modelScope(model, of.limits === null ? undefined : (of.limits ?? limits))
  return { scopes: [scope], oneOf: providers, tokens, minTokens }
}

export function testAdmissionStore(name: string, make: () => AdmissionStore): void {
  const contract = (behaviour: string, run: (store: AdmissionStore) => Promise<void>): void => {
    test(`${name}: ${behaviour}`, () => run(make()))
  }

  async function admit(store: AdmissionStore, of: Demand, nowMs: number): Promise<Reservation> {
    const verdict = await store.reserve(of, nowMs)
    assert.equal(verdict.kind, 'admitted')
    return verdict.reservation
  }

  async function refuse(store: AdmissionStore, of: Demand, nowMs: number): Promise<Limited> {
    const verdict = await store.reserve(of, nowMs)
    assert.equal(verdict.kind, 'limited')
    return verdict
  }

  contract('admits up to the request limit and again when the first has left', async (store) => {
    for (const time of [0, 1000, 2000]) await store.settle(await admit(store, demand(), time), used(0), time)
    const refusal = await refuse(store, demand(), 3000)
    assert.equal(refusal.dimension, 'requests')
    assert.deepEqual([refusal.limit, refusal.used, refusal.requested], [3, 3, 1])
    assert.equal(refusal.retryAfterMs, 57_000)
    await refuse(store, demand(), 59_999)
    await admit(store, demand(), 60_000)
  })

  contract('refuses by tokens with the exact wait, and takes the longer of two waits', async (store) => {
    await store.settle(await admit(store, demand({ tokens: 10 }), 0), used(10), 0)
    await store.settle(await admit(store, demand({ tokens: 60 }), 500), used(60), 500)
    const refusal = await refuse(store, demand({ tokens: 50 }), 1000)
    assert.equal(refusal.dimension, 'tokens')
    assert.deepEqual([refusal.limit, refusal.used, refusal.requested], [100, 70, 50])
    assert.equal(refusal.retryAfterMs, 59_500)
  })

  contract('a refusal costs nothing in any dimension', async (store) => {
    await admit(store, demand({ tokens: 95 }), 0)
    for (let count = 0; count < 1000; count++) await refuse(store, demand({ tokens: 10 }), 1)
    const use = await store.use(modelScope('m', limits), 1)
    assert.deepEqual([use.requests, use.tokens, use.parallel], [1, 95, 1])
  })

  contract('a refusal for want of a slot takes no request, no tokens and no other slot', async (store) => {
    const providers = [providerScope('p', 1)]
    await admit(store, demand({ providers }), 0)
    const refusal = await refuse(store, demand({ providers }), 0)
    assert.deepEqual(
      [refusal.dimension, refusal.scope.name, refusal.limit, refusal.used],
      ['parallel', 'p', 1, 1],
    )
    const use = await store.use(modelScope('m', limits), 0)
    assert.deepEqual([use.requests, use.tokens, use.parallel], [1, 10, 1])
  })

  contract('a refusal of the window takes no slot', async (store) => {
    const providers = [providerScope('p', 1)]
    await store.settle(await admit(store, demand({ tokens: 100 }), 0), used(100), 0)
    await refuse(store, demand({ providers }), 1)
    const other = await store.reserve(demand({ model: 'other', providers, limits: null }), 1)
    assert.equal(other.kind, 'admitted')
  })

  contract('the model has as many slots as its limit says, and a settled call frees one', async (store) => {
    const first = await admit(store, demand(), 0)
    await admit(store, demand(), 0)
    const refusal = await refuse(store, demand(), 0)
    assert.deepEqual([refusal.dimension, refusal.scope.name], ['parallel', 'm'])
    await store.settle(first, used(10), 1)
    await admit(store, demand(), 1)
  })

  contract('takes the first provider with a free slot', async (store) => {
    const providers = [providerScope('p', 1), providerScope('q', undefined)]
    assert.equal((await admit(store, demand({ providers }), 0)).choice?.name, 'p')
    assert.equal((await admit(store, demand({ providers }), 0)).choice?.name, 'q')
  })

  contract('a move changes the provider slot and nothing else', async (store) => {
    const p = providerScope('p', 1)
    const q = providerScope('q', 1)
    const first = await admit(store, demand({ providers: [p] }), 0)
    const second = await admit(store, demand({ providers: [q] }), 0)
    assert.equal(await store.move(first, [q], 1), false)
    assert.equal(first.choice?.name, 'p')
    assert.equal(await store.move(first, [q, p], 1), true)
    assert.equal(first.choice?.name, 'p')
    await store.settle(second, used(10), 1)
    assert.equal(await store.move(first, [q], 2), true)
    assert.equal(first.choice?.name, 'q')
    const use = await store.use(modelScope('m', limits), 2)
    assert.deepEqual([use.requests, use.tokens, use.parallel], [2, 20, 1])
    const third = await store.reserve(demand({ model: 'other', providers: [p], limits: null }), 2)
    assert.equal(third.kind, 'admitted')
  })

  contract('only the first settle counts', async (store) => {
    const reservation = await admit(store, demand(), 0)
    await store.settle(reservation, used(30), 1)
    await store.settle(reservation, used(90), 2)
    await store.settle(reservation, refund, 3)
    const use = await store.use(modelScope('m', limits), 4)
    assert.deepEqual([use.requests, use.tokens, use.parallel], [1, 30, 0])
  })

  contract('a refund gives all back', async (store) => {
    await store.settle(await admit(store, demand(), 0), refund, 1)
    const use = await store.use(modelScope('m', limits), 1)
    assert.deepEqual([use.requests, use.tokens, use.parallel], [0, 0, 0])
  })

  contract('over-use is debt that holds further calls off', async (store) => {
    await store.settle(await admit(store, demand(), 0), used(500), 1)
    const refusal = await refuse(store, demand(), 2)
    assert.deepEqual([refusal.used, refusal.retryAfterMs], [500, 59_998])
    assert.equal(refusal.limitStatus.tokens?.remaining, 0)
  })

  contract('a call that grows holds further ones off before it is settled', async (store) => {
    const reservation = await admit(store, demand({ tokens: 10 }), 0)
    await store.grow(reservation, 95, 1000)
    assert.equal(reservation.tokens, 95)
    const refusal = await refuse(store, demand({ tokens: 10 }), 1000)
    assert.deepEqual([refusal.dimension, refusal.used, refusal.retryAfterMs], ['tokens', 95, 59_000])
    await store.settle(reservation, used(40), 2000)
    await admit(store, demand({ tokens: 60 }), 2000)
  })

  contract('a call grows beyond the whole limit, for its tokens are used', async (store) => {
    const reservation = await admit(store, demand(), 0)
    await store.grow(reservation, 500, 1)
    const use = await store.use(modelScope('m', limits), 1)
    assert.deepEqual([use.requests, use.tokens, use.parallel], [1, 500, 1])
    assert.equal(use.limitStatus.tokens?.remaining, 0)
  })

  contract('growing never lowers a charge, nor touches a settled one, nor frees anything', async (store) => {
    let freed = 0
    store.onFreed = () => freed++
    const reservation = await admit(store, demand({ tokens: 50 }), 0)
    await store.grow(reservation, 20, 1)
    await store.grow(reservation, 60, 1)
    assert.deepEqual([(await store.use(modelScope('m', limits), 1)).tokens, freed], [60, 0])
    await store.settle(reservation, used(30), 2)
    await store.grow(reservation, 90, 3)
    assert.equal((await store.use(modelScope('m', limits), 3)).tokens, 30)
  })

  contract('what a call grows by after 60 seconds counts from then on', async (store) => {
    const reservation = await admit(store, demand({ tokens: 10 }), 0)
    await store.grow(reservation, 60, 70_000)
    const use = await store.use(modelScope('m', limits), 70_000)
    assert.deepEqual([use.requests, use.tokens], [0, 50])
    await store.settle(reservation, used(40), 80_000)
    assert.equal((await store.use(modelScope('m', limits), 80_000)).tokens, 30)
    assert.equal((await store.use(modelScope('m', limits), 140_000)).tokens, 0)
  })

  contract('refuses for good only what surely exceeds the whole limit', async (store) => {
    assert.equal((await store.reserve(demand({ tokens: 150, minTokens: 101 }), 0)).kind, 'too_large')
    const reservation = await admit(store, demand({ tokens: 150, minTokens: 100 }), 0)
    assert.equal(reservation.tokens, 100)
    assert.equal((await refuse(store, demand({ tokens: 1 }), 1)).dimension, 'tokens')
  })

  contract('probing says what reserve would and changes nothing', async (store) => {
    assert.equal(await store.probe(demand(), 0), undefined)
    assert.equal(await store.probe(demand(), 0), undefined)
    await admit(store, demand({ tokens: 95 }), 0)
    assert.deepEqual(await store.probe(demand(), 1), await store.reserve(demand(), 1))
  })

  contract('models count by themselves', async (store) => {
    await admit(store, demand({ tokens: 100 }), 0)
    assert.equal((await store.reserve(demand({ model: 'other' }), 0)).kind, 'admitted')
  })

  contract('says when something was given back, and only then', async (store) => {
    let freed = 0
    store.onFreed = () => freed++
    const reservation = await admit(store, demand({ tokens: 95 }), 0)
    await refuse(store, demand(), 0)
    assert.equal(freed, 0)
    await store.settle(reservation, used(5), 0)
    assert.equal(freed, 1)
    await store.settle(reservation, used(5), 0)
    assert.equal(freed, 1)
  })

  contract('changed limits apply to what has been counted', async (store) => {
    await admit(store, demand(), 0)
    await admit(store, demand(), 0)
    const lower = { ...limits, rpm: 1 }
    const verdict = await store.reserve(demand({ limits: lower }), 1)
    assert.equal(verdict.kind, 'limited')
    assert.equal(verdict.retryAfterMs, 59_999)
    const higher = { ...limits, rpm: 100_000, maxParallelRequests: 100 }
    assert.equal((await store.reserve(demand({ limits: higher }), 1)).kind, 'admitted')
    assert.equal((await store.use(modelScope('m', higher), 1)).requests, 3)
  })

  contract('the limitStatus counts the admitted call and the time to an empty window', async (store) => {
    const verdict = await store.reserve(demand(), 0)
    assert.deepEqual(verdict.kind === 'admitted' && verdict.limitStatus, {
      requests: { limit: 3, remaining: 2, resetMs: 60_000 },
      tokens: { limit: 100, remaining: 90, resetMs: 60_000 },
    })
    const { limitStatus } = await store.use(modelScope('m', limits), 20_000)
    assert.equal(limitStatus.tokens?.resetMs, 40_000)
  })

  const team = { ...modelScope('team', { ...limits, rpm: 2 }), kind: 'model' } as const
  const both = (tokens = 10): Demand => ({ ...demand({ tokens }), scopes: [modelScope('m', limits), team] })

  contract('a call of several scopes is admitted to all of them or to none', async (store) => {
    await admit(store, both(), 0)
    await admit(store, { ...demand(), scopes: [team] }, 0)
    const refusal = await refuse(store, both(), 0)
    assert.deepEqual([refusal.dimension, refusal.scope.name, refusal.limit], ['requests', 'team', 2])
    assert.deepEqual([(await store.use(modelScope('m', limits), 0)).requests], [1])
    await admit(store, demand(), 0)
  })

  contract('of several refusals the one that lasts longest is told', async (store) => {
    await store.settle(await admit(store, { ...demand({ tokens: 95 }) }, 0), used(95), 0)
    for (const time of [1000, 2000]) {
      await store.settle(await admit(store, { ...demand(), scopes: [team] }, time), used(10), time)
    }
    const refusal = await refuse(store, both(), 3000)
    assert.deepEqual([refusal.scope.name, refusal.retryAfterMs], ['team', 58_000])
  })

  contract('a call is settled, grown and given back in all of its scopes', async (store) => {
    const reservation = await admit(store, both(), 0)
    await store.grow(reservation, 30, 1)
    for (const scope of both().scopes) assert.equal((await store.use(scope, 1)).tokens, 30)
    await store.settle(reservation, used(20), 2)
    for (const scope of both().scopes) {
      const use = await store.use(scope, 2)
      assert.deepEqual([use.requests, use.tokens, use.parallel], [1, 20, 0])
    }
  })

  contract('of several scopes the one with the least left is told', async (store) => {
    const result = await store.reserve(both(), 0)
    assert.ok(result.kind === 'admitted')
    assert.deepEqual([result.limitStatus.requests?.limit, result.limitStatus.requests?.remaining], [2, 1])
  })

  contract('a provider with limits of its own is passed over while it has no room', async (store) => {
    const p: Scope = { ...providerScope('p', undefined), limits: { rpm: 1 }, isMetered: true }
    const q = providerScope('q', undefined)
    const first = await admit(store, demand({ providers: [p, q] }), 0)
    const second = await admit(store, demand({ providers: [p, q] }), 0)
    assert.deepEqual([first.choice?.name, second.choice?.name], ['p', 'q'])
    assert.equal(await store.move(first, [q], 1), true)
    assert.equal(await store.move(second, [p], 1), true)
  })
}
