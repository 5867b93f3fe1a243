// `llm-gateway services`, against a control socket whose services a test scripts.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { type ServiceCommand, serviceCommands } from '../../src/app/services/control-commands.ts'
import { servicesListCommand } from '../../src/cli/services-list.ts'
import { servicesSteerCommand } from '../../src/cli/services-steer.ts'
import { openControl } from '../../src/server/control/control-server.ts'
import type { RunProgram } from '../../src/systemd/programs.ts'
import type { NotStarted, ServiceControl, ServiceState } from '../../src/upstream/services/services.ts'
import { recordedIo } from '../support/command-io.ts'
import { defaultEnv } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { serviceState } from '../support/service-state.ts'
import { runCommand } from '../support/run-command.ts'

/** It has failed three minutes before now, whenever that is. */
const failed = () =>
  serviceState({
    provider: 'gemma',
    unit: 'llama-server@gemma.service',
    state: 'failed',
    calls: 0,
    memoryBytes: undefined,
    lastStartMs: undefined,
    failure: 'exit-code 1',
    failures: 1,
  })

class Servers implements ServiceControl {
  readonly asked: string[] = []
  states: readonly ServiceState[] = []
  left: readonly ServiceState[] = []
  onStart: () => Promise<NotStarted | undefined> = async () => undefined
  onStop: () => Promise<string | undefined> = async () => undefined

  describe(): readonly ServiceState[] {
    return this.states
  }

  leaving(): readonly ServiceState[] {
    return this.left
  }

  start(provider: string): Promise<NotStarted | undefined> {
    this.asked.push(`start ${provider}`)
    return this.onStart()
  }

  stop(provider: string): Promise<string | undefined> {
    this.asked.push(`stop ${provider}`)
    return this.onStop()
  }
}

/** Prints two lines, the second of which is an attack on the terminal. */
function scriptedJournal(): { run: RunProgram; calls: string[]; shown: string } {
  const calls: string[] = []
  const journal = { calls, shown: '', run: (() => assert.fail()) as RunProgram }
  journal.run = (program, args) => {
    calls.push([program, ...args].join(' '))
    if (program === 'systemctl') return { status: 0, stdout: journal.shown, stderr: '' }
    return { status: 0, stdout: 'loading model\ncannot open \u001b[2J/models/x.gguf\n', stderr: '' }
  }
  return journal
}

interface SceneOptions {
  readonly manager?: 'user' | 'system'
  readonly has?: boolean
  readonly starterFault?: string
}

async function scene(
  t: TestContext,
  states: readonly ServiceState[],
  { manager = 'user', has = true, starterFault }: SceneOptions = {},
) {
  const servers = new Servers()
  servers.states = states
  const commanded: ServiceCommand[] = []
  const home = mkdtempSync(join(tmpdir(), 'llm-gateway-services-'))
  mkdirSync(join(home, '.local/state'), { recursive: true })
  const commands = new Map(
    serviceCommands(
      () => (has ? { control: servers, manager, starterFault } : undefined),
      (command) => void commanded.push(command),
    ),
  )
  const path = join(home, '.local/state/llm-gateway/control.sock')
  const control = await openControl(path, commands, (error) => assert.fail(String(error)))
  t.after(() => control.close())
  const io = recordedIo({ HOME: home })
  const journal = scriptedJournal()
  const options = { config: undefined, json: false, lines: undefined, run: journal.run }
  return {
    servers,
    commanded,
    journal,
    list: async (name?: string, more: { json?: boolean; lines?: number } = {}) => {
      const status = await servicesListCommand(io, name, { ...options, ...more })
      return { status, ...io.written }
    },
    steer: async (verb: 'start' | 'stop', name: string, isWaiting = true) => {
      const status = await servicesSteerCommand(io, verb, name, { ...options, isWaiting })
      return { status, ...io.written }
    },
  }
}

