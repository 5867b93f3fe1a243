import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { Scene } from './scene.ts'

const crashed = { result: 'exit-code', exitStatus: 1 }

suite('a service', () => {
  test('is started by a call, which is let in when its server answers', async () => {
    const scene = new Scene({ qwen: {} })
    await scene.clock.run(100)
    const call = scene.call('qwen')
    assert.equal(scene.pool.isOpen('qwen'), false)
    await scene.clock.run(300)
    assert.equal(call.entry?.kind, 'entered')
    assert.equal(call.visit?.isValid, true)
    assert.deepEqual(scene.statesOf('qwen'), ['starting call', 'ready'])
    assert.deepEqual(scene.units.commands, ['start qwen'])
    const [state] = scene.pool.describe()
    assert.equal(state?.starts, 1)
    assert.equal(state?.calls, 1)
    assert.ok(state.lastStartMs! < 200)
  })

  test('lets further calls in without a promise', async () => {
    const scene = new Scene({ qwen: {} })
    scene.call('qwen')
    await scene.clock.run(500)
    assert.ok(!(scene.pool.enter('qwen', scene.call('qwen').caller) instanceof Promise))
    assert.ok(scene.pool.enterIfOpen('qwen')?.isValid)
  })

  test('is adopted when its unit runs already', async () => {
    const scene = new Scene({ qwen: {} })
    scene.units.startUnit('qwen')
    await scene.clock.run(300)
    assert.deepEqual(scene.statesOf('qwen'), ['starting adopted', 'ready'])
    assert.deepEqual(scene.units.commands, [])
  })

  test('is stopped after its idle time, counted from the end of its last call', async () => {
    const scene = new Scene({ qwen: { stopAfterIdleMs: 10_000 } })
    const call = scene.call('qwen')
    await scene.clock.run(15_000)
    assert.equal(scene.stateOf('qwen'), 'ready')
    call.visit!.leave()
    await scene.clock.run(9_990)
    assert.equal(scene.stateOf('qwen'), 'ready')
    await scene.clock.run(20)
    assert.equal(scene.stateOf('qwen'), 'stopping')
    await scene.clock.run(200)
    assert.deepEqual(scene.statesOf('qwen').slice(2), ['stopping idle', 'stopped idle'])
    assert.equal(scene.clock.pendingTimers, 0)
  })

  test('is not kept running by what only asks', async () => {
    const scene = new Scene({ qwen: { stopAfterIdleMs: 10_000 } })
    const call = scene.call('qwen')
    await scene.clock.run(1_000)
    call.visit!.leave()
    for (let i = 0; i < 12; i++) {
      const question = scene.pool.enterIfOpen('qwen')
      await scene.clock.run(100)
      question?.leave()
      await scene.clock.run(800)
    }
    assert.equal(scene.units.activeOf('qwen'), 'inactive')
  })

  test('that crashes while it starts refuses its calls, and is left alone for longer each time', async () => {
    const scene = new Scene({ qwen: { behaviour: { ends: crashed, endsAfterMs: 30 } } })
    await scene.clock.run(100)
    const pauses: number[] = []
    for (let i = 0; i < 8; i++) {
      const call = scene.call('qwen')
      await scene.clock.run(200)
      assert.equal(call.entry?.kind, 'not_started')
      assert.equal(call.entry.failure.result, 'exit-code 1')
      pauses.push(call.entry.failure.retryAfterMs)
      const again = scene.call('qwen')
      await scene.clock.run(0)
      assert.equal(again.entry?.kind, 'not_started')
      assert.equal(again.entry.waitedMs, 0)
      await scene.clock.run(call.entry.failure.retryAfterMs)
    }
    assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
    assert.equal(scene.units.commands.filter((each) => each === 'start qwen').length, 8)
  })

  test("whose port another user's program has is stopped again, and its calls are refused", async () => {
    const scene = new Scene({ qwen: { behaviour: { isTaken: true, loadMs: Infinity } } })
    await scene.clock.run(100)
    const call = scene.call('qwen')
    await scene.clock.run(300)
    assert.equal(call.entry?.kind, 'not_started')
    assert.equal(call.entry.failure.result, 'port-taken')
    await scene.clock.run(300)
    assert.deepEqual(scene.units.commands, ['start qwen', 'stop qwen'])
    assert.equal(scene.units.activeOf('qwen'), 'inactive')
  })

  test('of which nothing is known for a reason refuses calls for it, until units are reported again', async () => {
    const scene = new Scene({ qwen: {} })
    await scene.clock.run(100)
    scene.units.onLost!('configuration')
    const call = scene.call('qwen')
    await scene.clock.run(5_000)
    assert.equal(call.entry?.kind, 'not_started')
    assert.equal(call.entry.failure.result, 'configuration')
    assert.equal(scene.pool.describe()[0]?.failure, 'configuration')
    assert.deepEqual(scene.units.commands, [])
    scene.units.look()
    await scene.clock.run(100)
    assert.equal(scene.pool.describe()[0]?.failure, undefined)
    const again = scene.call('qwen')
    await scene.clock.run(500)
    assert.equal(again.entry?.kind, 'entered')
  })
})
