import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { type StarterChange, StarterClient } from '../../../src/app/services/starter-client.ts'
import type { UnitReport } from '../../../src/platform/unit-report.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { until } from '../../support/deadline.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type ScriptedStarter, startStarter } from '../../support/scripted-starter.ts'

function clientOf(t: TestContext, path: string | undefined) {
  const clock = new FakeClock()
  const changes: StarterChange[] = []
  const bugs: unknown[] = []
  const seen: { services: readonly string[]; isWhole: boolean }[] = []
  const units = new Map<string, UnitReport>()
  let losses = 0
  const client = new StarterClient({
    path,
    setTimer: clock.setTimer,
    onChange: (change) => void changes.push(change),
    onBug: (error) => void bugs.push(error),
  })
  client.onReports = (reports, isWhole) => {
    seen.push({ services: reports.map(({ service }) => service), isWhole })
    for (const report of reports) units.set(report.service, report)
  }
  const reasons: string[] = []
  client.onLost = (reason) => {
    losses += 1
    if (reason !== undefined) reasons.push(reason)
  }
  t.after(() => client.close())
  const kinds = () => changes.map(({ kind }) => kind)
  return { clock, client, changes, kinds, bugs, seen, units, reasons, losses: () => losses }
}

async function connected(t: TestContext, ...services: readonly string[]) {
  const starter = await startStarter(t, ...services)
  const on = clientOf(t, starter.path)
  on.client.connect()
  await until(() => on.seen.length > 0, 'the first report')
  return { starter, ...on }
}

/** Says something wrong, and waits until the connection has ended by it. */
async function lostBy(starter: ScriptedStarter, line: string): Promise<void> {
  starter.say(line)
  await until(() => starter.openConnections === 0, 'the end of the connection')
}

