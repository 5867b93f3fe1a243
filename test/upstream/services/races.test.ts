// What may cross each other: commands of the pool, reports that are older than they are, crashes, and people.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { Scene, type TestCall } from './scene.ts'

const crashed = { result: 'exit-code', exitStatus: 1 }
const group = { gpu0: { members: ['qwen', 'gemma'] } }
const elsewhere = 'http://127.0.0.1:9999'
const failureOf = (call: TestCall) => (call.entry?.kind === 'not_started' ? call.entry.failure : undefined)
const waitedMsOf = (call: TestCall) => call.entry?.waitedMs

async function readyScene(behaviour = {}, more = {}): Promise<{ scene: Scene; call: TestCall }> {
  const scene = new Scene({ qwen: { behaviour, ...more } })
  const call = scene.call('qwen')
  await scene.clock.run(1000)
  assert.equal(call.visit?.isValid, true)
  return { scene, call }
}

suite('a unit that crashes', () => {
  test('while it is ready ends its visits, and the next call after the pause starts it again', async () => {
    const { scene, call } = await readyScene()
    scene.units.crash('qwen', 'oom-kill')
    await scene.clock.run(50)
    assert.equal(call.visit!.isValid, false)
    const early = scene.call('qwen')
    await scene.clock.run(0)
    assert.equal(failureOf(early)?.result, 'oom-kill')
    await scene.clock.run(1000)
    const late = scene.call('qwen')
    await scene.clock.run(500)
    assert.equal(late.visit?.isValid, true)
    call.visit!.leave()
    assert.equal(late.visit.isValid, true, 'the visit of the former run has nothing to do with this one')
    assert.deepEqual(scene.units.commands, ['start qwen', 'start qwen'])
  })

  test('after it has worked for half a minute starts again at once', async () => {
    const { scene, call } = await readyScene()
    await scene.clock.run(30_000)
    scene.units.crash('qwen', 'oom-kill')
    await scene.clock.run(50)
    assert.equal(call.visit!.isValid, false)
    const next = scene.call('qwen')
    await scene.clock.run(500)
    assert.equal(next.visit?.isValid, true)
    scene.units.crash('qwen', 'oom-kill')
    await scene.clock.run(50)
    assert.equal(failureOf(await refusedNow(scene))?.result, 'oom-kill', 'but not a second time')
  })

  test('while it is ready and is restarted by the manager is waited for', async () => {
    const { scene, call } = await readyScene({ restartMs: 200 })
    scene.units.crash('qwen', 'signal', 9)
    await scene.clock.run(50)
    assert.equal(scene.stateOf('qwen'), 'starting')
    assert.equal(call.visit!.isValid, false)
    const next = scene.call('qwen')
    await scene.clock.run(500)
    assert.equal(next.visit?.isValid, true)
    assert.deepEqual(scene.units.commands, ['start qwen'])
  })

  test('again before it is ready is stopped, so that the manager leaves it alone', async () => {
    const { scene } = await readyScene({ restartMs: 200 })
    scene.units.behaviourOf('qwen').loadMs = Infinity
    scene.units.crash('qwen', 'signal', 9)
    await scene.clock.run(50)
    const waiting = scene.call('qwen')
    await scene.clock.run(400)
    scene.units.crash('qwen', 'core-dump', 11)
    await scene.clock.run(100)
    assert.equal(failureOf(waiting)?.result, 'core-dump 11')
    await scene.clock.run(500)
    assert.equal(scene.units.activeOf('qwen'), 'inactive')
    assert.deepEqual(scene.units.commands, ['start qwen', 'stop qwen'])
  })

  test('in a start of ours is stopped at the first restart by the manager', async () => {
    const scene = new Scene({ qwen: { behaviour: { restartMs: 200, ends: crashed, endsAfterMs: 30 } } })
    const call = scene.call('qwen')
    await scene.clock.run(300)
    assert.equal(failureOf(call)?.result, 'exit-code 1')
    await scene.clock.run(2000)
    assert.deepEqual(scene.units.running, [])
    assert.deepEqual(scene.units.commands, ['start qwen', 'stop qwen'])
  })

  test('soon after each start is left alone for longer each time, though it was ready', async () => {
    const { scene } = await readyScene()
    const pauses: (number | undefined)[] = []
    for (let i = 0; i < 4; i++) {
      scene.units.crash('qwen', 'signal', 6)
      await scene.clock.run(100)
      const { retryAfterMs } = scene.changes.findLast(({ to }) => to === 'failed')!
      pauses.push(retryAfterMs)
      await scene.clock.run(retryAfterMs!)
      scene.call('qwen')
      await scene.clock.run(500)
    }
    assert.deepEqual(pauses, [1000, 2000, 4000, 8000])
  })

  test('after half a minute of work begins its pauses anew', async () => {
    const { scene } = await readyScene()
    scene.units.crash('qwen', 'signal', 6)
    await scene.clock.run(1100)
    scene.call('qwen')
    await scene.clock.run(30_500)
    const pauses: (number | undefined)[] = []
    for (let i = 0; i < 2; i++) {
      scene.units.crash('qwen', 'signal', 6)
      await scene.clock.run(100)
      pauses.push(scene.changes.findLast(({ to }) => to === 'failed')?.retryAfterMs)
      scene.call('qwen')
      await scene.clock.run(500)
    }
    assert.deepEqual(pauses, [0, 1000])
  })
})

