import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { Scene, type TestCall } from './scene.ts'

const group = { gpu0: { members: ['qwen', 'gemma'] } }
const failureOf = (call: TestCall) => (call.entry?.kind === 'not_started' ? call.entry.failure : undefined)

async function busyScene(qwen = {}, gemma = {}): Promise<{ scene: Scene; call: TestCall }> {
  const scene = new Scene({ qwen, gemma }, group)
  const call = scene.call('qwen')
  await scene.clock.run(500)
  assert.equal(call.visit?.isValid, true)
  return { scene, call }
}

suite('of a group with one place', () => {
  test('one without callers goes for another as soon as its last call is a second ago', async () => {
    const { scene, call } = await busyScene()
    const other = scene.call('gemma')
    await scene.clock.run(5000)
    assert.equal(other.entry, undefined)
    call.visit!.leave()
    await scene.clock.run(990)
    assert.equal(scene.stateOf('qwen'), 'ready')
    await scene.clock.run(20)
    assert.equal(scene.stateOf('qwen'), 'stopping')
    await scene.clock.run(500)
    assert.equal(other.visit?.isValid, true)
    assert.deepEqual(scene.units.running, ['gemma'])
  })

  test('one goes for none that cannot be loaded', async () => {
    const behaviour = { load: 'masked', refusesStart: 'masked' }
    const { scene, call } = await busyScene({}, { behaviour })
    call.visit!.leave()
    await scene.clock.run(2000)
    const other = scene.call('gemma')
    await scene.clock.run(500)
    assert.equal(failureOf(other)?.result, 'masked')
    assert.deepEqual([scene.stateOf('qwen'), scene.stateOf('gemma')], ['ready', 'failed'])
    delete (scene.units.behaviourOf('gemma') as { load?: string }).load
    delete (scene.units.behaviourOf('gemma') as { refusesStart?: string }).refusesStart
    scene.units.look()
    await scene.clock.run(1000)
    const later = scene.call('gemma')
    await scene.clock.run(500)
    assert.equal(later.visit?.isValid, true)
  })

  test('one with callers stays for min_run_ms, and then goes at a moment without a visit', async () => {
    const { scene, call } = await busyScene()
    let visit = call.visit!
    const other = scene.call('gemma')
    while (scene.pool.isOpen('qwen') && scene.clock.now() < 40_000) {
      await scene.clock.run(500)
      visit.leave()
      await scene.clock.run(10)
      if (!scene.pool.isOpen('qwen')) break
      visit = scene.call('qwen').visit!
    }
    assert.ok(scene.clock.now() > 30_500 && scene.clock.now() < 32_500, String(scene.clock.now()))
    await scene.clock.run(500)
    assert.equal(other.visit?.isValid, true)
  })

  test('one that is never without a visit drains from max_run_ms on, and no call is cut', async () => {
    const { scene, call } = await busyScene()
    const other = scene.call('gemma')
    await scene.clock.run(310_000)
    assert.equal(scene.stateOf('qwen'), 'draining')
    assert.equal(call.visit!.isValid, true)
    assert.deepEqual(scene.units.running, ['qwen'])
    const late = scene.call('qwen')
    await scene.clock.run(100)
    assert.equal(late.entry, undefined)
    call.visit!.leave()
    await scene.clock.run(500)
    assert.equal(other.visit?.isValid, true)
    assert.equal(late.entry, undefined)
  })

  test('one that drains is ready again when nobody waits any more, and lets in who waits for it', async () => {
    const { scene, call } = await busyScene()
    const other = scene.call('gemma')
    await scene.clock.run(310_000)
    const late = scene.call('qwen')
    other.caller.leave()
    await scene.clock.run(0)
    assert.equal(scene.stateOf('qwen'), 'ready')
    assert.equal(late.visit?.isValid, true)
    assert.equal(call.visit!.isValid, true)
  })

  test('a call in line is refused after max_run_ms and start_timeout_ms, for the group', async () => {
    const { scene } = await busyScene()
    const other = scene.call('gemma')
    await scene.clock.run(419_999)
    assert.equal(other.entry, undefined)
    await scene.clock.run(1)
    assert.equal(failureOf(other)?.result, 'busy')
    assert.equal(failureOf(other)?.group, 'gpu0')
  })

  test('a call in line waits no longer than its caller may', async () => {
    const { scene } = await busyScene()
    const other = scene.call('gemma', 'b', { maxWaitMs: 2000 })
    await scene.clock.run(2000)
    assert.equal(failureOf(other)?.result, 'busy')
    assert.equal(scene.stateOf('qwen'), 'ready')
  })

  test('one that is kept never goes', async () => {
    const scene = new Scene({ qwen: { isKept: true }, gemma: {} }, group)
    scene.call('qwen').visit?.leave()
    await scene.clock.run(500)
    const other = scene.call('gemma')
    await scene.clock.run(500_000)
    assert.equal(failureOf(other)?.result, 'busy')
    assert.deepEqual(scene.units.commands, ['start qwen'])
  })

  test('the place is free once the unit of one that fails is down', async () => {
    const behaviour = { loadMs: Infinity, stopMs: 3000 }
    const scene = new Scene({ qwen: { startTimeoutMs: 5000, behaviour }, gemma: {} }, group)
    scene.call('qwen')
    const other = scene.call('gemma')
    await scene.clock.run(6000)
    assert.equal(scene.stateOf('qwen'), 'failed')
    assert.deepEqual(scene.units.running, ['qwen'])
    await scene.clock.run(4000)
    assert.equal(other.visit?.isValid, true)
  })

  test('who waits for the place of one that takes 90 s to stop gets it then', async () => {
    const { scene, call } = await busyScene({ behaviour: { stopMs: 90_000 } })
    call.visit!.leave()
    const other = scene.call('gemma')
    await scene.clock.run(2000)
    const same = scene.call('qwen', 'b')
    await scene.clock.run(80_000)
    assert.deepEqual(scene.units.running, ['qwen'])
    assert.equal(other.entry, undefined)
    await scene.clock.run(10_000)
    assert.equal(other.visit?.isValid, true)
    assert.deepEqual(scene.units.running, ['gemma'])
    assert.equal(same.entry, undefined)
  })

  test('one that somebody else starts holds a place, and nothing is started beside it', async () => {
    const scene = new Scene({ qwen: {}, gemma: {} }, group)
    await scene.clock.run(100)
    scene.units.startUnit('qwen')
    await scene.clock.run(50)
    const other = scene.call('gemma')
    await scene.clock.run(40)
    assert.deepEqual(scene.units.running, ['qwen'])
    await scene.clock.run(1000)
    assert.equal(other.visit?.isValid, true)
    assert.deepEqual(scene.units.running, ['gemma'])
  })

  test('one that is woken gets its turn as if a call waited for it', async () => {
    const { scene, call } = await busyScene()
    scene.pool.wake('gemma')
    await scene.clock.run(5000)
    assert.deepEqual(scene.units.running, ['qwen'])
    assert.equal(scene.pool.describe()[1]?.waiting, 0, 'no call waits')
    call.visit!.leave()
    scene.pool.wake('gemma')
    await scene.clock.run(1500)
    assert.equal(scene.stateOf('gemma'), 'ready')
    assert.equal(scene.pool.describe()[1]?.calls, 0)
    assert.deepEqual(scene.units.commands, ['start qwen', 'stop qwen', 'start gemma'])
  })

  test('one that is woken and gets no turn for as long as a call would wait is not started later', async () => {
    const { scene, call } = await busyScene({ isKept: true })
    scene.pool.wake('gemma')
    await scene.clock.run(421_000)
    call.visit!.leave()
    scene.follow({ qwen: {}, gemma: {} }, group)
    await scene.clock.run(60_000)
    assert.deepEqual(scene.units.commands, ['start qwen'])
  })

  test('one that was removed has its place until its calls have ended', async () => {
    const { scene, call } = await busyScene()
    scene.follow({ gemma: {} }, { gpu0: { members: ['gemma'] } })
    const other = scene.call('gemma')
    await scene.clock.run(5000)
    assert.equal(call.visit!.isValid, true)
    assert.deepEqual(scene.units.running, ['qwen'])
    call.visit!.leave()
    await scene.clock.run(500)
    assert.equal(other.visit?.isValid, true)
    assert.deepEqual(scene.units.running, ['gemma'])
  })

  test('one whose unit is another one now has the place of both until the former one is down', async () => {
    const { scene, call } = await busyScene()
    scene.follow({ qwen: { unit: 'other.service' }, gemma: {} }, group)
    const next = scene.call('qwen')
    await scene.clock.run(5000)
    assert.equal(next.entry, undefined)
    call.visit!.leave()
    await scene.clock.run(500)
    assert.equal(next.visit?.isValid, true)
    assert.equal(scene.units.commands.join(), 'start qwen,stop qwen,start qwen')
  })

  for (const [what, before] of [
    ['a new group', {}],
    ['a group that shrinks', { gpu0: { ...group.gpu0, running: 2 } }],
  ] as const)
    test(`those that run beyond the places of ${what} go when they have no callers`, async () => {
      const scene = new Scene({ qwen: {}, gemma: {} }, before)
      const [qwen, gemma] = [scene.call('qwen'), scene.call('gemma')]
      await scene.clock.run(1000)
      scene.follow({ qwen: {}, gemma: {} }, group)
      await scene.clock.run(20_000)
      assert.deepEqual([qwen.visit?.isValid, gemma.visit?.isValid], [true, true])
      assert.equal(scene.units.running.length, 2)
      gemma.visit!.leave()
      await scene.clock.run(1500)
      assert.deepEqual(scene.units.running, ['qwen'])
      assert.equal(qwen.visit!.isValid, true)
    })

  test('limits of a reload apply from then on', async () => {
    const { scene } = await busyScene()
    const other = scene.call('gemma')
    await scene.clock.run(500)
    scene.follow({ qwen: {}, gemma: {} }, { gpu0: { ...group.gpu0, running: 2 } })
    await scene.clock.run(500)
    assert.equal(other.visit?.isValid, true)
    assert.deepEqual(scene.units.running, ['qwen', 'gemma'])
  })
})

