// What the owner of services does when their servers come and go, whose units the test starts and stops.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test, type TestContext } from 'node:test'

import { OwnServices } from '../../../src/app/own-services.ts'
import type { RawProvider } from '../../../src/config/raw.ts'
import type { ServiceState } from '../../../src/upstream/services/services.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { until } from '../../support/deadline.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'
import { at } from '../../support/gateway-config.ts'
import { startStarter } from '../../support/scripted-starter.ts'
import { AskedProvider, configOf, KeptEvents, setOf } from '../asked-provider.ts'

const service = { unit: 'qwen.service', ready: '/ready' } as const

async function start(t: TestContext, settings: RawProvider, stateDirectory?: string, port = 0) {
  const clock = new FakeClock()
  const events = new KeptEvents()
  const provider = new AskedProvider('qwen')
  const starter = await startStarter(t, 'qwen')
  const server = createServer((_, response) => void response.end()).listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.close()
    server.closeAllConnections()
    if (server.listening) await once(server, 'close')
  }
  t.after(close)
  const address = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  Object.assign(provider.provider, { kind: settings.kind ?? 'openai', hasService: true })
  const configWith = (more: RawProvider) =>
    configOf(t, { providers: { qwen: at(address, { ...settings, ...more }) } })
  const services = await OwnServices.start(configWith({ service }), {
    clock,
    events,
    stateDirectory,
    store: undefined,
    ledger: undefined,
    counts: undefined,
    version: '0.0.0-test',
    starterPath: starter.path,
  })
  const follow = (more: RawProvider = { service }) => services.follow(configWith(more), setOf(provider))
  const paths = () => provider.asked.map(({ path }) => path)
  const trouble = () => services.coordinator.health.troubleOf('qwen', clock.now())
  const stateIs = (wanted: ServiceState['state']) =>
    until(() => services.watch.describeModelServers()[0]?.state === wanted, `the state ${wanted}`)
  /** While time passes. */
  const becomes = (wanted: ServiceState['state']) =>
    until(() => {
      if (services.watch.describeModelServers()[0]?.state === wanted) return true
      clock.advance(100)
      return false
    }, `the state ${wanted}`)
  const run = async () => {
    starter.activate('qwen')
    await becomes('ready')
    await settled()
  }
  const halt = async () => {
    starter.set('qwen', { active: 'inactive', sub: 'dead' })
    await stateIs('stopped')
  }
  t.after(async () => {
    services.stopWatching()
    await services.save()
  })
  return {
    clock,
    events,
    provider,
    starter,
    services,
    follow,
    paths,
    trouble,
    run,
    halt,
    becomes,
    close,
    port: (server.address() as AddressInfo).port,
  }
}

const polled = { kind: 'llama_cpp', discover_models: true, health_check: true } as const satisfies RawProvider

