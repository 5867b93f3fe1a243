// Calls that wait: order, claims, deadlines, departures, wake-ups.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { FairQueue } from '../../src/platform/fair-queue.ts'
import { providerScope } from '../../src/admission/scopes.ts'
import type { ModelLimits } from '../../src/domain.ts'
import { settled } from '../support/fake-clock.ts'
import { config, Scene } from './scene.ts'

test('twenty parallel calls on two slots all succeed, in the order of their arrival', async () => {
  const scene = new Scene({ maxParallelRequests: 2 })
  const names = Array.from({ length: 20 }, (_, index) => `a${index}`)
  for (const name of names) scene.call(name)
  await settled()
  assert.deepEqual(scene.admitted, ['a0', 'a1'])
  for (const name of names) await scene.finish(name)
  assert.deepEqual(scene.admitted, names)
})

test('clients take turns, whoever sends more', async () => {
  const scene = new Scene({ maxParallelRequests: 1 })
  for (const name of ['a0', 'a1', 'a2', 'a3', 'b1', 'b2', 'c1']) scene.call(name)
  const order = ['a0', 'a1', 'b1', 'c1', 'a2', 'b2', 'a3']
  for (const name of order) await scene.finish(name)
  assert.deepEqual(scene.admitted, order)
})

suite('programs of one client', () => {
  /** Of client `a`; each is named for its program. */
  function callAll(scene: Scene, names: readonly string[]): void {
    for (const name of names) scene.call(name, 10, { program: { number: Number(name.charAt(1)) } })
  }

  async function finishAll(scene: Scene, count: number): Promise<void> {
    for (let index = 0; index < count; index++) await scene.finish(scene.admitted[index]!)
  }

  test('take turns within those of their client', async () => {
    const scene = new Scene({ maxParallelRequests: 1 })
    callAll(scene, ['a1-1', 'a1-2', 'a1-3', 'a1-4', 'a2-1', 'a3-1', 'a2-2'])
    scene.call('b')
    await finishAll(scene, 8)
    assert.deepEqual(scene.admitted, ['a1-1', 'a2-1', 'b', 'a1-2', 'a3-1', 'a2-2', 'a1-3', 'a1-4'])
  })

  test('that have no call under way overtake one call of one that has, and no second time', async () => {
    const scene = new Scene({ maxParallelRequests: 1 })
    callAll(scene, ['a1-1', 'a1-2', 'a2-1', 'a3-1', 'a4-1'])
    await finishAll(scene, 5)
    assert.deepEqual(scene.admitted, ['a1-1', 'a2-1', 'a1-2', 'a3-1', 'a4-1'])
  })

  test('share one turn beyond the sixteenth', () => {
    const queue = new FairQueue<string>()
    for (let program = 1; program <= 20; program++) queue.add('a', `first of ${program}`, program)
    queue.add('a', 'second of 20', 20)
    queue.add('a', 'second of 1', 1)
    const order: string[] = []
    for (let item = queue.first(); item !== undefined; item = queue.first()) {
      order.push(item)
      queue.passTurn()
      queue.remove('a', item)
    }
    assert.deepEqual(order.slice(0, 19), [
      ...Array.from({ length: 16 }, (_, index) => `first of ${index + 1}`),
      'first of 17',
      'second of 1',
      'first of 18',
    ])
    assert.equal(queue.length, 0)
  })

  test('do not keep one another out of a full line', async () => {
    const scene = new Scene({ maxParallelRequests: 1 })
    callAll(
      scene,
      Array.from({ length: 31 }, (_, index) => `a1-${index}`),
    )
    callAll(scene, ['a1-31', 'a2-1'])
    await settled()
    assert.equal(scene.outcome('a1-31'), 'limited')
    assert.equal(scene.outcome('a1-30'), 'limited')
    assert.equal(scene.outcome('a2-1'), 'waiting')
  })
})

