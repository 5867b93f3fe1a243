import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { Discovery } from '../../src/app/discovery.ts'
import type { KeptLists } from '../../src/app/services/kept-lists.ts'
import type { RawProvider } from '../../src/config/raw.ts'
import type { Discovered } from '../../src/routing/discovered-names.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'
import { at } from '../support/gateway-config.ts'
import { AskedProvider, configOf, KeptEvents, setOf } from './asked-provider.ts'

const address = { url: 'http://127.0.0.1:1' }

function start(t: TestContext, ...names: readonly string[]) {
  const clock = new FakeClock()
  const events = new KeptEvents()
  const providers = names.map((name) => new AskedProvider(name, name !== 'cloud'))
  let offered: Discovered = new Map()
  let changes = 0
  const discovery = new Discovery({
    clock: { now: clock.now, setTimer: clock.setTimer, chance: () => 0.5 },
    events,
    onChange: (discovered) => {
      offered = discovered
      changes += 1
    },
  })
  const follow = (settings: RawProvider = { discover_models: true }, set = providers, needed = 'echo') => {
    const listed = set.map(({ provider }) => [provider.name, at(address, settings)] as const)
    const echo = { echo: { kind: 'echo' } } as const
    const models = { echo: { provider: needed } }
    discovery.follow(
      configOf(t, { providers: { ...echo, ...Object.fromEntries(listed) }, models }),
      setOf(...set),
    )
  }
  follow()
  const modelsOf = (name: string) => offered.get(name)?.map(({ id }) => id)
  const happened = (kind: string) => events.all.filter((event) => event.kind === kind)
  const listOf = (name: string) => offered.get(name)
  return { clock, discovery, providers, follow, modelsOf, listOf, changes: () => changes, happened }
}

test('what a provider lists is offered, and reported when it changes', async (t) => {
  const { clock, providers, modelsOf, happened } = start(t, 'ollama')
  const [ollama] = providers
  assert.equal(ollama!.asked[0]?.path, '/models')
  await ollama!.list('old', 'kept')
  for (let round = 0; round < 3; round++) {
    clock.advance(30_000)
    await ollama!.list('kept', 'new')
  }
  assert.deepEqual(modelsOf('ollama'), ['kept', 'new'])
  const change = { kind: 'models_discovered', provider: 'ollama', skipped: 0 }
  assert.deepEqual(happened('models_discovered'), [
    { ...change, count: 2, added: 2, removed: 0 },
    { ...change, count: 2, added: 1, removed: 1 },
  ])
})

test('a list whose dates alone have changed is no other list, and a model keeps its first date', async (t) => {
  const { clock, providers, listOf, changes } = start(t, 'vllm')
  const [vllm] = providers
  const dated = (created: number, length = 4096) => ({ id: 'm', created, max_model_len: length })
  await vllm!.respond(200, { data: [dated(7)] })
  const before = changes()
  for (const created of [8, 9]) {
    clock.advance(30_000)
    await vllm!.respond(200, { data: [dated(created)] })
  }
  assert.equal(changes(), before)
  clock.advance(30_000)
  await vllm!.respond(200, { data: [dated(10, 8192)] })
  const facts = { created: 7, max_model_len: 8192 }
  assert.deepEqual(listOf('vllm'), [{ id: 'm', aliases: [], facts }])
})

test('a cloud is asked every ten minutes, and as often as others while it gives no list', async (t) => {
  const { clock, providers } = start(t, 'cloud')
  const [cloud] = providers
  await cloud!.respond(503)
  clock.advance(30_000)
  assert.equal(cloud!.asked.length, 2)
  await cloud!.list('m')
  clock.advance(599_999)
  assert.equal(cloud!.asked.length, 2)
  clock.advance(1)
  assert.equal(cloud!.asked.length, 3)
})

suite("Anthropic's list", () => {
  const settings: RawProvider = { kind: 'anthropic', discover_models: true }
  const page = (ids: readonly string[], more: object) => ({
    data: ids.map((id) => ({ type: 'model', id, display_name: id, created_at: '2025-02-19T00:00:00Z' })),
    first_id: ids[0],
    last_id: ids.at(-1),
    has_more: false,
    ...more,
  })

  test('is requested page by page, and offered once it is whole', async (t) => {
    const { providers, follow, listOf, modelsOf } = start(t)
    const claude = new AskedProvider('claude', false)
    follow(settings, [...providers, claude])
    assert.equal(claude.asked[0]?.path, '/models?limit=1000')
    await claude.respond(200, page(['b', 'c'], { has_more: true }))
    assert.deepEqual(modelsOf('claude'), [])
    assert.equal(claude.asked[1]?.path, '/models?limit=1000&after_id=c')
    await claude.respond(200, page(['a'], {}))
    assert.deepEqual(modelsOf('claude'), ['a', 'b', 'c'])
    assert.deepEqual(listOf('claude')?.[0]?.facts, { created: 1_739_923_200 })
    assert.equal(claude.asked.length, 2)
  })

  test('stays as it was while a page of the next one is missing', async (t) => {
    const { clock, follow, modelsOf, happened } = start(t)
    const claude = new AskedProvider('claude', true)
    follow(settings, [claude])
    await claude.respond(200, page(['a'], {}))
    clock.advance(30_000)
    await claude.respond(200, page(['b'], { has_more: true }))
    await claude.respond(500)
    assert.deepEqual(modelsOf('claude'), ['a'])
    assert.equal(happened('discovery_failed').length, 1)
    clock.advance(30_000)
    await claude.respond(200, page(['c'], {}))
    assert.deepEqual(modelsOf('claude'), ['c'])
  })

  test('without an end is read for eight pages', async (t) => {
    const { follow, modelsOf } = start(t)
    const claude = new AskedProvider('claude', false)
    follow(settings, [claude])
    for (let number = 1; number <= 8; number++) {
      assert.equal(claude.asked.length, number)
      await claude.respond(200, page([`m${number}`], { has_more: true }))
    }
    assert.equal(claude.asked.length, 8)
    assert.equal(modelsOf('claude')?.length, 8)
  })
})