async function refusedNow(scene: Scene): Promise<TestCall> {
  const call = scene.call('qwen')
  await scene.clock.run(0)
  return call
}

suite('a unit that somebody else', () => {
  test('stops keeps its visits until they leave, and the next call starts it again', async () => {
    const { scene, call } = await readyScene()
    scene.units.stopUnit('qwen')
    await scene.clock.run(100)
    assert.equal(scene.stateOf('qwen'), 'stopped')
    assert.equal(scene.pool.describe()[0]?.calls, 1)
    assert.equal(call.visit!.isValid, false)
    const next = scene.call('qwen')
    await scene.clock.run(500)
    assert.equal(next.visit?.isValid, true)
    call.visit!.leave()
    assert.equal(scene.pool.describe()[0]?.calls, 1)
  })

  test('is about to stop lets no further call in, and starts again for it', async () => {
    const { scene } = await readyScene({ stopMs: 5000 })
    scene.units.stopUnit('qwen')
    await scene.clock.run(100)
    const next = scene.call('qwen')
    await scene.clock.run(4000)
    assert.equal(scene.stateOf('qwen'), 'stopping')
    assert.equal(next.entry, undefined)
    await scene.clock.run(2000)
    assert.equal(next.visit?.isValid, true)
  })

  test('starts after it was stopped is ready without a call', async () => {
    const scene = new Scene({ qwen: {} })
    await scene.clock.run(1000)
    scene.units.startUnit('qwen')
    await scene.clock.run(1000)
    assert.equal(scene.stateOf('qwen'), 'ready')
    assert.deepEqual(scene.units.commands, [])
  })

  test('restarts is another run', async () => {
    const { scene, call } = await readyScene()
    scene.units.stopUnit('qwen')
    scene.units.startUnit('qwen')
    await scene.clock.run(1000)
    assert.equal(scene.stateOf('qwen'), 'ready')
    assert.equal(call.visit!.isValid, false)
    assert.deepEqual(scene.units.commands, ['start qwen'])
  })

  test('starts again while the pool stops it is adopted', async () => {
    const { scene, call } = await readyScene({ stopMs: 300 }, { stopAfterIdleMs: 2000 })
    call.visit!.leave()
    await scene.clock.run(2100)
    assert.equal(scene.stateOf('qwen'), 'stopping')
    scene.units.startUnit('qwen')
    await scene.clock.run(1000)
    assert.equal(scene.stateOf('qwen'), 'ready')
  })

  test('stops in the middle of a start refuses the calls that wait', async () => {
    const scene = new Scene({ qwen: { behaviour: { activatingMs: 5000 } } })
    const call = scene.call('qwen')
    await scene.clock.run(1000)
    scene.units.stopUnit('qwen')
    await scene.clock.run(500)
    assert.equal(failureOf(call)?.result, 'stopped')
  })
})