test('a waiting call is admitted at the exact moment when it fits, woken by one timer', async () => {
  const scene = new Scene({ rpm: 1 })
  scene.call('a1')
  await scene.advance(100)
  scene.call('b1')
  scene.call('b2')
  assert.equal(scene.clock.pendingTimers, 1)
  await scene.advance(59_899)
  assert.equal(scene.outcome('b1'), 'waiting')
  await scene.advance(1)
  assert.equal(scene.hold('b1').waitedMs, 59_900)
  assert.equal(scene.outcome('b2'), 'waiting')
})

test('tokens that are given back wake the line at once', async () => {
  const scene = new Scene({ tpm: 100 })
  scene.call('a1', 90)
  scene.call('b1', 60)
  scene.hold('a1').settle({ kind: 'used', tokens: 40 })
  await settled()
  assert.equal(scene.hold('b1').waitedMs, 0)
})

test('a large call keeps its claim: small ones that come later do not overtake it', async () => {
  const scene = new Scene({ tpm: 100 })
  scene.call('a1', 60)
  await scene.advance(1000)
  scene.call('b1', 90)
  for (let count = 0; count < 20; count++) {
    scene.call(`c${count}`, 5)
    await scene.advance(1000)
  }
  assert.deepEqual(scene.admitted, ['a1'])
  await scene.advance(39_000)
  assert.deepEqual(scene.admitted.slice(0, 2), ['a1', 'b1'])
})

test('a call that comes when there is room does not overtake the line', async () => {
  const scene = new Scene({ tpm: 100 })
  scene.call('a1', 60)
  scene.call('b1', 50)
  scene.call('c1', 40)
  await settled()
  assert.equal(scene.outcome('c1'), 'waiting')
})

test('a call that has waited its time is refused with the exact time that is left', async () => {
  const scene = new Scene({ rpm: 1, maxWaitMs: 20_000 })
  scene.call('a1')
  scene.call('b1')
  await scene.advance(19_999)
  assert.equal(scene.outcome('b1'), 'waiting')
  await scene.advance(1)
  const { decision } = scene.calls.get('b1')!
  assert.ok(decision?.kind === 'limited')
  assert.deepEqual([decision.retryAfterMs, decision.waitedMs], [40_000, 20_000])
  assert.equal(scene.clock.pendingTimers, 0)
})

test('when the call whose turn it is gives up, the next is looked at at once', async () => {
  const scene = new Scene({ tpm: 100 })
  scene.call('a1', 60)
  scene.call('b1', 90)
  scene.call('c1', 30)
  scene.leave('b1')
  await settled()
  assert.deepEqual([scene.outcome('b1'), scene.outcome('c1')], ['gone', 'admitted'])
})

test('a call whose client leaves costs nothing and holds nobody up', async () => {
  const scene = new Scene({ rpm: 1 })
  scene.call('a1')
  scene.call('b1')
  scene.call('c1')
  scene.leave('b1')
  await scene.advance(60_000)
  assert.deepEqual(scene.admitted, ['a1', 'c1'])
  const [report] = await scene.admission.describe(['m'])
  assert.deepEqual([report?.used.requests, report?.waiting], [1, 0])
})

test('nobody listens to a disconnect once the wait is over', async () => {
  const scene = new Scene({ maxParallelRequests: 1 })
  scene.call('a1')
  scene.call('b1')
  assert.notEqual(scene.calls.get('b1')!.disconnect.onGone, undefined)
  await scene.finish('a1')
  assert.equal(scene.calls.get('b1')!.disconnect.onGone, undefined)
})

test('a full line refuses with the longer of its own wait and that of the line', async () => {
  const scene = new Scene({ tpm: 100 })
  scene.call('a1', 100)
  for (let count = 0; count < 30; count++) scene.call(`b${count}`, 50)
  scene.call('b30', 1)
  await settled()
  const { decision } = scene.calls.get('b30')!
  assert.ok(decision?.kind === 'limited')
  assert.deepEqual([decision.dimension, decision.retryAfterMs], ['tokens', 60_000])
})