suite('clients of a group', () => {
  test('take turns: one that waits for many services does not keep another from its own', async () => {
    const names = ['one', 'two', 'three', 'four']
    const services = Object.fromEntries(names.map((name) => [name, {}]))
    const scene = new Scene(services, { gpu0: { members: names } })
    await scene.clock.run(100)
    const order: string[] = []
    const enter = async (name: string, client: string) => {
      const entry = scene.pool.enter(name, scene.call('none', client).caller)
      if (!(entry instanceof Promise)) return
      const end = await entry
      if (end.kind === 'entered') {
        order.push(name)
        end.visit.leave()
      }
    }
    for (const name of ['one', 'two', 'three']) void enter(name, 'greedy')
    void enter('four', 'modest')
    await scene.clock.run(20_000)
    assert.deepEqual(order, ['one', 'two', 'four', 'three'])
  })

  test('are at most 1,000 in the line of one service: one of the client with the most gives way', async () => {
    const scene = new Scene({ qwen: { behaviour: { loadMs: 5000 } } })
    const calls = Array.from({ length: 1000 }, () => scene.call('qwen', 'greedy'))
    const beyond = scene.call('qwen', 'greedy')
    const modest = scene.call('qwen', 'modest')
    await scene.clock.run(0)
    assert.equal(failureOf(beyond)?.result, 'busy')
    assert.equal(failureOf(calls.at(-1)!)?.result, 'busy')
    await scene.clock.run(6000)
    assert.equal(modest.visit?.isValid, true)
    assert.equal(calls.filter((call) => call.visit?.isValid).length, 999)
  })
})

