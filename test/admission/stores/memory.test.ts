import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { clientScope, modelScope } from '../../../src/admission/scopes.ts'
import { MemoryStore } from '../../../src/admission/stores/memory.ts'
import type { Demand } from '../../../src/admission/stores/store.ts'
import type { ModelLimits } from '../../../src/domain.ts'
import { testAdmissionStore } from '../../contracts/admission-store.ts'

testAdmissionStore('memory', () => new MemoryStore())

const limits: ModelLimits = { rpm: 3, tpm: 100, whenLimited: 'reject', maxWaitMs: 0 }
const scope = modelScope('m', limits)

function demand(of = limits): Demand {
  return { scopes: [modelScope('m', of)], oneOf: [], tokens: 10, minTokens: 5 }
}

test('what was saved is taken up again with its age, calls under way as reserved', () => {
  const before = new MemoryStore()
  before.reserve(demand(), 1000)
  const settled = before.reserve(demand(), 2000)
  assert.ok(settled.kind === 'admitted')
  before.settle(settled.reservation, { requests: 1, tokens: 30 }, 3000)
  const after = new MemoryStore()
  after.restore(before.dump(41_000), 5)
  const { requests, tokens, parallel } = after.use(scope, 20_004)
  assert.deepEqual([requests, tokens, parallel], [2, 40, 0])
  assert.equal(after.use(scope, 20_005).tokens, 30)
  assert.equal(after.use(scope, 21_005).tokens, 0)
})

test('a model without limits is counted, so that a reload that brings some finds the truth', () => {
  const store = new MemoryStore()
  const uncounted = { ...demand(), scopes: [modelScope('m', undefined)] }
  for (let count = 0; count < 3; count++) store.reserve(uncounted, count)
  assert.equal(store.reserve(demand(), 10).kind, 'limited')
})

test('a taken slot lets hope for as long as calls took, shared by those under way', () => {
  const store = new MemoryStore()
  const two = { ...limits, rpm: 100, tpm: 10_000, maxParallelRequests: 2 }
  const first = store.reserve(demand(two), 0)
  assert.ok(first.kind === 'admitted')
  store.settle(first.reservation, { requests: 1, tokens: 10 }, 8000)
  store.reserve(demand(two), 8000)
  store.reserve(demand(two), 8000)
  const refusal = store.reserve(demand(two), 8000)
  assert.ok(refusal.kind === 'limited')
  assert.equal(refusal.retryAfterMs, 4000)
})

test('a model that nobody has called stands at nothing, before and beside others', () => {
  const store = new MemoryStore()
  const { limitStatus, nextMs, ...counts } = store.use(scope, 5000)
  assert.deepEqual(counts, { requests: 0, tokens: 0, parallel: 0 })
  assert.deepEqual(nextMs, { requests: 0, tokens: 0 })
  assert.deepEqual(limitStatus.requests, { limit: 3, remaining: 3, resetMs: 0 })
  store.reserve(demand(), 1000)
  assert.equal(store.use(scope, 1000).requests, 1)
  assert.equal(store.use(modelScope('n', limits), 1000).requests, 0)
})

suite('clients', () => {
  const terms = { name: 'default', models: undefined, rpm: 1, budgets: [] }
  const of = (id: string) => clientScope({ id, terms })!
  const wanted = (id: string): Demand => ({ ...demand(), scopes: [of(id)] })

  test('are counted by the id of their key, else by their own', () => {
    assert.equal(clientScope({ id: 'user:ann' }), undefined)
    assert.equal(of('user:ann').name, 'client:user:ann')
    assert.equal(clientScope({ id: 'key:ci', keyId: 'k_1', terms })!.name, 'key:k_1')
    assert.equal(of('user:ann').limits, of('user:bob').limits)
  })

  test('of any number are counted exactly, while those that count nothing are forgotten', () => {
    const store = new MemoryStore()
    const all = Array.from({ length: 3_000 }, (_, index) => `ip:${index}`)
    const statuses = (nowMs: number) =>
      new Set(
        all.map((id) => {
          const result = store.reserve(wanted(id), nowMs)
          if (result.kind === 'admitted') store.settle(result.reservation, { requests: 1, tokens: 1 }, nowMs)
          return result.kind
        }),
      )
    assert.deepEqual(statuses(1), new Set(['admitted']))
    assert.deepEqual(statuses(60_000), new Set(['limited']))
    assert.deepEqual(statuses(60_001), new Set(['admitted']))
    assert.deepEqual(statuses(60_002), new Set(['limited']))
  })

  test('are saved and taken up again beside models', () => {
    const before = new MemoryStore()
    before.reserve({ ...demand(), scopes: [scope, of('user:ann')] }, 1000)
    const after = new MemoryStore()
    after.restore(before.dump(2000), 5)
    assert.equal(after.use(of('user:ann'), 6).requests, 1)
    assert.equal(after.use(scope, 6).requests, 1)
    assert.equal(after.use(of('user:bob'), 6).requests, 0)
  })
})