suite('a server that is started on demand', () => {
  test('is asked nothing before it is ready, all there is to ask at once then, and nothing after', async (t) => {
    const { clock, provider, starter, services, follow, paths, run, halt, becomes } = await start(t, polled)
    follow()
    await until(() => starter.connections === 1, 'the connection to the starter')
    clock.advance(700_000)
    await services.refreshModels('unknown')
    const format = { name: 'messages', path: '/messages' }
    assert.equal(await services.formats.find('qwen', format), undefined)
    starter.set('qwen', { active: 'activating', sub: 'start' })
    await becomes('starting')
    assert.deepEqual(paths(), [])
    await run()
    assert.deepEqual(paths().toSorted(), ['//health', '//props', '/models'])
    await halt()
    assert.ok(provider.asked.every(({ isAborted }) => isAborted))
    clock.advance(700_000)
    assert.equal(paths().length, 3)
  })

  test('has no trouble while it is stopped, and none of before once it is ready', async (t) => {
    const settings = { health_check: true } as const
    const { provider, services, follow, trouble, clock, events, run, halt } = await start(t, settings)
    follow()
    await run()
    await provider.respond(500)
    assert.equal(trouble()?.failureKind, 'broken')
    await halt()
    assert.equal(trouble(), undefined)
    const target = { provider: 'qwen', model: 'm', tier: 1, weight: 1 }
    const of = { cooldownMs: 600_000, isLocal: true, retryAfterMs: undefined, nowMs: clock.now() }
    services.coordinator.health.recordFailure(target, 'auth', of)
    assert.equal(trouble()?.failureKind, 'auth')
    await run()
    assert.equal(trouble(), undefined)
    await provider.respond(500)
    assert.equal(trouble()?.failureKind, 'broken')
    // It is another process: what is wrong with it is news.
    assert.equal(events.all.filter(({ kind }) => kind === 'health_checked').length, 2)
  })

  test('loses what it had in memory with its process', async (t) => {
    const settings = { kind: 'llama_cpp', max_parallel_requests: 'auto' } as const
    const { provider, services, follow, run, halt } = await start(t, settings)
    follow()
    await run()
    assert.equal(provider.asked.at(-1)?.path, '//props')
    const report = { total_slots: 3, is_sleeping: true, default_generation_settings: { n_ctx: 4096 } }
    await provider.respond(200, report)
    const { serverFacts } = services.coordinator
    assert.deepEqual([serverFacts.slotsOf('qwen'), serverFacts.isSleeping('qwen')], [3, true])
    await halt()
    assert.deepEqual([serverFacts.slotsOf('qwen'), serverFacts.isSleeping('qwen')], [3, false])
  })

  test('is asked for its formats anew after it was started', async (t) => {
    const { provider, services, follow, paths, run, halt } = await start(t, { kind: 'llama_cpp' })
    follow()
    await run()
    const format = { name: 'messages', path: '/messages' }
    Object.assign(provider.provider, {
      send: (_: unknown, handler: (typeof provider.asked)[number]['handler']) => {
        queueMicrotask(() => handler.onFailure({ kind: 'broken', code: 'X', detail: 'x' }))
        return { wasSent: true, pause() {}, resume() {}, abort() {} }
      },
    })
    const first = services.formats.find('qwen', format)
    await provider.respond(200, { build_info: 'b1' })
    assert.equal(await first, undefined)
    // It was unclear just now.
    assert.equal(await services.formats.find('qwen', format), undefined)
    assert.deepEqual(paths(), ['//props'])
    await halt()
    await run()
    void services.formats.find('qwen', format)
    await settled()
    assert.deepEqual(paths(), ['//props', '//props'])
  })

  test('has its models kept over a restart', async (t) => {
    const directory = scratchDirectory(t)
    const first = await start(t, { discover_models: true }, directory)
    first.follow()
    await first.run()
    await first.provider.list('m')
    first.services.stopWatching()
    await first.services.save()
    await first.close()
    const second = await start(t, { discover_models: true }, directory, first.port)
    second.follow()
    assert.deepEqual(
      second.services.discovered.get('qwen')?.map(({ id }) => id),
      ['m'],
    )
    assert.deepEqual(second.paths(), [])
  })
})

suite('the pool of services', () => {
  test('is there from the first configuration on that has any, and follows from then on', async (t) => {
    const { services, starter, follow } = await start(t, {})
    follow({})
    assert.deepEqual([services.coordinator.services, starter.connections], [undefined, 0])
    follow()
    assert.equal(services.coordinator.services?.has('qwen'), true)
    await until(() => starter.connections === 1, 'the connection to the starter')
    follow({})
    assert.equal(services.coordinator.services.has('qwen'), false)
  })

  test('loses the starter and finds it again: two events', async (t) => {
    const { clock, services, starter, follow, events, run } = await start(t, {})
    follow()
    await run()
    starter.drop()
    const kinds = () => events.all.map(({ kind }) => kind).filter((kind) => kind.startsWith('starter_'))
    await until(() => kinds().length === 2, 'the report of the loss')
    assert.equal(services.coordinator.services?.isOpen('qwen'), true)
    clock.advance(1_000)
    await until(() => kinds().length === 3, 'the report of the new connection')
    assert.deepEqual(kinds(), ['starter_found', 'starter_lost', 'starter_found'])
  })

  test('is closed with the gateway, and follows nothing after', async (t) => {
    const { services, starter, follow, clock } = await start(t, {})
    follow()
    await until(() => starter.connections === 1, 'the connection to the starter')
    services.stopWatching()
    follow()
    assert.equal(starter.openConnections, 1)
    await services.save()
    await until(() => starter.openConnections === 0, 'the end of the connection')
    assert.deepEqual([clock.pendingTimers, starter.countOf('stop', 'qwen')], [0, 0])
  })
})