test('8 clients of 2 models on one place for 60 s: no call fails or is cut, and swaps are bounded by min_run_ms', async () => {
  const behaviour = { loadMs: 300, stopMs: 100 }
  const scene = new Scene(
    { qwen: { behaviour }, gemma: { behaviour } },
    { gpu0: { ...group.gpu0, minRunMs: 5000, maxRunMs: 8000 } },
  )
  await scene.clock.run(100)
  let most = 0
  scene.units.onChange = () => {
    most = Math.max(most, scene.units.running.length)
  }
  const endMs = scene.clock.now() + 60_000
  const served = Array.from({ length: 8 }, () => 0)
  const failed: string[] = []
  const work = async (client: number) => {
    const name = client % 2 === 0 ? 'qwen' : 'gemma'
    while (scene.clock.now() < endMs) {
      const entered = scene.pool.enter(name, scene.call('none', String(client)).caller)
      const entry = entered instanceof Promise ? await entered : undefined
      if (entry !== undefined && entry.kind !== 'entered') {
        failed.push(entry.kind)
        continue
      }
      const visit = entry?.visit ?? (entered instanceof Promise ? undefined : entered)
      await new Promise<void>((resolve) => void scene.clock.setTimer(resolve, 200 + 37 * client))
      if (visit?.isValid !== true) failed.push('cut')
      visit?.leave()
      served[client]! += 1
    }
  }
  const clients = served.map((_, client) => work(client))
  await scene.clock.run(90_000)
  await Promise.all(clients)
  assert.deepEqual(failed, [])
  assert.equal(most, 1)
  assert.ok(Math.min(...served) * 4 > Math.max(...served), String(served))
  const ran = scene.changes.flatMap(({ provider, to, reason, atMs }) => {
    if (to !== 'stopping' || reason !== 'group') return []
    const ready = scene.changes.findLast(
      (each) => each.provider === provider && each.to === 'ready' && each.atMs < atMs,
    )
    return [atMs - ready!.atMs]
  })
  assert.ok(ran.length >= 6 && ran.length <= 60_000 / 5000, String(ran))
  // While both have callers: at the end those of one may be gone.
  assert.ok(Math.min(...ran.slice(0, -1)) >= 5000, String(ran))
})
