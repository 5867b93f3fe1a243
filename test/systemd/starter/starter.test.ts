// The starter over a real socket, with a manager that the test plays.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Server } from 'node:net'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { isDeepStrictEqual } from 'node:util'

import type { ReadServices } from '../../../src/systemd/starter/configured-services.ts'
import type { Finished } from '../../../src/systemd/starter/refusal.ts'
import { Starter } from '../../../src/systemd/starter/starter.ts'
import type { UnitCommand } from '../../../src/systemd/starter/unit-commands.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { until } from '../../support/deadline.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'
import { StarterClient } from '../../support/starter-client.ts'

const done: Finished = { status: 0, stdout: '', stderr: '' }

/** What the manager is asked, without the looks, and what it says. */
class FakeManager {
  readonly commands: string[] = []
  readonly units = new Map<string, { load?: string; active?: string; memory?: number }>()
  /** Other names of units. */
  readonly aliases = new Map<string, string>()
  looks = 0
  /** The most looks that ran at the same time. */
  mostLooks = 0
  #running = 0
  isReachable = true
  /** The next look ends with it, with what was so when it began. */
  holdLook: Promise<void> | undefined
  heldLooks = 0
  /** The result of the next commands that are no looks. */
  result: Finished | Promise<Finished> = done

  readonly run = async ({ program, args }: UnitCommand): Promise<Finished> => {
    if (!args.includes('show')) {
      const verb = program === 'systemd-run' ? 'run' : args.find((word) => !word.startsWith('-'))
      const unit = args.find((word) => word.startsWith('--unit='))?.slice('--unit='.length) ?? args.at(-1)
      this.commands.push(`${verb} ${unit}`)
      return this.result
    }
    this.looks += 1
    this.#running += 1
    this.mostLooks = Math.max(this.mostLooks, this.#running)
    const found = new Map(this.units)
    await settled()
    const hold = this.holdLook
    this.holdLook = undefined
    if (hold !== undefined) {
      this.heldLooks += 1
      await hold
    }
    this.#running -= 1
    if (!this.isReachable) return { status: 1, stdout: '', stderr: 'Failed to connect to bus: x' }
    const blocks = args.slice(args.indexOf('--') + 1).map((unit) => {
      const { load = 'loaded', active = 'inactive', memory = 0 } = found.get(unit) ?? {}
      const id = this.aliases.get(unit) ?? unit
      const names = [id, ...[...this.aliases].flatMap(([name, of]) => (of === id ? [name] : []))]
      return `Id=${id}\nNames=${names.join(' ')}\nLoadState=${load}\nActiveState=${active}\nMemoryCurrent=${memory}\n`
    })
    return { status: 0, stdout: blocks.join('\n'), stderr: '' }
  }
}

const run = { command: ['/bin/server'], environment: new Map<string, string>() }
const services = [
  { service: 'a', unit: 'a.service' },
  { service: 'b', unit: 'b.service' },
  { service: 'run', unit: 'llm-gateway-run-run.service', run },
]

async function started(t: TestContext) {
  const manager = new FakeManager()
  const clock = new FakeClock()
  const log: string[] = []
  const file = {
    version: '1',
    content: { kind: 'read', list: { manager: 'user', services } } as ReadServices,
  }
  let idle = 0
  const starter = new Starter({
    file: { version: () => file.version, read: () => file.content },
    run: manager.run,
    clock,
    log: (message) => void log.push(message),
    onIdle: () => (idle += 1),
  })
  t.after(() => starter.close())
  const path = join(scratchDirectory(t), 'socket')
  starter.server.listen(path)
  await once(starter.server, 'listening')
  const open = async () => {
    const client = await StarterClient.connect(t, path)
    await until(() => client.messages.some(({ kind }) => kind === 'hello') || client.isClosed, 'the greeting')
    return client
  }
  return { manager, clock, log, file, path, starter, open, idle: () => idle }
}

/** Waits until a client knows of all services. */
async function informed(client: StarterClient): Promise<StarterClient> {
  await until(() => client.reports.size === services.length, 'the reports')
  return client
}

suite('a connection', () => {
  test('hears of all units first, and then of those that have changed', async (t) => {
    const { manager, clock, open } = await started(t)
    const client = await informed(await open())
    assert.deepEqual(
      client.messages.map((message) => [message.kind, 'isWhole' in message && message.isWhole]),
      [
        ['hello', false],
        ['units', true],
      ],
    )
    manager.units.set('b.service', { active: 'active' })
    clock.advance(700)
    await client.reported('b', { active: 'active' })
    const [report] = client.messages.slice(2)
    assert.ok(report?.kind === 'units' && !report.isWhole)
    assert.deepEqual(
      report.reports.map(({ service, active }) => [service, active]),
      [['b', 'active']],
    )
  })

  test('hears nothing while nothing changes, and memory counts by whole MiB', async (t) => {
    const { manager, clock, open } = await started(t)
    const client = await informed(await open())
    manager.units.set('b.service', { memory: 4096 })
    const before = manager.looks
    clock.advance(700)
    await until(() => manager.looks > before, 'another look')
    assert.equal(await client.request('stop', 'b'), 'done')
    assert.equal(client.messages.filter(({ kind }) => kind === 'units').length, 1)
  })

  test('of a second client gets the whole list, too', async (t) => {
    const { open } = await started(t)
    await informed(await open())
    await informed(await open())
  })

  test('is one of at most eight', async (t) => {
    const { open } = await started(t)
    const clients = []
    for (let count = 0; count < 8; count++) clients.push(await informed(await open()))
    await (await open()).closed()
    assert.equal(await clients[0]!.request('look'), 'done')
  })

  for (const [what, bytes] of [
    ['no JSON', 'GET / HTTP/1.1\r\n\r\n'],
    ['another kind', '{"kind":"run","id":1,"service":"a"}\n'],
    ['no id', '{"kind":"start","service":"a"}\n'],
    ['an id that is no number', '{"kind":"start","id":"1","service":"a"}\n'],
    ['a negative id', '{"kind":"start","id":-1,"service":"a"}\n'],
    ['no service', '{"kind":"start","id":1}\n'],
    ['a service that is a list', '{"kind":"start","id":1,"service":["a"]}\n'],
    ['null', 'null\n'],
    ['a blank line', '\n'],
    ['no UTF-8', Buffer.from('7b226b696e64223a226c6f6f6b222c226964223a312c2278223a22ff227d0a', 'hex')],
    ['a line of 70 KiB', 'x'.repeat(70 * 1024)],
    ['a long line that ends', `{"kind":"look","id":1,"x":"${'x'.repeat(70 * 1024)}"}\n`],
  ] as const) {
    test(`that sends ${what} is closed, and the others stay`, async (t) => {
      const { manager, open } = await started(t)
      const [bad, good] = [await informed(await open()), await informed(await open())]
      bad.socket.write(bytes)
      await bad.closed()
      assert.equal(await good.request('start', 'a'), 'done')
      assert.deepEqual(manager.commands, ['reset-failed a.service', 'start a.service'])
    })
  }

  test('may send several lines at once, and a line in pieces', async (t) => {
    const { open } = await started(t)
    const client = await informed(await open())
    client.socket.write('{"kind":"look","id":901}\n{"kind":"look","id":902}\n{"kind":')
    await until(() => client.messages.some((message) => 'id' in message && message.id === 902), 'the second')
    client.socket.write('"look","id":903}\n')
    await until(() => client.messages.some((message) => 'id' in message && message.id === 903), 'the third')
  })

  test('that has more than 256 requests open is closed', async (t) => {
    const { manager, open } = await started(t)
    manager.result = new Promise(() => {})
    const client = await informed(await open())
    const line = (id: number) => `${JSON.stringify({ kind: 'stop', id, service: 'a' })}\n`
    client.socket.write(Array.from({ length: 257 }, (_, id) => line(id)).join(''))
    await client.closed()
  })
})

suite('a request', () => {
  test('starts a unit after its failures are forgotten, and stops it', async (t) => {
    const { manager, open } = await started(t)
    const client = await informed(await open())
    assert.equal(await client.request('start', 'a'), 'done')
    assert.equal(await client.request('stop', 'a'), 'done')
    assert.deepEqual(manager.commands, ['reset-failed a.service', 'start a.service', 'stop a.service'])
  })

  test('for another name runs nothing', async (t) => {
    const { manager, open } = await started(t)
    const client = await informed(await open())
    for (const name of ['a.service', '--all', '', 'a\n', '__proto__']) {
      assert.equal(await client.request('start', name), 'unknown-service')
      assert.equal(await client.request('stop', name), 'unknown-service')
    }
    assert.deepEqual(manager.commands, [])
  })

  for (const load of ['masked', 'not-found', 'bad-setting', 'error']) {
    test(`for a unit that is ${load} is refused before anything runs`, async (t) => {
      const { manager, open } = await started(t)
      manager.units.set('a.service', { load })
      const client = await informed(await open())
      assert.equal(await client.request('start', 'a'), load)
      assert.deepEqual(manager.commands, [])
      // Repaired since the last look.
      manager.units.delete('a.service')
      assert.equal(await client.request('start', 'a'), 'done')
    })
  }

  test('for a transient unit that runs already changes nothing', async (t) => {
    const { manager, open } = await started(t)
    const client = await informed(await open())
    manager.units.set('llm-gateway-run-run.service', { active: 'active' })
    assert.equal(await client.request('start', 'run'), 'done')
    assert.deepEqual(manager.commands, [])
    manager.units.set('llm-gateway-run-run.service', { active: 'failed' })
    assert.equal(await client.request('start', 'run'), 'done')
    assert.deepEqual(manager.commands, [
      'reset-failed llm-gateway-run-run.service',
      'run llm-gateway-run-run.service',
    ])
  })

  test('that the manager refuses is answered with the reason, and logged with its message', async (t) => {
    const { manager, log, open } = await started(t)
    const client = await informed(await open())
    manager.result = {
      status: 4,
      stdout: '',
      stderr: 'Failed to start a.service: Access denied\u001b[2J\nSee man.\n',
    }
    assert.equal(await client.request('start', 'a'), 'not-permitted')
    assert.deepEqual(log, [
      'start of a.service refused (not-permitted): Failed to start a.service: Access denied\\u001b[2J See man.',
    ])
  })

  test('without a manager is refused', async (t) => {
    const { manager, open } = await started(t)
    manager.isReachable = false
    const client = await open()
    assert.equal(await client.request('start', 'a'), 'manager-unreachable')
    assert.equal(await client.request('look'), 'manager-unreachable')
    assert.ok(!client.messages.some(({ kind }) => kind === 'units'))
    manager.isReachable = true
    assert.equal(await client.request('look'), 'done')
    await informed(client)
  })

  test('waits for the one before it of the same unit, and for no other', async (t) => {
    const { manager, open } = await started(t)
    const client = await informed(await open())
    const first = Promise.withResolvers<Finished>()
    manager.result = first.promise
    const stopped = client.request('stop', 'a')
    await until(() => manager.commands.length === 1, 'the stop')
    manager.result = done
    const restarted = client.request('start', 'a')
    assert.equal(await client.request('stop', 'b'), 'done')
    assert.deepEqual(manager.commands, ['stop a.service', 'stop b.service'])
    first.resolve(done)
    assert.deepEqual(await Promise.all([stopped, restarted]), ['done', 'done'])
    assert.deepEqual(manager.commands.slice(2), ['reset-failed a.service', 'start a.service'])
  })
})

suite('looks', () => {
  test('that are asked for report all units, before the answer', async (t) => {
    const { open } = await started(t)
    const [client, other] = [await informed(await open()), await informed(await open())]
    const [before, ofOther] = [client.messages.length, other.messages.length]
    assert.equal(await client.request('look'), 'done')
    const [report, answer] = client.messages.slice(before)
    assert.ok(report?.kind === 'units' && report.isWhole && report.reports.length === services.length)
    assert.equal(answer?.kind, 'done')
    assert.equal(other.messages.length, ofOther)
  })

  test('that began before a request was accepted are not reported after it', async (t) => {
    const { manager, open } = await started(t)
    const client = await informed(await open())
    const look = Promise.withResolvers<void>()
    manager.holdLook = look.promise
    const looked = client.request('look')
    await until(() => manager.heldLooks === 1, 'the look')
    assert.equal(await client.request('start', 'a'), 'done')
    const before = client.messages.length
    manager.units.set('a.service', { active: 'activating' })
    look.resolve()
    assert.equal(await looked, 'done')
    for (const message of client.messages.slice(before)) {
      if (message.kind !== 'units') continue
      for (const { service, active } of message.reports)
        if (service === 'a') assert.equal(active, 'activating')
    }
    assert.equal(client.reports.get('a')?.active, 'activating')
  })

  /** How many there are within a time, each of which has ended before the next begins. */
  async function looksWithin(manager: FakeManager, clock: FakeClock, ms: number): Promise<number> {
    const before = manager.looks
    for (let passed = 0; passed < ms; passed += 50) {
      clock.advance(50)
      for (let turn = 0; turn < 4; turn++) await settled()
    }
    return manager.looks - before
  }

  test('are seldom while nothing happens, frequent in a transition, and never two at once', async (t) => {
    const { manager, clock, open } = await started(t)
    const client = await informed(await open())
    const quiet = await looksWithin(manager, clock, 7_000)
    assert.ok(quiet >= 8 && quiet <= 10, String(quiet))
    assert.equal(await client.request('start', 'a'), 'done')
    manager.units.set('a.service', { active: 'activating' })
    const starting = await looksWithin(manager, clock, 5_000)
    assert.ok(starting >= 40, String(starting))
    // It takes long, as a model does to load.
    await looksWithin(manager, clock, 10_000)
    const loading = await looksWithin(manager, clock, 7_000)
    assert.ok(loading <= 11, String(loading))
    await Promise.all([client.request('look'), client.request('look'), client.request('look')])
    assert.equal(manager.mostLooks, 1)
  })

  test('end with the last connection, and the starter is idle 30 s later', async (t) => {
    const { manager, clock, starter, open, idle } = await started(t)
    const client = await informed(await open())
    clock.advance(60_000)
    assert.equal(idle(), 0)
    client.socket.destroy()
    await until(() => countOf(starter.server).then((count) => count === 0), 'the end of the connection')
    await settled()
    assert.equal(clock.pendingTimers, 1)
    const before = manager.looks
    clock.advance(29_000)
    await settled()
    assert.deepEqual([manager.looks - before, idle()], [0, 0])
    clock.advance(1_000)
    assert.equal(idle(), 1)
  })

  test('are none before the first connection, but the starter is idle then too', async (t) => {
    const { manager, clock, idle } = await started(t)
    clock.advance(30_000)
    assert.deepEqual([manager.looks, idle()], [0, 1])
  })
})

suite('the configuration', () => {
  const list = (names: readonly string[]): ReadServices => ({
    kind: 'read',
    list: { manager: 'user', services: services.filter(({ service }) => names.includes(service)) },
  })

  test('that has changed is in force once the gateway has reloaded, and all is reported anew', async (t) => {
    const { file, open } = await started(t)
    const client = await informed(await open())
    Object.assign(file, { version: '2', content: list(['b']) })
    assert.equal(await client.request('reload'), 'done')
    assert.equal(await client.request('start', 'a'), 'unknown-service')
    const last = client.messages.findLast(({ kind }) => kind === 'units')
    assert.ok(last?.kind === 'units' && last.isWhole)
    assert.equal(last.reports[0]?.service, 'b')
  })

  test('that has a service no more still lets its unit be stopped, and reports it, until it is read from the beginning', async (t) => {
    const { file, manager, open } = await started(t)
    const client = await informed(await open())
    Object.assign(file, { version: '2', content: list(['b']) })
    await client.request('reload')
    assert.equal(await client.request('stop', 'a'), 'unknown-service')
    assert.equal(await client.request('stop', 'a', 'c.service'), 'configuration-changed')
    assert.equal(await client.request('stop', 'a', 'a.service'), 'done')
    assert.deepEqual(manager.commands, ['stop a.service'])
    manager.units.set('a.service', { active: 'deactivating' })
    await client.request('look')
    await client.reported('a', { active: 'deactivating' })
  })

  test('that gives a service another unit has that one started, and each of both stopped', async (t) => {
    const { file, manager, open } = await started(t)
    const client = await informed(await open())
    const changed = { manager: 'user', services: [{ service: 'a', unit: 'new.service' }] }
    Object.assign(file, { version: '2', content: { kind: 'read', list: changed } })
    await client.request('reload')
    await client.request('stop', 'a', 'a.service')
    await client.request('stop', 'a', 'new.service')
    assert.equal(await client.request('start', 'a', 'a.service'), 'configuration-changed')
    await client.request('start', 'a', 'new.service')
    const commands = ['stop a.service', 'stop new.service', 'reset-failed new.service', 'start new.service']
    assert.deepEqual(manager.commands, commands)
  })

  test('that goes over to another manager forgets the units of the former one', async (t) => {
    const { file, manager, open } = await started(t)
    const client = await informed(await open())
    Object.assign(file, {
      version: '2',
      content: { kind: 'read', list: { manager: 'system', services: [] } },
    })
    await client.request('reload')
    assert.equal(await client.request('stop', 'a', 'a.service'), 'configuration-changed')
    assert.deepEqual(manager.commands, [])
    const last = client.messages.findLast(({ kind }) => kind === 'units')
    assert.deepEqual(last, { kind: 'units', reports: [], isWhole: true })
  })

  test('that was edited changes nothing until the gateway reloads', async (t) => {
    const { file, manager, open } = await started(t)
    const client = await informed(await open())
    const changed = { manager: 'user', services: [{ service: 'a', unit: 'new.service' }] }
    Object.assign(file, { version: '2', content: { kind: 'read', list: changed } })
    assert.equal(await client.request('start', 'a', 'a.service'), 'done')
    assert.equal(await client.request('start', 'a', 'new.service'), 'configuration-changed')
    assert.deepEqual(manager.commands, ['reset-failed a.service', 'start a.service'])
    assert.equal(client.messages.filter(({ kind }) => kind === 'units').length, 1)
  })

  test('that was edited and could be written by others in between is in force as it was before', async (t) => {
    const { file, manager, open } = await started(t)
    const client = await informed(await open())
    Object.assign(file, { version: '2', content: { kind: 'untrusted', message: 'x.yaml is writable' } })
    assert.equal(await client.request('reload'), 'configuration')
    assert.equal(await client.request('start', 'a', 'a.service'), 'configuration')
    Object.assign(file, { version: '3', content: list(['b']) })
    assert.equal(await client.request('start', 'a', 'a.service'), 'done')
    assert.deepEqual(manager.commands, ['reset-failed a.service', 'start a.service'])
  })

  test('that is in force with a reload is so for the requests of the same packet', async (t) => {
    const { file, manager, open } = await started(t)
    const client = await informed(await open())
    const changed = { manager: 'user', services: [{ service: 'a', unit: 'new.service' }] }
    Object.assign(file, { version: '2', content: { kind: 'read', list: changed } })
    const lines = [
      '{"kind":"reload","id":901}',
      '{"kind":"stop","id":902,"service":"a","unit":"new.service"}',
      '',
    ]
    client.socket.write(lines.join('\n'))
    await until(() => client.messages.some((message) => 'id' in message && message.id === 902), 'the stop')
    assert.deepEqual(manager.commands, ['stop new.service'])
  })

  test('with an error leaves the services as they were, and is logged once', async (t) => {
    const { file, log, open } = await started(t)
    const client = await informed(await open())
    Object.assign(file, { version: '2', content: { kind: 'invalid', message: 'x.yaml:1 is wrong' } })
    assert.equal(await client.request('start', 'a'), 'done')
    assert.equal(await client.request('start', 'b'), 'done')
    assert.deepEqual(log, ['x.yaml:1 is wrong'])
  })

  test('that cannot be used is reported to all, and what comes after is whole', async (t) => {
    const { file, manager, clock, open } = await started(t)
    const client = await informed(await open())
    Object.assign(file, { version: '2', content: { kind: 'untrusted', message: 'x.yaml is writable' } })
    const unusable = { kind: 'unusable', reason: 'configuration' }
    const isTold = (other: StarterClient) => other.messages.some((each) => isDeepStrictEqual(each, unusable))
    await until(() => {
      clock.advance(100)
      return isTold(client)
    }, 'the report')
    assert.equal(client.messages.filter(({ kind }) => kind === 'unusable').length, 1)
    const second = await open()
    await until(() => isTold(second), 'the report to another one')
    assert.equal(await second.request('look'), 'configuration')
    assert.deepEqual(manager.commands, [])
    client.reports.clear()
    Object.assign(file, { version: '3', content: list(['a', 'b']) })
    await until(() => {
      clock.advance(100)
      return client.reports.size === services.length && second.reports.size === services.length
    }, 'all units')
    assert.equal(await client.request('start', 'a'), 'done')
  })

  test('that others can write is not used until it is mended, even by a directory', async (t) => {
    const { file, manager, open } = await started(t)
    const client = await informed(await open())
    Object.assign(file, { version: '2', content: { kind: 'untrusted', message: 'x.yaml is writable' } })
    assert.equal(await client.request('start', 'a'), 'configuration')
    assert.equal(await client.request('stop', 'a'), 'configuration')
    assert.deepEqual(manager.commands, [])
    file.content = list(['a'])
    assert.equal(await client.request('start', 'a'), 'done')
  })
})

test('a sign of life comes every two seconds', async (t) => {
  const { clock, open } = await started(t)
  const client = await informed(await open())
  const count = () => client.messages.filter(({ kind }) => kind === 'alive').length
  for (const wanted of [1, 2]) {
    clock.advance(1_999)
    await settled()
    assert.equal(count(), wanted - 1)
    clock.advance(1)
    await until(() => count() === wanted, 'a sign of life')
  }
})

test('requests of a connection that has ended are not carried out', async (t) => {
  const { manager, path, open } = await started(t)
  const client = await informed(await open())
  const request = (id: number) => `${JSON.stringify({ kind: 'start', id, service: 'a' })}\n`
  const left = connect(path)
  await once(left, 'connect')
  left.write(request(1))
  left.destroy()
  assert.equal(await client.request('start', 'b'), 'done')
  assert.ok(!manager.commands.includes('start a.service'), String(manager.commands))
})

test('a unit that belongs to an earlier service is neither started nor stopped for another one', async (t) => {
  const { manager, open } = await started(t)
  manager.aliases.set('b.service', 'a.service')
  const client = await informed(await open())
  await client.reported('b', { load: 'same-unit', active: 'inactive' })
  assert.equal(await client.request('start', 'b'), 'same-unit')
  assert.equal(await client.request('stop', 'b'), 'same-unit')
  assert.deepEqual(manager.commands, [])
  assert.equal(await client.request('start', 'a'), 'done')
})

function countOf(server: Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((_, count) => resolve(count)))
}

test('a client that connects and leaves at once does no harm', async (t) => {
  const { path, open } = await started(t)
  for (let count = 0; count < 20; count++)
    connect(path)
      .on('error', () => {})
      .destroy()
  await informed(await open())
})
