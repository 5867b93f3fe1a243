// What the owner of services does when they open and close, with a pool that the test opens and closes by hand.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { OwnServices } from '../../../src/app/shared-services.ts'
import type { OwnedPool } from '../../../src/app/services/model-servers.ts'
import type { RawProvider } from '../../../src/config/raw.ts'
import type { PoolParts } from '../../../src/upstream/services/service-pool.ts'
import type { ServiceState } from '../../../src/upstream/services/services.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeServices } from '../../support/fake-services.ts'
import { at } from '../../support/gateway-config.ts'
import { type ServiceSettings, withServices } from '../../support/services.ts'
import { AskedProvider, configOf, KeptEvents, setOf } from '../asked-provider.ts'

class FakePool extends FakeServices implements OwnedPool {
  readonly parts: PoolParts
  followed = 0
  isClosed = false
  #state: ServiceState['state'] = 'stopped'

  constructor(parts: PoolParts) {
    super('qwen')
    this.parts = parts
  }

  follow(): void {
    this.followed += 1
  }

  describe(): readonly ServiceState[] {
    return []
  }

  async start(): Promise<undefined> {}

  async stop(): Promise<undefined> {}

  close(): void {
    this.isClosed = true
  }

  go(to: ServiceState['state']): void {
    if (to === 'ready') this.open('qwen')
    else this.shut('qwen')
    const from = this.#state
    this.#state = to
    this.parts.onChange?.({ provider: 'qwen', unit: 'qwen.service', group: undefined, from, to, calls: 0 })
  }
}

const address = { url: 'http://127.0.0.1:1' }

async function start(t: TestContext, settings: RawProvider, stateDirectory?: string) {
  const clock = new FakeClock()
  const events = new KeptEvents()
  const provider = new AskedProvider('qwen')
  Object.assign(provider.provider, { kind: settings.kind ?? 'openai', hasService: true })
  const pools: FakePool[] = []
  const configWith = (services: ServiceSettings) =>
    withServices(configOf(t, { providers: { qwen: at(address, settings) } }), services)
  const services = await OwnServices.start(configWith({ qwen: {} }), {
    clock,
    events,
    stateDirectory,
    store: undefined,
    ledger: undefined,
    counts: undefined,
    version: '0.0.0-test',
    openPool: (parts) => {
      const pool = new FakePool(parts)
      pools.push(pool)
      return pool
    },
  })
  const follow = (by: ServiceSettings) => services.follow(configWith(by), setOf(provider))
  const paths = () => provider.asked.map(({ path }) => path)
  const trouble = () => services.coordinator.health.troubleOf('qwen', clock.now())
  t.after(() => services.stopWatching())
  return { clock, events, provider, pools, services, follow, paths, trouble }
}

const asked = { kind: 'llama_cpp', discover_models: true, health_check: true } as const satisfies RawProvider