suite('`services`', () => {
  test('lists all, those that have failed first, with the end of their journal', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
    const { list, journal } = await scene(t, [serviceState(), failed()])
    const { status, stdout, stderr } = await list()
    assert.deepEqual([status, stderr], [0, ''])
    assert.deepEqual(stdout.split('\n'), [
      'provider  state   since      calls  waiting  memory  last start  group  unit',
      'gemma     failed  3 min ago  0      0        -       -           gpu0   llama-server@gemma.service',
      'qwen      ready   3 min ago  2      0        4.5G    4.2 s       gpu0   llama-server@qwen.service',
      '',
      'gemma failed: exit-code 1; the next call starts it again',
      '  | loading model',
      '  | cannot open \\u001b[2J/models/x.gguf',
      '',
    ])
    assert.deepEqual(journal.calls, [
      'journalctl --user-unit=llama-server@gemma.service --lines=10 --no-pager --quiet --output=cat',
    ])
  })

  test('lists a unit that the configuration has no longer until it is stopped, after the others', async (t) => {
    const { servers, list } = await scene(t, [serviceState()])
    servers.left = [serviceState({ unit: 'former.service', state: 'draining' })]
    const { stdout } = await list()
    assert.match(stdout, /^qwen +ready .* llama-server@qwen\.service\nqwen +draining .* former\.service$/m)
    assert.match((await list('qwen')).stdout, /^unit +llama-server@qwen\.service$/m)
  })

  test('shows no journal, which is of earlier runs, for one that could not be started', async (t) => {
    for (const failure of ['masked', 'starter-unreachable', 'busy']) {
      const { list, journal } = await scene(t, [{ ...failed(), failure }])
      const { stdout } = await list()
      assert.match(stdout, new RegExp(`^gemma failed: ${failure}; the next call starts it again\n$`, 'm'))
      assert.deepEqual(journal.calls, [])
    }
  })

  test('says that states are unknown, and why, when nothing that starts units answers', async (t) => {
    const stopped = serviceState({ provider: 'gemma', state: 'stopped' })
    const { list } = await scene(t, [serviceState(), stopped], { starterFault: 'its socket is missing' })
    const { status, stdout, stderr } = await list()
    assert.equal(status, 0)
    assert.match(stdout, /^gemma +unknown .*\nqwen +ready /m)
    assert.match(
      stderr,
      /^warning: the states are unknown, .*\(its socket is missing\); to install it: .*systemd install$/m,
    )
  })

  test('prints one in detail, with more of its journal', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
    const { list, journal } = await scene(t, [serviceState(), failed()], { manager: 'system' })
    const { status, stdout } = await list('gemma', { lines: 200 })
    assert.equal(status, 0)
    assert.match(stdout, /^state +failed for 3 min$/m)
    assert.match(stdout, /^failure +exit-code 1; the next call starts it again$/m)
    assert.match(stdout, /^by this gateway +3 started \(1 failed\), 2 stopped$/m)
    assert.match(stdout, /^journal of llama-server@gemma\.service\n {2}\| loading model$/m)
    assert.deepEqual(journal.calls, [
      'journalctl --unit=llama-server@gemma.service --lines=200 --no-pager --quiet --output=cat',
    ])
  })

  test('prints JSON', async (t) => {
    const { list } = await scene(t, [serviceState(), failed()])
    const rows = JSON.parse((await list(undefined, { json: true })).stdout) as Record<string, unknown>[]
    assert.deepEqual(
      rows.map(({ provider, state, failure, journal }) => ({ provider, state, failure, journal })),
      [
        {
          provider: 'gemma',
          state: 'failed',
          failure: 'exit-code 1',
          journal: ['loading model', 'cannot open \\u001b[2J/models/x.gguf'],
        },
        { provider: 'qwen', state: 'ready', failure: null, journal: null },
      ],
    )
  })

  test('says so where there is none, or none of that name', async (t) => {
    const { list } = await scene(t, [serviceState()])
    const { status, stderr } = await list('qwem')
    assert.equal(status, 1)
    assert.equal(stderr, 'error: the gateway starts no service for a provider "qwem". Did you mean "qwen"?\n')
    const without = await scene(t, [], { has: false })
    assert.deepEqual(await without.list(), {
      status: 0,
      stdout: 'No provider of the running gateway has a service: its servers are started by others.\n',
      stderr: '',
    })
  })

  for (const workers of [1, 2]) {
    test(`asks a gateway with ${workers} threads, which starts none`, async (t) => {
      const { gateway } = await startGatewayProcess(t, { server: { workers } })
      const env = { HOME: gateway.folder, ...defaultEnv }
      const { status, stdout } = await runCommand(['services', '--config', gateway.file], { env })
      assert.deepEqual(
        [status, stdout.split(':')[0]],
        [0, 'No provider of the running gateway has a service'],
      )
      const stop = await runCommand(['services', 'stop', 'plain'], { env })
      assert.equal(stop.status, 1)
      assert.match(stop.stderr, /^error: no provider of the running gateway has a service/)
    })
  }

  test('fails where no gateway runs', async () => {
    const home = mkdtempSync(join(tmpdir(), 'llm-gateway-services-'))
    const { status, stderr } = await runCommand(['services'], { env: { HOME: home } })
    assert.equal(status, 1)
    assert.match(stderr, /^error: no gateway of this user runs/)
  })

  for (const lines of ['-1', '1001', 'x', '1e2']) {
    test(`refuses --lines ${lines}`, async () => {
      const { status, stderr } = await runCommand(['services', 'qwen', `--lines=${lines}`])
      assert.equal(status, 2)
      assert.match(stderr, /Use a whole number from 0 to 1000/)
    })
  }
})