test('in a full line the newest call of the client with the most gives way to another client', async () => {
  const scene = new Scene({ maxParallelRequests: 1 })
  scene.call('a0')
  for (let count = 0; count < 20; count++) scene.call(`b${count}`)
  for (let count = 0; count < 10; count++) scene.call(`c${count}`)
  scene.call('d0')
  await settled()
  assert.deepEqual(
    ['b18', 'b19', 'c9', 'd0'].map((name) => scene.outcome(name)),
    ['waiting', 'limited', 'waiting', 'waiting'],
  )
  const { decision } = scene.calls.get('b19')!
  assert.ok(decision?.kind === 'limited' && decision.retryAfterMs > 0)
})

test('a full line is shared evenly in the end, and nobody gives way for a client with as many', async () => {
  const scene = new Scene({ maxParallelRequests: 1 })
  scene.call('a0')
  for (let count = 0; count < 30; count++) scene.call(`b${count}`)
  for (let count = 0; count < 30; count++) scene.call(`c${count}`)
  for (let count = 30; count < 60; count++) scene.call(`b${count}`)
  await settled()
  const waitingOf = (client: string) =>
    [...scene.calls.keys()].filter((name) => name.startsWith(client) && scene.outcome(name) === 'waiting')
  assert.equal(waitingOf('b').length, 15)
  assert.equal(waitingOf('c').length, 15)
})

test('what can never fit does not wait', () => {
  const scene = new Scene({ tpm: 100 })
  const disconnect = { isGone: false, onGone: undefined }
  const of = { client: { id: 'a' }, model: 'm', tokens: 200, minTokens: 200, providers: [], disconnect }
  const decision = scene.admission.reserve(of)
  assert.ok(!(decision instanceof Promise) && decision.kind === 'too_large')
})

test('a shutdown sends all who wait away and stops the timer', async () => {
  const scene = new Scene({ rpm: 1 })
  for (const name of ['a1', 'b1', 'c1']) scene.call(name)
  scene.admission.close()
  await settled()
  assert.deepEqual([scene.outcome('b1'), scene.outcome('c1')], ['shutting_down', 'shutting_down'])
  assert.equal(scene.clock.pendingTimers, 0)
})

test('a reload that raises the limit lets in who fits now', async () => {
  const scene = new Scene({ rpm: 1 })
  for (const name of ['a1', 'b1', 'c1']) scene.call(name)
  scene.admission.applyLimits(config({ rpm: 2 }))
  await settled()
  assert.deepEqual(scene.admitted, ['a1', 'b1'])
})

test('a reload that turns waiting off keeps who waits already and refuses who comes', async () => {
  const scene = new Scene({ rpm: 1 })
  scene.call('a1')
  scene.call('b1')
  scene.admission.applyLimits(config({ rpm: 1, whenLimited: 'reject' }))
  scene.call('c1')
  await settled()
  assert.deepEqual([scene.outcome('b1'), scene.outcome('c1')], ['waiting', 'limited'])
  await scene.advance(60_000)
  assert.equal(scene.outcome('b1'), 'admitted')
})

test("a provider's slot that gets free goes to the model whose call has waited longest", async () => {
  const scene = new Scene({ rpm: 10 })
  const other: [string, ModelLimits] = ['o', { whenLimited: 'wait', maxWaitMs: 60_000 }]
  scene.admission.applyLimits(config({ rpm: 10 }, [other]))
  const providers = [providerScope('p', 1)]
  scene.call('a1', 1, { providers })
  scene.call('x1', 1, { model: 'o', providers })
  scene.leave('x1')
  for (const [name, model] of Object.entries({ b1: 'm', c1: 'o', d1: 'm' })) {
    await scene.advance(1)
    scene.call(name, 1, { model, providers })
  }
  for (const name of ['a1', 'b1', 'c1']) await scene.finish(name)
  assert.deepEqual(scene.admitted, ['a1', 'b1', 'c1', 'd1'])
})

test('a line waits for a slot without a timer but for the longest wait', async () => {
  const scene = new Scene({ maxParallelRequests: 1, maxWaitMs: 50_000 })
  scene.call('a1')
  scene.call('b1')
  await scene.advance(49_999)
  assert.equal(scene.outcome('b1'), 'waiting')
  await scene.advance(1)
  assert.equal(scene.outcome('b1'), 'limited')
})