suite('a start', () => {
  for (const reason of ['not-found', 'masked', 'not-permitted', 'starter-unreachable', 'manager-unreachable'])
    test(`that is refused as ${reason} refuses its calls for that`, async () => {
      const scene = new Scene({ qwen: { behaviour: { refusesStart: reason } } })
      const call = scene.call('qwen')
      await scene.clock.run(200)
      assert.deepEqual(failureOf(call), { unit: 'qwen.service', result: reason, retryAfterMs: 1000 })
      assert.equal(scene.stateOf('qwen'), 'failed')
      assert.deepEqual(scene.units.commands, [])
      assert.equal(scene.clock.pendingTimers, 0)
    })

  test('that is never ready has failed after its time, and its unit is stopped', async () => {
    const scene = new Scene({ qwen: { startTimeoutMs: 5000, behaviour: { loadMs: Infinity } } })
    await scene.clock.run(100)
    const call = scene.call('qwen')
    await scene.clock.run(4999)
    assert.equal(call.entry, undefined)
    await scene.clock.run(1)
    assert.equal(failureOf(call)?.result, 'timeout')
    await scene.clock.run(200)
    assert.equal(scene.units.activeOf('qwen'), 'inactive')
    assert.equal(scene.clock.pendingTimers, 0)
  })

  test('of type notify is waited for while it is activating, and probed only then', async () => {
    const scene = new Scene({ qwen: { behaviour: { activatingMs: 60_000, loadMs: 0 } } })
    const call = scene.call('qwen')
    await scene.clock.run(60_000)
    assert.equal(scene.stateOf('qwen'), 'starting')
    await scene.clock.run(200)
    assert.equal(call.visit?.isValid, true)
  })

  test('that the manager refuses for its limit of starts fails after a second at most', async () => {
    const scene = new Scene({ qwen: { behaviour: { startFails: 'start-limit-hit' } } })
    for (let i = 0; i < 3; i++) {
      const call = scene.call('qwen')
      await scene.clock.run(1100)
      assert.equal(failureOf(call)?.result, 'start-limit-hit')
      await scene.clock.run(60_000)
    }
  })

  test('is not ended by the last failure, reported late', async () => {
    const scene = new Scene({ qwen: {} })
    await scene.clock.run(100)
    scene.units.startUnit('qwen')
    await scene.clock.run(500)
    scene.units.crash('qwen', 'exit-code', 3)
    await scene.clock.run(1500)
    const call = scene.call('qwen')
    scene.units.look()
    scene.units.look()
    await scene.clock.run(500)
    assert.equal(call.visit?.isValid, true)
  })

  test('goes on when the starter is lost in the middle of it, and is back', async () => {
    const scene = new Scene({ qwen: { behaviour: { activatingMs: 3000 } } })
    const call = scene.call('qwen')
    await scene.clock.run(500)
    scene.units.lose(10_000)
    await scene.clock.run(9000)
    assert.equal(scene.stateOf('qwen'), 'starting')
    await scene.clock.run(2000)
    assert.equal(call.visit?.isValid, true)
    assert.deepEqual(scene.units.commands, ['start qwen'])
  })

  test('whose command is lost on its way fails, and the unit is adopted if it was carried out', async () => {
    const scene = new Scene({ qwen: {} })
    await scene.clock.run(100)
    const call = scene.call('qwen')
    scene.units.lose(1000)
    await scene.clock.run(100)
    assert.equal(failureOf(call)?.result, 'starter-unreachable')
    await scene.clock.run(1500)
    assert.equal(scene.stateOf('qwen'), 'ready')
  })

  test('is tried again without a pause when the starter is back', async () => {
    const scene = new Scene({ qwen: { behaviour: { refusesStart: 'starter-unreachable' } } })
    scene.call('qwen')
    await scene.clock.run(200)
    assert.equal(scene.stateOf('qwen'), 'failed')
    delete scene.units.behaviourOf('qwen').refusesStart
    scene.units.lose(100)
    await scene.clock.run(200)
    const call = scene.call('qwen')
    await scene.clock.run(300)
    assert.equal(call.visit?.isValid, true)
  })

  test('at the start of the gateway needs no call', async () => {
    const scene = new Scene({ qwen: { startsAtBoot: true }, gemma: {} })
    await scene.clock.run(500)
    assert.equal(scene.stateOf('qwen'), 'ready')
    assert.equal(scene.stateOf('gemma'), 'stopped')
  })

  test('goes on when the client has left, which is taken out at once', async () => {
    const scene = new Scene({ qwen: { behaviour: { loadMs: 2000 }, stopAfterIdleMs: 60_000 } })
    const call = scene.call('qwen')
    await scene.clock.run(500)
    call.caller.leave()
    await scene.clock.run(0)
    assert.equal(call.entry?.kind, 'gone')
    assert.equal(scene.pool.describe()[0]?.waiting, 0)
    await scene.clock.run(3000)
    assert.equal(scene.stateOf('qwen'), 'ready')
    await scene.clock.run(62_000)
    assert.equal(scene.stateOf('qwen'), 'stopped')
  })

  test('is waited for no longer than the caller may', async () => {
    const scene = new Scene({ qwen: { behaviour: { loadMs: 20_000 } } })
    const call = scene.call('qwen', 'a', { maxWaitMs: 3000 })
    await scene.clock.run(2999)
    assert.equal(call.entry, undefined)
    await scene.clock.run(1)
    assert.equal(failureOf(call)?.result, 'timeout')
    assert.equal(waitedMsOf(call), 3000)
  })
})

suite('a starter that is lost', () => {
  test('leaves services that are ready as they are', async () => {
    const { scene, call } = await readyScene({}, { stopAfterIdleMs: 5000 })
    scene.units.lose(30_000)
    call.visit!.leave()
    await scene.clock.run(20_000)
    assert.equal(scene.pool.isOpen('qwen'), true)
    assert.equal(scene.call('qwen').visit?.isValid, true)
  })

  test('fails calls for others after 2 s', async () => {
    const scene = new Scene({ qwen: {} })
    await scene.clock.run(100)
    scene.units.lose(30_000)
    const call = scene.call('qwen')
    await scene.clock.run(1999)
    assert.equal(call.entry, undefined)
    await scene.clock.run(1)
    assert.equal(failureOf(call)?.result, 'starter-unreachable')
    assert.equal(scene.clock.pendingTimers, 1, "the starter's own")
  })

  test('that is back within that time starts them', async () => {
    const scene = new Scene({ qwen: {} })
    await scene.clock.run(100)
    scene.units.lose(1000)
    const call = scene.call('qwen')
    await scene.clock.run(1500)
    assert.equal(call.visit?.isValid, true)
  })
})

