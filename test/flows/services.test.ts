// Model servers that are started when they are called: what reaches them, and what clients see of those that do not run.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import type { RawProvider } from '../../src/config/raw.ts'
import { type Options, startGateway, type TestGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { at } from '../support/gateway-config.ts'
import { json } from '../support/upstream-script.ts'
import { type ScriptedStarter, startStarter } from '../support/scripted-starter.ts'
import { type ModelServer, offered, startModelServer } from './model-servers.ts'
import { readReport } from './status/status-client.ts'

const polled = { discover_models: true, health_check: { path: '/alive', interval_ms: 1_000 } } as const

interface Scene extends Options {
  readonly starter: ScriptedStarter
  readonly server: { readonly url: string }
}

/** A gateway with one server, `qwen`, which is a service. */
async function start(
  t: TestContext,
  { starter, server, ...options }: Scene,
  settings: RawProvider = polled,
  service: RawProvider['service'] = { unit: 'qwen.service' },
  more: object = {},
): Promise<TestGateway> {
  const providers = { echo: { kind: 'echo' }, qwen: at(server, { ...settings, service }) } as const
  const setup = { providers, models: { echo: { provider: 'echo' }, own: { provider: 'qwen' } }, ...more }
  const { gateway } = await startGateway(t, setup, { starterPath: starter.path, ...options })
  return gateway
}

async function scene(t: TestContext): Promise<{ starter: ScriptedStarter; server: ModelServer }> {
  return { starter: await startStarter(t, 'qwen'), server: await startModelServer(t, 'm') }
}

function targets(server: ModelServer): string[] {
  return server.requests.map(({ method, target }) => `${method} ${target}`)
}

/** A gateway that has seen its units. */
async function reported(starter: ScriptedStarter, connections = 1): Promise<void> {
  await until(() => starter.connections === connections, 'the connection to the starter')
}

/** What is held against the server, as the status page shows it. */
async function troubleOf(t: TestContext, gateway: TestGateway): Promise<string | null | undefined> {
  const { providers } = await readReport(t, gateway)
  return providers.find(({ name }) => name === 'qwen')?.trouble
}

suite('a server that is started when it is called', () => {
  test('is asked nothing before, then whether it is ready, then the call and what polls ask', async (t) => {
    const { starter, server } = await scene(t)
    const gateway = await start(t, { starter, server })
    await reported(starter)
    assert.deepEqual(await offered(t, gateway), { echo: 'echo', own: 'qwen' })
    assert.equal((await chat(gateway, 'unknown')).status, 404)
    assert.deepEqual([targets(server), starter.requests.map(({ kind }) => kind)], [[], ['reload']])

    const { status, headers } = await chat(gateway, 'qwen/m')
    assert.deepEqual([status, headers.get('x-llm-gateway-provider')], [200, 'qwen'])
    assert.equal(starter.countOf('start', 'qwen'), 1)
    assert.equal(targets(server)[0], 'GET /v1/models')
    await gateway.logged({ event: 'models_discovered', provider: 'qwen' })
    const polls = ['GET /v1/alive', 'GET /v1/models', 'POST /v1/chat/completions']
    await until(() => polls.every((each) => targets(server).includes(each)), 'what polls ask')
    assert.deepEqual(await offered(t, gateway), { echo: 'echo', own: 'qwen', m: 'qwen', 'qwen/m': 'qwen' })
  })

  test('that runs already is adopted: polls ask it, and nobody starts it', async (t) => {
    const { starter, server } = await scene(t)
    starter.activate('qwen')
    const gateway = await start(t, { starter, server })
    await gateway.logged({ event: 'models_discovered', provider: 'qwen' })
    assert.equal((await chat(gateway, 'm')).status, 200)
    assert.equal(starter.countOf('start', 'qwen'), 0)
  })

  test('is asked nothing more once it has stopped, and nothing is held against it', async (t) => {
    const { starter, server } = await scene(t)
    starter.activate('qwen')
    const settings = { health_check: { path: '/alive', interval_ms: 1_000 } }
    server.respondAlways(({ target }) => json(target === '/v1/models' ? 200 : 500, {}))
    const clock = new FakeClock()
    const gateway = await start(t, { starter, server, clock }, settings)
    await until(async () => {
      clock.advance(100)
      return (await troubleOf(t, gateway)) === 'broken'
    }, 'a check that fails')

    starter.set('qwen', { active: 'inactive', sub: 'dead' })
    await until(async () => (await troubleOf(t, gateway)) === null, 'the end of its trouble')
    const before = server.requests.length
    clock.advance(600_000)
    starter.activate('qwen')
    await until(() => {
      clock.advance(100)
      return server.requests.length > before
    }, 'the next request')
    // It is asked whether it is ready, before it is checked.
    assert.equal(targets(server)[before], 'GET /v1/models')
  })

  test('takes calls once its ready path answers, below its root', async (t) => {
    const { starter, server } = await scene(t)
    const answers = [503, 500, 200]
    server.respondAlways(() =>
      json(answers.shift() ?? 200, { id: 'x', object: 'chat.completion', choices: [] }),
    )
    const service = { unit: 'qwen.service', ready: '/up' }
    const gateway = await start(t, { starter, server }, {}, service)
    assert.equal((await chat(gateway, 'own')).status, 200)
    assert.deepEqual(targets(server), ['GET /up', 'GET /up', 'GET /up', 'POST /v1/chat/completions'])
  })

  test('that refuses the key is ready, and its calls report that', async (t) => {
    const { starter, server } = await scene(t)
    server.lists(json(401, {}))
    server.respondsToCalls(json(401, { error: { message: 'wrong key' } }))
    const gateway = await start(t, { starter, server }, {})
    const { status, headers } = await chat(gateway, 'own')
    assert.deepEqual([status, headers.get('x-llm-gateway-error')], [502, 'provider_auth_failed'])
  })

  test('is left as it is when the gateway stops', async (t) => {
    const { starter, server } = await scene(t)
    const gateway = await start(t, { starter, server })
    assert.equal((await chat(gateway, 'qwen/m')).status, 200)
    await gateway.stop()
    await until(() => starter.openConnections === 0, 'the end of the connection')
    assert.equal(starter.countOf('stop', 'qwen'), 0)
  })

  test('cannot be started while the starter is not there: 503, and why', async (t) => {
    const { starter, server } = await scene(t)
    await starter.close()
    const gateway = await start(t, { starter, server })
    const { status, headers, body } = await chat(gateway, 'qwen/m')
    assert.deepEqual([status, headers.get('x-llm-gateway-error')], [503, 'service_not_started'])
    assert.match(body, /starter-unreachable/)
    assert.deepEqual(targets(server), [])
  })

  test('has one owner, whatever the number of threads', async (t) => {
    const { starter, server } = await scene(t)
    const gateway = await start(t, { starter, server }, polled, undefined, { server: { workers: 2 } })
    const calls = Array.from({ length: 8 }, () => chat(gateway, 'qwen/m'))
    assert.deepEqual(
      (await Promise.all(calls)).map(({ status }) => status),
      calls.map(() => 200),
    )
    assert.deepEqual([starter.connections, starter.countOf('start', 'qwen')], [1, 1])
    await gateway.stop()
    await until(() => starter.openConnections === 0, 'the end of the connection')
  })

  test('a reload connects to the starter for the first service, and drops a list with its server', async (t) => {
    const { starter, server } = await scene(t)
    const setup = (service: RawProvider['service']) => ({
      providers: { echo: { kind: 'echo' }, qwen: at(server, { ...polled, ...(service && { service }) }) },
      models: { echo: { provider: 'echo' }, own: { provider: 'qwen' } },
    })
    const { gateway } = await startGateway(t, setup(undefined) as never, { starterPath: starter.path })
    await gateway.logged({ event: 'models_discovered', provider: 'qwen' })
    assert.equal(starter.connections, 0)
    await gateway.reload(setup({ unit: 'qwen.service' }) as never)
    await reported(starter)
    assert.ok('qwen/m' in (await offered(t, gateway)))
    await gateway.reload(setup({ unit: 'other.service' }) as never)
    assert.deepEqual(await offered(t, gateway), { echo: 'echo', own: 'qwen' })
  })

  test('lists its models over a restart of the gateway, before it runs again', async (t) => {
    const { starter, server } = await scene(t)
    const stateDirectory = scratchDirectory(t)
    const first = await start(t, { starter, server, stateDirectory })
    assert.equal((await chat(first, 'qwen/m')).status, 200)
    await first.logged({ event: 'models_discovered', provider: 'qwen' })
    await first.stop()
    assert.deepEqual([starter.countOf('stop', 'qwen'), starter.openConnections], [0, 0])
    starter.set('qwen', { active: 'inactive', sub: 'dead' })

    const before = server.requests.length
    const second = await start(t, { starter, server, stateDirectory })
    await reported(starter, 2)
    assert.deepEqual(await offered(t, second), { echo: 'echo', own: 'qwen', m: 'qwen', 'qwen/m': 'qwen' })
    const tags = (await (await fetch(`${second.url}/api/tags`)).json()) as { models: { name: string }[] }
    assert.deepEqual(tags.models.map(({ name }) => name).toSorted(), [
      'echo:latest',
      'm:latest',
      'own:latest',
      'qwen/m:latest',
    ])
    assert.equal(server.requests.length, before)
    assert.equal((await chat(second, 'm')).status, 200)
    assert.equal(starter.countOf('start', 'qwen'), 2)
  })
})