suite('the connection to what starts model servers', () => {
  test('brings all units first, then those that have changed', async (t) => {
    const { starter, seen, units, kinds } = await connected(t, 'qwen', 'gemma')
    starter.activate('gemma')
    await until(() => units.get('gemma')?.active === 'active', 'the change')
    assert.deepEqual(seen, [
      { services: ['qwen', 'gemma'], isWhole: true },
      { services: ['gemma'], isWhole: false },
    ])
    assert.equal(units.get('qwen')!.active, 'inactive')
    assert.deepEqual(kinds(), ['found'])
  })

  test('asks by the names of the service and its unit, and hears how that was taken', async (t) => {
    const { starter, client } = await connected(t, 'qwen')
    assert.equal(await client.start('qwen', 'qwen.service'), undefined)
    starter.onRequest = () => 'masked'
    assert.equal(await client.start('qwen', 'qwen.service'), 'masked')
    assert.equal(await client.stop('qwen', 'qwen.service'), 'masked')
    client.look()
    await until(() => starter.requests.length === 4, 'the look')
    assert.deepEqual(
      starter.requests.map((request) => Object.entries(request).filter(([member]) => member !== 'id')),
      [
        { kind: 'start', service: 'qwen', unit: 'qwen.service' },
        { kind: 'start', service: 'qwen', unit: 'qwen.service' },
        { kind: 'stop', service: 'qwen', unit: 'qwen.service' },
        { kind: 'look' },
      ].map((request) => Object.entries(request)),
    )
    assert.equal(new Set(starter.requests.map(({ id }) => id)).size, 4)
  })

  test('reports a load of the configuration, once there is a connection', async (t) => {
    const starter = await startStarter(t, 'qwen')
    const { client, seen } = clientOf(t, starter.path)
    client.reload()
    client.connect()
    await until(() => seen.length === 2, 'all reports anew')
    client.reload()
    await until(() => seen.length === 3, 'all reports once more')
    assert.deepEqual(
      starter.requests.map(({ kind }) => kind),
      ['reload', 'reload'],
    )
  })

  test('reads a message in pieces, and several at once', async (t) => {
    const path = join(scratchDirectory(t), 's.sock')
    const report = {
      service: 'ä',
      unit: 'u',
      load: 'l',
      active: 'a',
      sub: 's',
      result: 'r',
      restarts: 0,
      invocation: '',
    }
    const whole = JSON.stringify({ kind: 'units', reports: [report], isWhole: true, later: 1 })
    const bytes = Buffer.from(`{"kind":"hello","version":1}\n${whole}\n${whole}\n`)
    const drip = async (socket: Socket) => {
      for (const byte of bytes) await new Promise((sent) => socket.write(Buffer.of(byte), sent))
    }
    const server = createServer((socket) => void drip(socket))
    await new Promise<void>((resolve) => server.listen(path, resolve))
    t.after(() => server.close())
    const { client, seen, units } = clientOf(t, path)
    t.after(() => client.close())
    client.connect()
    await until(() => seen.length === 2, 'two reports')
    assert.deepEqual(units.get('ä'), report)
  })

  test('is made again a second after it was lost, which ends what was asked', async (t) => {
    const { starter, client, clock, seen, losses, kinds } = await connected(t, 'qwen')
    starter.onRequest = () => {
      starter.drop()
      return undefined
    }
    assert.equal(await client.start('qwen', 'qwen.service'), 'starter-unreachable')
    assert.equal(losses(), 1)
    clock.advance(999)
    assert.equal(starter.connections, 1)
    clock.advance(1)
    await until(() => seen.length === 2, 'a report of all units')
    assert.deepEqual(seen[1], { services: ['qwen'], isWhole: true })
    assert.deepEqual(kinds(), ['found', 'lost', 'found'])
  })

  test('repeated failures to connect are reported once', async (t) => {
    const starter = await startStarter(t, 'qwen')
    await starter.close()
    const { client, clock, changes, losses, kinds } = clientOf(t, starter.path)
    client.connect()
    await until(() => changes.length === 1, 'the failure')
    assert.deepEqual(changes, [{ kind: 'lost', reason: `its socket ${starter.path} can't be used (ENOENT)` }])
    for (let second = 0; second < 3; second += 1) {
      await until(() => clock.pendingTimers === 1, 'the next attempt')
      clock.advance(1_000)
    }
    await starter.listen()
    await until(() => {
      clock.advance(1_000)
      return starter.connections > 0
    }, 'a connection')
    await until(() => changes.length === 2, 'the report')
    assert.deepEqual(kinds(), ['lost', 'found'])
    assert.equal(losses(), 0)
  })

  test('a start waits up to two seconds for it', async (t) => {
    const starter = await startStarter(t, 'qwen')
    await starter.close()
    const { client, clock, changes } = clientOf(t, starter.path)
    client.connect()
    const late = client.start('qwen', 'qwen.service')
    clock.advance(2_000)
    assert.equal(await late, 'starter-unreachable')
    await until(() => changes.length === 1, 'the failure')
    await starter.listen()
    const inTime = client.start('qwen', 'qwen.service')
    clock.advance(1_000)
    assert.equal(await inTime, undefined)
    assert.equal(starter.countOf('start', 'qwen'), 1)
  })

  test('a process that does not greet within five seconds is left', async (t) => {
    const starter = await startStarter(t, 'qwen')
    starter.greeting = []
    const { client, clock, changes } = clientOf(t, starter.path)
    client.connect()
    await until(() => starter.openConnections === 1, 'a connection')
    clock.advance(5_000)
    await until(() => starter.openConnections === 0, 'its end')
    assert.deepEqual(changes, [{ kind: 'lost', reason: 'it has not responded within 5 s' }])
  })

  test('a request without an answer ends after 20 s, and the connection with it', async (t) => {
    const { starter, client, clock, seen, losses, changes } = await connected(t, 'qwen')
    starter.answers = false
    const unanswered = client.start('qwen', 'qwen.service')
    await starter.asked('start', 'qwen')
    for (let count = 0; count < 2; count++) {
      await until(() => seen.length === 2 + count, 'a report')
      clock.advance(9_000)
      starter.set('qwen', {})
    }
    await until(() => seen.length === 4, 'a report')
    assert.equal(losses(), 0)
    clock.advance(2_000)
    assert.equal(await unanswered, 'starter-unreachable')
    assert.equal(losses(), 1)
    assert.deepEqual(changes.at(-1), { kind: 'lost', reason: 'it has not answered within 20 s' })
  })

  test('ten seconds of silence end it', async (t) => {
    const { starter, client, clock, losses, changes } = await connected(t, 'qwen')
    starter.answers = false
    const unanswered = client.stop('qwen', 'qwen.service')
    clock.advance(9_999)
    assert.equal(losses(), 0)
    clock.advance(1)
    assert.equal(losses(), 1)
    assert.equal(await unanswered, 'starter-unreachable')
    assert.deepEqual(changes.at(-1), { kind: 'lost', reason: 'nothing has come from it for 10 s' })
    await until(() => starter.openConnections === 0, 'the end of the connection')
  })

  test('signs of life keep it', async (t) => {
    const { starter, client, clock, losses } = await connected(t, 'qwen')
    for (let count = 0; count < 5; count++) {
      clock.advance(9_000)
      starter.say('{"kind":"alive"}')
      // The answer comes after it.
      assert.equal(await client.start('qwen', 'qwen.service'), undefined)
    }
    assert.equal(losses(), 0)
  })

  test('a configuration that cannot be used is a loss with that reason, until all units are reported again', async (t) => {
    const { starter, client, kinds, reasons } = await connected(t, 'qwen')
    starter.say('{"kind":"unusable","reason":"configuration"}')
    await until(() => reasons.length === 1, 'the loss')
    assert.deepEqual(reasons, ['configuration'])
    assert.equal(starter.openConnections, 1)
    client.look()
    await until(() => kinds().length === 3, 'all units')
    assert.deepEqual(kinds(), ['found', 'lost', 'found'])
  })

  for (const [what, line] of [
    ['no JSON', '{'],
    ['an unknown kind', '{"kind":"run","command":["/bin/sh"]}'],
    ['a second greeting', '{"kind":"hello","version":1}'],
    ['reports without services', '{"kind":"units","reports":[{}],"isWhole":true}'],
    ['reports that are no list', '{"kind":"units","reports":{},"isWhole":true}'],
    [
      'more reports than there can be',
      `{"kind":"units","reports":[${'{},'.repeat(1_000)}{}],"isWhole":true}`,
    ],
    ['a refusal without a reason', '{"kind":"refused","id":1}'],
    ['an answer without an id', '{"kind":"done","id":"1"}'],
    ['an endless line', 'x'.repeat(1_100_000)],
  ] as const) {
    test(`${what} ends it: one report, and another connection after ten seconds`, async (t) => {
      const { starter, clock, seen, losses, kinds } = await connected(t, 'qwen')
      await lostBy(starter, line)
      assert.deepEqual([losses(), kinds()], [1, ['found', 'lost']])
      clock.advance(9_999)
      assert.equal(starter.connections, 1)
      clock.advance(1)
      await until(() => seen.length === 2, 'a report of all units')
    })
  }

  test('another version of the protocol ends it', async (t) => {
    const starter = await startStarter(t, 'qwen')
    starter.greeting = [{ kind: 'hello', version: 2 }]
    const { client, changes, seen } = clientOf(t, starter.path)
    client.connect()
    await until(() => changes.length === 1, 'the failure')
    assert.equal(changes[0]!.kind, 'lost')
    assert.deepEqual(seen, [])
  })

  test('a listener that throws does not end the process', async (t) => {
    const { starter, client, bugs } = await connected(t, 'qwen')
    client.onReports = () => {
      throw new Error('a bug')
    }
    starter.activate('qwen')
    await until(() => bugs.length === 1, 'the report of the bug')
    assert.equal(await client.stop('qwen', 'qwen.service'), undefined)
  })

  test('without a path every start fails at once', async (t) => {
    const { client, clock, changes } = clientOf(t, undefined)
    client.connect()
    assert.equal(await client.start('qwen', 'qwen.service'), 'starter-unreachable')
    assert.deepEqual(changes, [{ kind: 'lost', reason: 'the gateway does not know its socket' }])
    assert.equal(clock.pendingTimers, 0)
  })

  test('once closed it leaves nothing behind', async (t) => {
    const { starter, client, clock } = await connected(t, 'qwen')
    starter.answers = false
    const asked = client.start('qwen', 'qwen.service')
    await starter.asked('start', 'qwen')
    client.close()
    client.connect()
    assert.equal(await asked, 'starter-unreachable')
    assert.equal(await client.stop('qwen', 'qwen.service'), 'starter-unreachable')
    await until(() => starter.openConnections === 0, 'the end of the connection')
    assert.deepEqual([clock.pendingTimers, starter.connections], [0, 1])
  })
})
