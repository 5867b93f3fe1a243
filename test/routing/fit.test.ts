// Calls go where they fit: the owner of limits orders targets by what is known of them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AdmissionRequest, AdmissionResult, Hold } from '../../src/call/coordinator.ts'
import { a, b, request, startOwner } from '../contracts/coordinator.ts'

type Scene = ReturnType<typeof startOwner>

function held(result: AdmissionResult | Promise<AdmissionResult>): Hold {
  assert.ok(!(result instanceof Promise) && result.kind === 'admitted')
  return result.hold
}

/** The provider that a call with a prompt of so many bytes goes to, and the next one. */
function placed({ owner }: Scene, textBytes: number, of: Partial<AdmissionRequest> = {}): string[] {
  const asked = request(of)
  const hold = held(owner.admit({ ...asked, size: { ...asked.size, textBytes } }))
  hold.settle({ kind: 'unsent' })
  return [hold.target, ...hold.targets.slice(1)].map(({ provider }) => provider)
}

const listed = (scene: Scene, provider: string, known: object) =>
  scene.owner.serverFacts.setListed(provider, new Map([['m', known]]))

describe('a prompt', () => {
  test('that grows moves to the larger context before the smaller one would refuse it', () => {
    const scene = startOwner()
    listed(scene, 'a', { contextLength: 1000 })
    listed(scene, 'b', { contextLength: 4000 })
    // Some four bytes a token.
    const places = [400, 1200, 3600, 8000].map((bytes) => placed(scene, bytes))
    assert.deepEqual(places, [
      ['a', 'b'],
      ['a', 'b'],
      ['b', 'a'],
      ['b', 'a'],
    ])
  })

  test('that fits nowhere is left to the servers', () => {
    const scene = startOwner()
    for (const provider of ['a', 'b']) listed(scene, provider, { contextLength: 100 })
    assert.deepEqual(placed(scene, 80_000), ['a', 'b'])
  })

  test('may go to a server whose context is not known', () => {
    const scene = startOwner()
    listed(scene, 'a', { contextLength: 100 })
    assert.deepEqual(placed(scene, 80_000), ['b', 'a'])
  })

  test('leaves room for the answer, but for no more than a quarter of the context', () => {
    const scene = startOwner()
    listed(scene, 'a', { contextLength: 1000 })
    const { size } = request()
    const place = (maxOutputTokens: number) => placed(scene, 2100, { size: { ...size, maxOutputTokens } })[0]
    assert.deepEqual([place(10), place(100_000)], ['a', 'a'])
    listed(scene, 'a', { contextLength: 860 })
    assert.deepEqual([place(10), place(100_000)], ['a', 'b'])
  })
})

describe('what a call needs', () => {
  const takes = (...abilities: ('image' | 'text' | 'tools')[]) => ({ takes: new Set(abilities) })

  test('decides before tiers do', () => {
    const scene = startOwner()
    listed(scene, 'a', takes('text', 'tools'))
    listed(scene, 'b', takes('text', 'image'))
    assert.deepEqual(placed(scene, 9, { needs: [] }), ['a', 'b'])
    assert.deepEqual(placed(scene, 9, { needs: ['tools'] }), ['a', 'b'])
    assert.deepEqual(placed(scene, 9, { needs: ['image'] }), ['b', 'a'])
    assert.deepEqual(placed(scene, 9, { needs: ['image', 'tools'] }), ['a', 'b'])
  })

  test('is looked for only where it can decide', () => {
    const scene = startOwner()
    assert.equal(scene.owner.asksNeeds([a, b]), false)
    listed(scene, 'b', takes('text'))
    assert.equal(scene.owner.asksNeeds([a, b]), true)
  })
})

describe('a model whose only target a call does not fit', () => {
  test('is left for the end where a fallback may answer', async () => {
    const { owner } = startOwner()
    owner.serverFacts.setListed('a', new Map([['m', { contextLength: 10 }]]))
    const result = await owner.admit(request({ targets: [a], skipsFailing: true }))
    assert.equal(result.kind, 'all_failing')
    held(owner.admit(request({ targets: [a] }))).settle({ kind: 'unsent' })
  })
})

test('a target that a call does not fit gets none of its slots while another one is busy', () => {
  const scene = startOwner()
  const { owner } = scene
  const providers = ['a', 'b'].map((name) => ({ name, isLocal: false, maxParallelRequests: 1 }))
  const limits = { whenLimited: 'reject', maxWaitMs: 60_000 } as const
  const rateLimits = {
    enabled: true,
    perClientRpm: undefined,
    perClientMaxWaitMs: 0,
    default: limits,
    limits: new Map(),
  }
  owner.follow({ providers: new Map(), routing: { cooldownMs: 1000 }, rateLimits }, providers)
  listed(scene, 'a', { contextLength: 10 })
  const first = held(owner.admit(request()))
  assert.equal(first.target.provider, 'b')
  assert.equal((owner.admit(request()) as AdmissionResult).kind, 'limited')
  // By a failed attempt, it may still be asked: the estimate may be wrong.
  assert.equal(first.moveTo([a]), a)
})