for (const [what, respond, reason] of [
  ['a status', (provider: AskedProvider) => provider.respond(500, { data: [{ id: 'm' }] }), 'status 500'],
  ['no list', (provider: AskedProvider) => provider.respond(200, { data: [1, null] }), undefined],
  ['too many bytes', (provider: AskedProvider) => provider.respond(200, 'x'.repeat(4_194_304)), undefined],
  ['nothing', (provider: AskedProvider) => provider.fail('timeout'), 'timeout'],
] as const) {
  test(`a provider that answers with ${what} offers nothing, and is reported once`, async (t) => {
    const { clock, providers, modelsOf, happened } = start(t, 'odd')
    for (let round = 0; round < 3; round++) {
      await respond(providers[0]!)
      clock.advance(30_000)
    }
    assert.deepEqual(modelsOf('odd'), [])
    const [event, ...more] = happened('discovery_failed')
    assert.ok(event?.kind === 'discovery_failed' && !event.is_usual)
    if (reason !== undefined) assert.equal(event.reason, reason)
    assert.equal(more.length, 0)
  })
}

test('that nothing listens at the start is usual, and later it is not', async (t) => {
  const { clock, providers, happened } = start(t, 'away', 'left')
  const [away, left] = providers
  await away!.fail('unreachable')
  await left!.list('m')
  clock.advance(30_000)
  await left!.fail('unreachable')
  assert.deepEqual(
    happened('discovery_failed').map((event) => event.kind === 'discovery_failed' && event.is_usual),
    [true, false],
  )
})

test('that nothing listens is not usual for a remote provider that a model of the file needs', async (t) => {
  const { follow, providers, happened } = start(t, 'cloud', 'other')
  const [cloud, other] = providers
  follow(undefined, undefined, 'cloud')
  await cloud!.fail('unreachable')
  await other!.fail('unreachable')
  assert.deepEqual(
    happened('discovery_failed').map((event) => event.kind === 'discovery_failed' && event.is_usual),
    [false, true],
  )
})

test('a provider that gives no list keeps its last one, and the event has its size and age', async (t) => {
  for (const [name, intervalMs] of [
    ['local', 30_000],
    ['cloud', 600_000],
  ] as const) {
    const { clock, providers, modelsOf, happened } = start(t, name)
    const [provider] = providers
    await provider!.list('m', 'n')
    clock.advance(intervalMs)
    await provider!.respond(503)
    for (let round = 1; round <= 50; round++) {
      assert.deepEqual(modelsOf(name), ['m', 'n'])
      clock.advance(30_000)
      await provider!.respond(503)
    }
    const [event, ...more] = happened('discovery_failed')
    assert.ok(event?.kind === 'discovery_failed' && more.length === 0)
    assert.deepEqual([event.kept_models, event.list_age_ms], [2, intervalMs])
    clock.advance(30_000)
    await provider!.list('n')
    assert.deepEqual(modelsOf(name), ['n'])
  }
})

test('the list of a server at another address is kept until the first answer of the new one', async (t) => {
  const { providers, follow, modelsOf, happened } = start(t, 'p')
  await providers[0]!.list('m')
  const moved = new AskedProvider('p', true)
  follow({ discover_models: true, base_url: 'http://127.0.0.1:2/v1' }, [moved])
  assert.deepEqual(modelsOf('p'), ['m'])
  await moved.fail('unreachable')
  assert.deepEqual(modelsOf('p'), [])
  assert.equal(happened('models_discovered').length, 2)
})

test('a call for an unknown name asks again what was asked five seconds ago, and waits for a second', async (t) => {
  const { clock, discovery, providers } = start(t, 'ollama', 'vllm')
  const [ollama, vllm] = providers
  for (const provider of providers) await provider.list('m')
  clock.advance(4_999)
  await discovery.refresh('new')
  assert.equal(ollama!.asked.length, 1)

  clock.advance(1)
  const own = discovery.refresh('vllm/new')
  assert.deepEqual([ollama!.asked.length, vllm!.asked.length], [1, 2])
  await vllm!.list('new')
  await own

  let isOver = false
  void discovery.refresh('new').then(() => (isOver = true))
  assert.deepEqual([ollama!.asked.length, vllm!.asked.length], [2, 2])
  clock.advance(999)
  await settled()
  assert.equal(isOver, false)
  clock.advance(1)
  await settled()
  assert.equal(isOver, true)
})