suite('a stop', () => {
  test('by command lets calls finish, and a call that comes starts it again after it', async () => {
    const { scene, call } = await readyScene()
    let end: string | undefined = 'pending'
    void scene.pool.stop('qwen').then((refusal) => {
      end = refusal
    })
    await scene.clock.run(5000)
    assert.equal(scene.stateOf('qwen'), 'draining')
    assert.equal(call.visit!.isValid, true)
    const next = scene.call('qwen')
    await scene.clock.run(1000)
    assert.equal(next.entry, undefined)
    assert.equal(end, 'pending')
    call.visit!.leave()
    await scene.clock.run(500)
    assert.equal(end, undefined)
    assert.equal(next.visit?.isValid, true)
    assert.deepEqual(scene.units.commands, ['start qwen', 'stop qwen', 'start qwen'])
  })

  /** A command to stop that waits for a call. */
  async function draining(
    behaviour = {},
  ): Promise<{ scene: Scene; call: TestCall; endOf: () => string | undefined }> {
    const { scene, call } = await readyScene(behaviour)
    let end: string | undefined = 'pending'
    void scene.pool.stop('qwen').then((refusal) => {
      end = refusal
    })
    await scene.clock.run(50)
    assert.equal(scene.stateOf('qwen'), 'draining')
    return { scene, call, endOf: () => end }
  }

  test('by command has come to its end when somebody restarts the unit meanwhile, which then goes on', async () => {
    const { scene, call, endOf } = await draining({ stopMs: 200 })
    scene.units.stopUnit('qwen')
    scene.units.startUnit('qwen')
    await scene.clock.run(1000)
    call.visit!.leave()
    await scene.clock.run(1000)
    assert.equal(endOf(), undefined)
    assert.equal(scene.stateOf('qwen'), 'ready')
  })

  test('by command ends when the unit is restarted by somebody, and was never seen down', async () => {
    const { scene, call, endOf } = await draining()
    const of = { service: 'qwen', unit: 'qwen.service', load: 'loaded', result: 'success', restarts: 0 }
    const going = { ...of, active: 'deactivating', sub: 'stop-sigterm', invocation: 'invocation-1' }
    scene.units.onReports!([going], false)
    await scene.clock.run(100)
    scene.units.onReports!([{ ...of, active: 'active', sub: 'running', invocation: 'invocation-2' }], false)
    call.visit!.leave()
    await scene.clock.run(1000)
    assert.equal(endOf(), undefined)
  })

  test('by command also stops a unit that crashes meanwhile and is restarted by the manager', async () => {
    const { scene, endOf } = await draining({ restartMs: 200 })
    scene.units.crash('qwen', 'signal', 9)
    await scene.clock.run(1000)
    assert.equal(endOf(), undefined)
    assert.deepEqual(scene.units.running, [])
  })

  test('by command in the middle of a start refuses the calls that wait, and the next one starts it again', async () => {
    const scene = new Scene({ qwen: { behaviour: { loadMs: 5000 } } })
    const call = scene.call('qwen')
    await scene.clock.run(1000)
    const end = scene.pool.stop('qwen')
    await scene.clock.run(0)
    assert.deepEqual(failureOf(call), { unit: 'qwen.service', result: 'stopped', retryAfterMs: 1000 })
    await scene.clock.run(5000)
    assert.equal(await end, undefined)
    assert.deepEqual(scene.units.running, [])
    const next = scene.call('qwen')
    await scene.clock.run(6000)
    assert.equal(next.visit?.isValid, true)
  })

  test('that is refused leaves the service ready, and is tried again later and later', async () => {
    const { scene, call } = await readyScene({ refusesStop: 'not-permitted' }, { stopAfterIdleMs: 1000 })
    call.visit!.leave()
    await scene.clock.run(20_000)
    assert.equal(scene.stateOf('qwen'), 'ready')
    const tries = scene.statesOf('qwen').filter((each) => each === 'stopping idle').length
    assert.equal(tries, 5)
    const end = scene.pool.stop('qwen')
    await scene.clock.run(100)
    assert.equal(await end, 'not-permitted')
  })

  test('that changes nothing is repeated after 10 s', async () => {
    const { scene, call } = await readyScene({ ignoresStop: true }, { stopAfterIdleMs: 1000 })
    call.visit!.leave()
    await scene.clock.run(2000)
    assert.equal(scene.stateOf('qwen'), 'stopping')
    delete scene.units.behaviourOf('qwen').ignoresStop
    await scene.clock.run(10_000)
    assert.equal(scene.stateOf('qwen'), 'stopped')
    assert.equal(scene.units.commands.filter((each) => each === 'stop qwen').length, 2)
  })

  test('before the unit has come up ends when it would have been reported', async () => {
    const scene = new Scene({ qwen: { behaviour: { refusesStart: 'masked' } } })
    await scene.clock.run(250)
    scene.call('qwen').caller.leave()
    void scene.pool.stop('qwen')
    await scene.clock.run(1200)
    assert.equal(scene.stateOf('qwen'), 'stopped')
    assert.equal(scene.clock.pendingTimers, 0)
  })

  test('of a unit that comes up is not ended by a report of before, which would free its place', async () => {
    const members = ['qwen', 'gemma']
    const scene = new Scene({ qwen: { behaviour: { stopMs: 3000 } }, gemma: {} }, { gpu0: { members } })
    await scene.clock.run(250)
    scene.units.look()
    scene.call('qwen').caller.leave()
    const other = scene.call('gemma')
    void scene.pool.stop('qwen')
    await scene.clock.run(2500)
    assert.deepEqual(scene.units.running, ['qwen'])
    await scene.clock.run(1000)
    assert.equal(other.visit?.isValid, true)
  })

  test('that is refused before the unit has come up leaves it its place', async () => {
    const behaviour = { refusesStop: 'not-permitted' }
    const scene = new Scene({ qwen: { behaviour }, gemma: {} }, { gpu0: { members: ['qwen', 'gemma'] } })
    await scene.clock.run(250)
    scene.call('qwen')
    scene.call('gemma')
    void scene.pool.stop('qwen')
    await scene.clock.run(200)
    assert.deepEqual(scene.units.running, ['qwen'])
    assert.equal(scene.stateOf('qwen'), 'ready')
  })

  test('of a failed unit that is refused ends with a probe when a call comes', async () => {
    const behaviour = { refusesStop: 'not-permitted', loadMs: 8000 }
    const scene = new Scene({ qwen: { startTimeoutMs: 5000, behaviour } })
    scene.call('qwen')
    await scene.clock.run(7000)
    assert.equal(scene.stateOf('qwen'), 'failed')
    const call = scene.call('qwen')
    await scene.clock.run(4000)
    assert.equal(call.visit?.isValid, true)
  })
})