suite('a server that is started on demand', () => {
  test('is asked nothing before it is ready, and all there is to ask at once then', async (t) => {
    const { clock, provider, pools, services, follow, paths } = await start(t, asked)
    follow({ qwen: {} })
    clock.advance(700_000)
    await services.refreshModels('unknown')
    const format = { name: 'messages', path: '/messages' }
    assert.equal(await services.formats.find('qwen', format), undefined)
    assert.deepEqual(paths(), [])
    for (const state of ['starting', 'stopped', 'starting'] as const) pools[0]!.go(state)
    assert.deepEqual(paths(), [])
    pools[0]!.go('ready')
    assert.deepEqual(paths().toSorted(), ['//health', '/models', '//props'].toSorted())
    pools[0]!.go('draining')
    assert.ok(provider.asked.every(({ isAborted }) => isAborted))
    clock.advance(700_000)
    assert.equal(paths().length, 3)
  })

  test('has no trouble while it is stopped, and none of before once it is ready', async (t) => {
    const { provider, pools, services, follow, trouble, clock, events } = await start(t, {
      health_check: true,
    })
    follow({ qwen: {} })
    const [pool] = pools
    pool!.go('ready')
    await provider.respond(500)
    assert.equal(trouble()?.failureKind, 'broken')
    pool!.go('stopping')
    assert.equal(trouble(), undefined)
    const target = { provider: 'qwen', model: 'm', tier: 1, weight: 1 }
    const of = { cooldownMs: 60_000, isLocal: true, retryAfterMs: undefined, nowMs: clock.now() }
    services.coordinator.health.recordFailure(target, 'auth', of)
    pool!.go('stopped')
    assert.equal(trouble()?.failureKind, 'auth')
    pool!.go('ready')
    assert.equal(trouble(), undefined)
    await provider.respond(500)
    assert.equal(trouble()?.failureKind, 'broken')
    // It is another process: what is wrong with it is news.
    assert.equal(events.all.filter(({ kind }) => kind === 'health_checked').length, 2)
  })

  test('loses what it had in memory with its process', async (t) => {
    const { provider, pools, services, follow } = await start(t, { ...asked, max_parallel_requests: 'auto' })
    follow({ qwen: {} })
    const [pool] = pools
    pool!.go('ready')
    const props = provider.asked.find(({ path }) => path === '//props')!
    props.handler.onHead({ status: 200, headers: {} })
    const body = { total_slots: 3, is_sleeping: true, default_generation_settings: { n_ctx: 4096 } }
    props.handler.onData(Buffer.from(JSON.stringify(body)))
    props.handler.onEnd()
    await new Promise((resolve) => setImmediate(resolve))
    const { serverFacts } = services.coordinator
    assert.deepEqual([serverFacts.slotsOf('qwen'), serverFacts.isSleeping('qwen')], [3, true])
    pool!.go('stopping')
    assert.deepEqual([serverFacts.slotsOf('qwen'), serverFacts.isSleeping('qwen')], [3, false])
  })

  test('is asked for its formats anew after it was started', async (t) => {
    const { provider, pools, services, follow, paths } = await start(t, { kind: 'llama_cpp' })
    follow({ qwen: {} })
    const [pool] = pools
    pool!.go('ready')
    const format = { name: 'messages', path: '/messages' }
    Object.assign(provider.provider, {
      send: (_: unknown, handler: (typeof provider.asked)[number]['handler']) => {
        queueMicrotask(() => handler.onFailure({ kind: 'broken', code: 'X', detail: 'x' }))
        return { wasSent: true, pause() {}, resume() {}, abort() {} }
      },
    })
    const before = paths().length
    const first = services.formats.find('qwen', format)
    await provider.respond(200, { build_info: 'b1' })
    assert.equal(await first, undefined)
    // It was unclear just now.
    assert.equal(await services.formats.find('qwen', format), undefined)
    assert.equal(paths().length, before + 1)
    pool!.go('stopped')
    pool!.go('ready')
    void services.formats.find('qwen', format)
    assert.equal(paths().length, before + 2)
  })

  test('has its models kept over a restart', async (t) => {
    const directory = scratchDirectory(t)
    const first = await start(t, { discover_models: true }, directory)
    first.follow({ qwen: {} })
    first.pools[0]!.go('ready')
    await first.provider.list('m')
    first.services.stopWatching()
    await first.services.save()
    const second = await start(t, { discover_models: true }, directory)
    second.follow({ qwen: {} })
    assert.deepEqual(
      second.services.discovered.get('qwen')?.map(({ id }) => id),
      ['m'],
    )
    assert.deepEqual(second.paths(), [])
    await second.services.save()
  })
})

suite('the pool of services', () => {
  test('is there from the first configuration on that has any, and follows from then on', async (t) => {
    const { pools, services, follow } = await start(t, {})
    follow({})
    assert.deepEqual([pools.length, services.coordinator.services], [0, undefined])
    follow({ qwen: {} })
    assert.equal(services.coordinator.services, pools[0])
    follow({})
    follow({ qwen: {} })
    assert.deepEqual([pools.length, pools[0]!.followed], [1, 3])
  })

  test('probes by the configuration in force', async (t) => {
    const { pools, follow, provider, paths } = await start(t, {})
    follow({ qwen: {} })
    const { isReady } = pools[0]!.parts
    const first = isReady('qwen')
    await provider.respond(503)
    assert.equal(await first, false)
    follow({ qwen: { readyPath: '/health' } })
    const second = isReady('qwen')
    await provider.respond(200)
    assert.deepEqual([await second, await isReady('gone')], [true, false])
    assert.deepEqual(paths(), ['/models', '//health'])
  })

  test('is closed with the gateway, and follows nothing after', async (t) => {
    const { pools, services, follow, clock } = await start(t, {})
    follow({ qwen: {} })
    services.stopWatching()
    assert.equal(pools[0]!.isClosed, false)
    follow({ qwen: {} })
    await services.save()
    assert.deepEqual([pools[0]!.isClosed, pools[0]!.followed, clock.pendingTimers], [true, 1, 0])
  })
})