test('a reload asks again at once; without discovery or the provider its models are gone', async (t) => {
  for (const leave of ['setting', 'provider']) {
    const { providers, follow, modelsOf } = start(t, 'p')
    await providers[0]!.list('m')
    follow()
    assert.deepEqual([providers[0]!.asked.length, modelsOf('p')], [2, ['m']])
    if (leave === 'setting') follow({})
    else follow(undefined, [])
    assert.equal(modelsOf('p'), undefined)
  }
})

suite('the list of a server that is started on demand', () => {
  function startService(t: TestContext, kept?: KeptLists) {
    const clock = new FakeClock()
    const provider = new AskedProvider('qwen')
    const state = { isOpen: false, saves: 0 }
    let offered: Discovered = new Map()
    const discovery = new Discovery({
      clock: { now: clock.now, setTimer: clock.setTimer, chance: () => 0.5 },
      events: new KeptEvents(),
      onChange: (discovered) => void (offered = discovered),
      isOpen: () => state.isOpen,
      onKept: () => void (state.saves += 1),
    })
    if (kept !== undefined) discovery.restore(kept)
    /** @param unit empty: it is started by somebody else. */
    const follow = (unit = 'qwen.service', settings: RawProvider = {}, url = address.url) => {
      const service = unit === '' ? {} : { service: { unit } }
      const qwen = at({ url }, { discover_models: true, ...settings, ...service })
      discovery.follow(configOf(t, { providers: { qwen } }), setOf(provider))
    }
    const setOpen = (isOpen: boolean) => {
      state.isOpen = isOpen
      discovery.reconsider('qwen')
    }
    const models = () => offered.get('qwen')?.map(({ id }) => id)
    return { clock, discovery, provider, state, follow, setOpen, models }
  }

  async function listed(t: TestContext) {
    const on = startService(t)
    on.follow()
    on.setOpen(true)
    await on.provider.list('m')
    on.setOpen(false)
    return on
  }

  test('is asked for once it runs, and offered while it does not', async (t) => {
    const { discovery, provider, state, models, follow } = await listed(t)
    await discovery.refresh('unknown')
    follow()
    assert.deepEqual([provider.asked.length, models(), state.saves], [1, ['m'], 1])
  })

  test('is offered from the start when the last process has kept it', async (t) => {
    const { discovery } = await listed(t)
    const { follow, models, provider, state, setOpen } = startService(t, discovery.kept)
    follow()
    assert.deepEqual([models(), provider.asked.length, state.saves], [['m'], 0, 0])
    setOpen(true)
    await provider.list('m')
    assert.deepEqual([models(), state.saves], [['m'], 0])
    setOpen(true)
    await provider.list('other')
    assert.deepEqual([models(), state.saves], [['other'], 1])
  })

  for (const [what, unit, url] of [
    ['another unit', 'other.service', address.url],
    ['another address', 'qwen.service', 'http://127.0.0.1:2'],
  ] as const) {
    test(`is dropped at once with ${what}, by a reload and by a restart`, async (t) => {
      const reloaded = await listed(t)
      const restarted = startService(t, new Map(reloaded.discovery.kept))
      reloaded.follow(unit, {}, url)
      restarted.follow(unit, {}, url)
      for (const { models, discovery, provider } of [reloaded, restarted]) {
        assert.deepEqual(models(), [])
        assert.equal(discovery.kept.size, 0)
        assert.ok(provider.asked.length <= 1)
      }
      assert.deepEqual([reloaded.state.saves, restarted.state.saves], [2, 1])
    })
  }

  test('is kept no more without a service, or without discovery', async (t) => {
    for (const settings of [{ discover_models: false }, {}]) {
      const { discovery, follow, state } = await listed(t)
      follow('discover_models' in settings ? undefined : '', settings)
      assert.deepEqual([discovery.kept.size, state.saves], [0, 2])
    }
  })

  test('is kept when a server that runs becomes a service', async (t) => {
    const { discovery, provider, follow, state, models } = startService(t)
    state.isOpen = true
    follow('')
    await provider.list('m')
    assert.equal(discovery.kept.size, 0)
    state.isOpen = false
    follow()
    assert.deepEqual([discovery.kept.get('qwen')?.models.length, models()], [1, ['m']])
  })

  test('of several pages begins anew when the server was stopped in the middle', async (t) => {
    const { provider, follow, setOpen, models } = startService(t)
    follow(undefined, { kind: 'anthropic' })
    setOpen(true)
    await provider.respond(200, { data: [{ id: 'a' }], has_more: true, last_id: 'a' })
    setOpen(false)
    setOpen(true)
    await provider.respond(200, { data: [{ id: 'b' }], has_more: false })
    assert.deepEqual(models(), ['b'])
  })
})