suite('a person', () => {
  test('starts a service before its pause after a failure is over', async () => {
    const scene = new Scene({ qwen: { behaviour: { refusesStart: 'masked' } } })
    await scene.clock.run(100)
    const refused = scene.pool.start('qwen')
    await scene.clock.run(100)
    assert.equal((await refused)?.result, 'masked')
    delete scene.units.behaviourOf('qwen').refusesStart
    const started = scene.pool.start('qwen')
    await scene.clock.run(500)
    assert.equal(await started, undefined)
    assert.equal(scene.stateOf('qwen'), 'ready')
    assert.equal(scene.pool.describe()[0]?.calls, 0)
    assert.deepEqual(scene.statesOf('qwen').slice(-2), ['starting command', 'ready'])
  })
})

const commandOf = (...words: string[]) => ({
  command: ['/usr/bin/server', ...words],
  environment: new Map<string, string>(),
})

suite('a reload', () => {
  test('that changes the command of a service leaves its run as it is, with the calls in it', async () => {
    const service = (...words: string[]) => ({ qwen: { run: commandOf(...words), stopAfterIdleMs: 5000 } })
    const scene = new Scene(service('1'))
    const call = scene.call('qwen')
    await scene.clock.run(1000)
    scene.follow(service('2'))
    await scene.clock.run(10_000)
    assert.equal(call.visit?.isValid, true)
    assert.equal(scene.units.activeOf('qwen'), 'active')
    call.visit.leave()
    await scene.clock.run(5500)
    assert.deepEqual(scene.units.running, [])
  })

  test('that changes the address of a server lets no call in before it has answered there, and cuts none', async () => {
    const scene = new Scene({ qwen: { startTimeoutMs: 2000 } })
    const call = scene.call('qwen')
    await scene.clock.run(1000)
    scene.units.silence('qwen')
    scene.follow({ qwen: { startTimeoutMs: 2000, origin: 'http://127.0.0.1:9999' } })
    const late = scene.call('qwen')
    await scene.clock.run(5000)
    assert.equal(scene.stateOf('qwen'), 'starting')
    assert.equal(failureOf(late)?.result, 'timeout')
    assert.equal(call.visit?.isValid, true)
    assert.deepEqual(scene.units.running, ['qwen'])
    call.visit.leave()
    await scene.clock.run(500)
    assert.deepEqual(scene.units.running, [])
    assert.deepEqual(scene.statesOf('qwen').slice(2), ['starting address', 'failed timeout'])
  })

  for (const [what, happen] of [
    ['crashes', (scene: Scene) => scene.units.crash('qwen', 'signal', 9)],
    [
      'is restarted',
      (scene: Scene) => {
        scene.units.stopUnit('qwen')
        scene.units.startUnit('qwen')
      },
    ],
  ] as const)
    test(`that changes the address of a server that ${what} before it has answered there ends its visits`, async () => {
      const { scene, call } = await readyScene()
      scene.silent.add(elsewhere)
      scene.follow({ qwen: { origin: elsewhere } })
      await scene.clock.run(500)
      assert.equal(call.visit!.isValid, true)
      happen(scene)
      scene.silent.delete(elsewhere)
      await scene.clock.run(2000)
      assert.equal(call.visit!.isValid, false)
    })

  test('that changes the address of a server to one that somebody else has cuts none of its calls', async () => {
    const { scene, call } = await readyScene()
    scene.units.behaviourOf('qwen').isTaken = true
    scene.follow({ qwen: { origin: elsewhere } })
    await scene.clock.run(5000)
    assert.equal(call.visit!.isValid, true)
    assert.deepEqual(scene.units.commands, ['start qwen'])
    call.visit!.leave()
    await scene.clock.run(2000)
    assert.deepEqual(scene.statesOf('qwen').slice(2), ['starting address', 'failed port-taken'])
    assert.deepEqual(scene.units.running, [])
  })

  test('that changes the address of a server that answers there goes on with its calls', async () => {
    const scene = new Scene({ qwen: { stopAfterIdleMs: 2000 } })
    const call = scene.call('qwen')
    await scene.clock.run(1000)
    scene.follow({ qwen: { stopAfterIdleMs: 2000, origin: 'http://127.0.0.1:9999' } })
    await scene.clock.run(5000)
    assert.equal(scene.stateOf('qwen'), 'ready')
    assert.equal(call.visit?.isValid, true)
    call.visit.leave()
    await scene.clock.run(2500)
    assert.deepEqual(scene.units.running, [])
  })

  test('a server whose address has changed is stopped by command once its calls have ended', async () => {
    const scene = new Scene({ qwen: {} })
    const call = scene.call('qwen')
    await scene.clock.run(1000)
    scene.units.silence('qwen')
    scene.follow({ qwen: { origin: 'http://127.0.0.1:9999' } })
    await scene.clock.run(100)
    const stopped = scene.pool.stop('qwen')
    await scene.clock.run(1000)
    assert.deepEqual([scene.stateOf('qwen'), scene.units.running], ['draining', ['qwen']])
    call.visit!.leave()
    await scene.clock.run(500)
    assert.equal(await stopped, undefined)
    assert.deepEqual(scene.units.running, [])
  })

  test('that changes the address of a server while it starts is not answered from the former one', async () => {
    let asked = 0
    // One of these milliseconds is between a probe and its answer.
    for (let atMs = 1; atMs < 200; atMs++) {
      const scene = new Scene({ qwen: {} })
      scene.silent.add(elsewhere)
      scene.call('qwen')
      await scene.clock.run(atMs)
      if (scene.stateOf('qwen') !== 'starting') continue
      if (scene.units.servingOf('qwen.service') !== undefined) asked += 1
      scene.follow({ qwen: { origin: elsewhere } })
      await scene.clock.run(2000)
      assert.deepEqual([scene.stateOf('qwen'), atMs], ['starting', atMs])
      scene.silent.delete(elsewhere)
      await scene.clock.run(2000)
      assert.equal(scene.stateOf('qwen'), 'ready')
    }
    assert.ok(asked > 0)
  })

  test('that changes the address of a server while it drains for another lets no call in before it has answered there', async () => {
    const scene = new Scene({ qwen: {}, gemma: {} }, group)
    const call = scene.call('qwen')
    await scene.clock.run(1000)
    const other = scene.call('gemma')
    await scene.clock.run(310_000)
    assert.equal(scene.stateOf('qwen'), 'draining')
    scene.silent.add(elsewhere)
    scene.follow({ qwen: { origin: elsewhere }, gemma: {} }, group)
    const late = scene.call('qwen')
    other.caller.leave()
    await scene.clock.run(1000)
    assert.equal(scene.stateOf('qwen'), 'starting')
    assert.equal(late.entry, undefined)
    assert.equal(call.visit?.isValid, true)
    scene.silent.delete(elsewhere)
    await scene.clock.run(1000)
    assert.equal(late.visit?.isValid, true)
    assert.equal(call.visit.isValid, true)
    assert.deepEqual(scene.statesOf('qwen').slice(2), ['draining group', 'starting address', 'ready'])
  })

  test('that changes the address of a server whose stop is refused lets no call in before it has answered there', async () => {
    const { scene, call } = await readyScene({ refusesStop: 'not-permitted' })
    const stopped = scene.pool.stop('qwen')
    scene.silent.add(elsewhere)
    scene.follow({ qwen: { origin: elsewhere } })
    call.visit!.leave()
    await scene.clock.run(1000)
    assert.equal(await stopped, 'not-permitted')
    assert.equal(scene.stateOf('qwen'), 'starting')
    assert.equal(scene.pool.enterIfOpen('qwen'), undefined)
  })

  test('that brings a service back at the address that it did not answer at lets no call in before it does', async () => {
    const { scene, call } = await readyScene()
    scene.silent.add(elsewhere)
    scene.follow({ qwen: { origin: elsewhere } })
    await scene.clock.run(1000)
    scene.follow({})
    await scene.clock.run(1000)
    assert.equal(scene.statesOf('qwen').at(-1), 'draining removed')
    scene.follow({ qwen: { origin: elsewhere } })
    await scene.clock.run(1000)
    assert.equal(scene.stateOf('qwen'), 'starting')
    assert.equal(call.visit!.isValid, true)
  })

  test('that changes the command of a service that has failed lets the next call start it at once', async () => {
    const behaviour = { ends: crashed, endsAfterMs: 30 }
    const scene = new Scene({ qwen: { run: commandOf('wrong'), behaviour } })
    for (let i = 0; i < 5; i++) {
      scene.call('qwen')
      await scene.clock.run(2 ** i * 1000 + 500)
    }
    scene.call('qwen')
    await scene.clock.run(1500)
    assert.equal(failureOf(await refusedNow(scene))?.result, 'exit-code 1')
    delete (scene.units.behaviourOf('qwen') as { ends?: unknown }).ends
    scene.follow({ qwen: { run: commandOf('right') } })
    const call = scene.call('qwen')
    await scene.clock.run(300)
    assert.equal(call.visit?.isValid, true)
  })

  test('that gives a service another name keeps its run, with the calls in it', async () => {
    const { scene, call } = await readyScene({}, { stopAfterIdleMs: 5000 })
    scene.follow({ coder: { unit: 'qwen.service', stopAfterIdleMs: 5000 } })
    await scene.clock.run(10_000)
    assert.equal(call.visit!.isValid, true)
    assert.equal(scene.pool.has('qwen'), false)
    assert.equal(scene.stateOf('coder'), 'ready')
    assert.equal(scene.pool.describe()[0]?.calls, 1)
    call.visit!.leave()
    await scene.clock.run(5500)
    assert.deepEqual(scene.units.commands, ['start qwen', 'stop coder'])
  })

  test('that removes a service stops the unit that the gateway has started, once its calls have ended', async () => {
    const { scene, call } = await readyScene()
    scene.follow({})
    await scene.clock.run(10_000)
    assert.equal(scene.pool.has('qwen'), false)
    assert.deepEqual(
      scene.pool.leaving().map(({ unit, state }) => [unit, state]),
      [['qwen.service', 'draining']],
    )
    assert.equal(call.visit!.isValid, true)
    assert.deepEqual(scene.units.running, ['qwen'])
    call.visit!.leave()
    await scene.clock.run(100)
    assert.deepEqual(scene.units.running, [])
    assert.deepEqual(scene.statesOf('qwen').slice(2), [
      'draining removed',
      'stopping removed',
      'stopped removed',
    ])
    assert.deepEqual(scene.left, [])
    assert.equal(scene.clock.pendingTimers, 0)
  })

  test('that removes a service in the middle of its start stops it', async () => {
    const scene = new Scene({ qwen: { behaviour: { loadMs: 5000 } } })
    scene.call('qwen')
    await scene.clock.run(1000)
    scene.follow({})
    await scene.clock.run(1000)
    assert.deepEqual(scene.units.running, [])
  })

  test('that removes a service leaves a unit alone that somebody else has started', async () => {
    const scene = new Scene({ qwen: {} })
    scene.units.startUnit('qwen')
    await scene.clock.run(500)
    assert.equal(scene.stateOf('qwen'), 'ready')
    scene.follow({})
    await scene.clock.run(1000)
    assert.deepEqual(scene.units.running, ['qwen'])
    assert.deepEqual(scene.left, ['qwen.service'])
    assert.deepEqual(scene.units.commands, [])
  })

  test('that removes such a service, and one that brings it back, cut no call', async () => {
    const scene = new Scene({ qwen: {} })
    scene.units.startUnit('qwen')
    await scene.clock.run(500)
    const call = scene.call('qwen')
    scene.follow({})
    await scene.clock.run(1000)
    scene.follow({ coder: { unit: 'qwen.service', stopAfterIdleMs: 1000 } })
    await scene.clock.run(10_000)
    assert.equal(call.visit?.isValid, true)
    assert.deepEqual(scene.units.running, ['coder'])
    call.visit.leave()
    await scene.clock.run(1500)
    assert.deepEqual(scene.units.running, [])
  })

  test('that removes such a service while it is asked at a new address, and one that brings it back, cut no call', async () => {
    const scene = new Scene({ qwen: {} })
    scene.units.startUnit('qwen')
    await scene.clock.run(500)
    const call = scene.call('qwen')
    scene.silent.add(elsewhere)
    scene.follow({ qwen: { origin: elsewhere } })
    await scene.clock.run(1000)
    assert.equal(scene.stateOf('qwen'), 'starting')
    scene.follow({})
    await scene.clock.run(1000)
    scene.follow({ coder: { unit: 'qwen.service', stopAfterIdleMs: 1000 } })
    await scene.clock.run(10_000)
    assert.equal(call.visit?.isValid, true)
    assert.deepEqual(scene.units.running, ['coder'])
    call.visit.leave()
    await scene.clock.run(1500)
    assert.deepEqual(scene.units.running, [])
  })

  test('that brings a service back while its last call ends lets it go on', async () => {
    const { scene, call } = await readyScene()
    scene.follow({})
    await scene.clock.run(1000)
    scene.follow({ qwen: {} })
    call.visit!.leave()
    await scene.clock.run(1000)
    assert.equal(scene.stateOf('qwen'), 'ready')
    assert.deepEqual(scene.units.commands, ['start qwen'])
  })

  test('that gives a provider a service whose unit runs leaves the calls of before in it', async () => {
    const scene = new Scene({})
    scene.units.add('qwen')
    scene.units.startUnit('qwen')
    scene.load.set('qwen', 2)
    const before = scene.pool.generation
    scene.follow({ qwen: { stopAfterIdleMs: 5000 } })
    scene.pool.leaveEarlier('qwen', before)
    const now = scene.pool.generation
    await scene.clock.run(10_000)
    scene.pool.leaveEarlier('qwen', now)
    await scene.clock.run(10_000)
    assert.deepEqual(scene.units.running, ['qwen'])
    assert.equal(scene.pool.describe()[0]?.calls, 1)
    scene.pool.leaveEarlier('qwen', before)
    await scene.clock.run(5500)
    assert.deepEqual(scene.units.running, [])
  })

  test('that gives a provider a service whose unit does not run has no calls of before in it', async () => {
    const scene = new Scene({})
    scene.load.set('qwen', 2)
    scene.follow({ qwen: {} })
    scene.call('qwen')
    await scene.clock.run(500)
    assert.equal(scene.pool.describe()[0]?.calls, 1)
  })

  test('after which the starter knows nothing of a unit any more leaves it alone', async () => {
    const { scene, call } = await readyScene()
    scene.follow({ gemma: {} })
    await scene.clock.run(1000)
    scene.units.forget('qwen')
    scene.units.look()
    await scene.clock.run(1000)
    call.visit!.leave()
    await scene.clock.run(1000)
    assert.deepEqual(scene.units.commands, ['start qwen'])
  })

  test('keeps what has not changed, and stops what is gone once its calls have ended', async () => {
    const scene = new Scene({ qwen: {}, gemma: {} })
    const [qwen, gemma] = [scene.call('qwen'), scene.call('gemma')]
    await scene.clock.run(500)
    scene.follow({ qwen: { stopAfterIdleMs: 1000 } })
    await scene.clock.run(500)
    assert.equal(qwen.visit?.isValid, true)
    assert.equal(scene.pool.has('gemma'), false)
    assert.equal(scene.pool.isOpen('gemma'), true)
    assert.equal(scene.units.activeOf('gemma'), 'active')
    qwen.visit.leave()
    gemma.visit!.leave()
    await scene.clock.run(1500)
    assert.deepEqual(scene.units.running, [])
  })

  test('refuses who waits for a service that is gone, and lets others wait for the one of its name', async () => {
    const behaviour = { loadMs: 5000 }
    const scene = new Scene({ qwen: { behaviour }, gemma: { behaviour } })
    const [qwen, gemma] = [scene.call('qwen'), scene.call('gemma')]
    await scene.clock.run(500)
    scene.follow({ qwen: { unit: 'other.service' } })
    await scene.clock.run(1000)
    assert.equal(failureOf(gemma)?.result, 'unknown-service')
    assert.equal(qwen.visit?.isValid, true)
  })

  test('is waited for by nobody after the gateway has been closed', async () => {
    const scene = new Scene({ qwen: { behaviour: { loadMs: 5000 } } })
    const call = scene.call('qwen')
    await scene.clock.run(500)
    scene.pool.close()
    await scene.clock.run(100)
    assert.equal(call.entry?.kind, 'shutting_down')
    const late = scene.call('qwen')
    await scene.clock.run(10_000)
    assert.equal(late.entry?.kind, 'shutting_down')
    assert.equal(scene.units.activeOf('qwen'), 'active')
    assert.equal(scene.clock.pendingTimers, 0)
  })
})