suite('`services start`', () => {
  const stopped = serviceState({ state: 'stopped', calls: 0 })

  test('waits until it is ready, and begins it once', async (t) => {
    const { servers, commanded, steer, list } = await scene(t, [stopped])
    const { promise, resolve } = Promise.withResolvers<undefined>()
    servers.onStart = () => promise
    const starting = steer('start', 'qwen')
    // The answers before the first one that waits: the start is under way.
    while (servers.asked.length === 0) await list()
    const second = steer('start', 'qwen', false)
    assert.match((await second).stdout, /^qwen is starting$/m)
    resolve(undefined)
    const { status, stdout, stderr } = await starting
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /^qwen is ready after \d+ (ms|s)$/m)
    assert.deepEqual(servers.asked, ['start qwen'])
    const by = `user:${userInfo().username}`
    assert.deepEqual(commanded, [{ provider: 'qwen', unit: stopped.unit, verb: 'start', by }])
  })

  test('fails with the reason and the end of the journal', async (t) => {
    const { servers, steer } = await scene(t, [stopped])
    servers.onStart = async () => ({ unit: stopped.unit, result: 'exit-code 1', retryAfterMs: 1_000 })
    const { status, stdout, stderr } = await steer('start', 'qwen')
    assert.deepEqual([status, stdout], [1, ''])
    assert.equal(
      stderr,
      'error: qwen is not ready: exit-code 1\n' +
        'the last lines of the journal of llama-server@qwen.service:\n' +
        '  | loading model\n  | cannot open \\u001b[2J/models/x.gguf\n',
    )
  })

  test('says so when systemd has not read the changed file of the unit', async (t) => {
    const { servers, steer, journal } = await scene(t, [stopped])
    journal.shown = 'NeedDaemonReload=yes\n'
    servers.onStart = async () => ({ unit: stopped.unit, result: 'exit-code 1', retryAfterMs: 1_000 })
    const { stderr } = await steer('start', 'qwen')
    assert.match(stderr, /has changed since systemd read it: systemctl --user daemon-reload$/m)
  })

  test('says that the file has changed when what starts units has another state of it', async (t) => {
    const { servers, steer } = await scene(t, [stopped])
    servers.onStart = async () => ({ unit: stopped.unit, result: 'configuration-changed', retryAfterMs: 0 })
    const { stderr } = await steer('start', 'qwen')
    assert.match(
      stderr,
      /^error: qwen is not ready: the configuration file has changed: reload the gateway\n/,
    )
  })

  test('names the group whose other members keep its place', async (t) => {
    const { servers, steer } = await scene(t, [stopped])
    servers.onStart = async () => ({ unit: stopped.unit, result: 'busy', group: 'gpu0', retryAfterMs: 0 })
    const { stderr } = await steer('start', 'qwen')
    assert.equal(stderr, 'error: qwen is not ready: busy: other members of the group gpu0 run\n')
  })

  test('does nothing for one that is ready', async (t) => {
    const { servers, steer } = await scene(t, [serviceState()])
    assert.deepEqual(await steer('start', 'qwen'), {
      status: 0,
      stdout: 'qwen is ready already\n',
      stderr: '',
    })
    assert.deepEqual(servers.asked, [])
  })

  test('refuses a name that no service has, also from a gateway that has lost it meanwhile', async (t) => {
    const { servers, steer } = await scene(t, [stopped])
    assert.equal((await steer('start', 'other')).status, 1)
    servers.onStart = async () => assert.fail('it is not asked')
    const describe = servers.describe.bind(servers)
    let looks = 0
    servers.describe = () => (looks++ === 0 ? describe() : [])
    const { status, stderr } = await steer('start', 'qwen')
    assert.equal(status, 1)
    assert.match(stderr, /No provider "qwen" has a service/)
  })
})

suite('`services stop`', () => {
  test('waits until it has stopped', async (t) => {
    const { servers, steer } = await scene(t, [serviceState()])
    const { status, stdout } = await steer('stop', 'qwen')
    assert.equal(status, 0)
    assert.match(stdout, /^qwen is stopped after \d+ ms$/m)
    assert.deepEqual(servers.asked, ['stop qwen'])
  })

  test('fails with the reason', async (t) => {
    const { servers, steer } = await scene(t, [serviceState()])
    servers.onStop = async () => 'not-permitted'
    const { status, stderr } = await steer('stop', 'qwen')
    assert.equal(status, 1)
    assert.match(stderr, /^error: qwen has not stopped: not-permitted\n/)
  })

  test('ends when its unit takes longer to stop than systemd lets it', async (t) => {
    const stopping = { state: 'stopping', calls: 0, sinceMs: Date.now() - 121_000 } as const
    const { servers, steer, journal } = await scene(t, [serviceState(stopping)])
    servers.onStop = () => new Promise(() => {})
    const { status, stderr } = await steer('stop', 'qwen')
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^error: qwen has not stopped: its unit has been stopping for 2 min \d s, and systemd allows it 1 min 30 s\n/,
    )
    assert.ok(journal.calls.some((call) => /^systemctl --user show .*TimeoutStopUSec/.test(call)))
  })
})
