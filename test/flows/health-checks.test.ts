// Health checks: a provider that is away is passed over before any call has met it, and used again when it is back.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'

import { FakeClock, settled } from '../support/fake-clock.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'
import { bytes, content, end, hang, head, json, reset, type Script } from '../support/upstream-script.ts'
import { type ModelServer, call, startModelServer } from './model-servers.ts'
import { type TestGateway, startGateway } from '../support/app.ts'
import { at, type Setup } from '../support/gateway-config.ts'
import type { RawProvider } from '../../src/config/raw.ts'

/** Longer than a second, by whatever chance decides. */
const intervalMs = 1_101

interface Checked {
  readonly gateway: TestGateway
  readonly clock: FakeClock
  readonly first: ModelServer
  readonly second: ModelServer
}

/** Two targets of one model, of which the first is preferred and checked; it is asked with the key `KEY`. */
function checked(first: { url: string }, second: { url: string }, more: RawProvider = {}): Setup {
  const health_check = { interval_ms: 1000 }
  return {
    providers: {
      first: at(first, { api_key: { env: 'KEY' }, health_check, ...more }),
      second: at(second),
    },
    models: {
      m: { targets: [{ provider: 'first' }, { provider: 'second', tier: 2 }] },
      alone: { provider: 'first' },
    },
    routing: { retries: 0, cooldown_ms: 30_000 },
  }
}

const otherKey = { api_key: { env: 'OTHER_KEY' } }
const env = { KEY: 'sk-checked-8c41', OTHER_KEY: 'sk-checked-77b2' }

/** The first of the two responds with `answer` to its check at the start. */
async function startChecked(t: TestContext, answer?: Script): Promise<Checked> {
  const [first, second] = [await startModelServer(t), await startModelServer(t)]
  if (answer !== undefined) first.lists(answer)
  const clock = new FakeClock()
  const { gateway } = await startGateway(t, checked(first, second), { env, clock })
  return { gateway, clock, first, second }
}

const away: readonly [what: string, answer: Script, reason: RegExp][] = [
  ['status 500', json(500, {}), /^status 500$/],
  ['a reset', [reset], /connection failed/],
  ['half an answer', [head(200, { 'content-length': '9' }), bytes('{'), end], /connection failed/],
]

describe('a provider whose check is answered with', () => {
  for (const [what, answer, reason] of away) {
    test(`${what} is passed over until a check finds it well`, async (t) => {
      const { gateway, clock, first } = await startChecked(t, answer)
      const line = await gateway.logged({ event: 'provider_unhealthy', provider: 'first', level: 'WARN' })
      assert.match(String(line['reason']), reason)
      assert.equal((await call(t, gateway, 'm')).provider, 'second')
      first.has()
      clock.advance(intervalMs)
      await gateway.logged({ event: 'provider_healthy', provider: 'first' })
      assert.equal((await call(t, gateway, 'm')).provider, 'first')
    })
  }

  for (const [what, answer] of [
    ['a list', json(200, { data: [] })],
    ['a page of any kind', content(200, 'text/plain', 'ok')],
    ['204', [head(204)]],
    ['more than anybody reads', content(200, 'text/plain', 'x'.repeat(1_000_000))],
  ] as const) {
    test(`${what} is well`, async (t) => {
      const { gateway } = await startChecked(t, answer)
      await gateway.logged({ event: 'provider_healthy', provider: 'first' })
      assert.equal((await call(t, gateway, 'm')).provider, 'first')
    })
  }

  test('silence is passed over after five seconds, and asked one thing at a time', async (t) => {
    const { gateway, clock, first } = await startChecked(t, [hang])
    const request = await first.nextRequest()
    clock.advance(4_999)
    assert.equal((await call(t, gateway, 'm')).provider, 'first')
    assert.equal(first.listings().length, 1)
    clock.advance(1)
    assert.equal((await request.outcome).kind, 'aborted')
    await gateway.logged({ event: 'provider_unhealthy', reason: 'no response within 5 s' })
    assert.equal((await call(t, gateway, 'm')).provider, 'second')
  })
})

test('a check goes to the path below the base URL, with the key', async (t) => {
  const first = await startModelServer(t)
  const setup = checked(first, first, { health_check: { path: '/health' } })
  await startGateway(t, setup, { env, clock: new FakeClock() })
  const request = await first.nextRequest()
  assert.deepEqual([request.method, request.target], ['GET', '/v1/health'])
  assert.equal(request.header('authorization'), `Bearer ${env.KEY}`)
})

test('a provider that is not there is passed over without a call having met it', async (t) => {
  const second = await startModelServer(t)
  const setup = checked({ url: await refusingUrl(t) }, second)
  const { gateway } = await startGateway(t, setup, { env, clock: new FakeClock() })
  await gateway.logged({ event: 'provider_unhealthy', provider: 'first' })
  const { provider, status } = await call(t, gateway, 'm')
  assert.deepEqual([provider, status], ['second', 200])
})

test('a model without another target is called all the same, and an answer ends the trouble', async (t) => {
  const { gateway } = await startChecked(t, json(503, {}))
  await gateway.logged({ event: 'provider_unhealthy' })
  assert.equal((await call(t, gateway, 'alone')).status, 200)
  assert.equal((await call(t, gateway, 'm')).provider, 'first')
})

test('a call that finds no target hears of each, the unhealthy one last', async (t) => {
  const servers = await Promise.all(Array.from({ length: 4 }, () => startModelServer(t)))
  const [unwell, ...others] = servers
  unwell!.lists(json(401, {}))
  unwell!.respondsToCalls(json(401, {}))
  for (const server of others) server.respondsToCalls(json(500, {}))
  const names = ['a', 'b', 'c', 'd']
  const providers = servers.map((server, index) => at(server, { health_check: index === 0 }))
  const targets = names.map((provider, index) => ({ provider, tier: index + 1 }))
  const { gateway } = await startGateway(
    t,
    {
      providers: Object.fromEntries(providers.map((provider, index) => [names[index]!, provider])),
      models: { m: { targets: [...targets, { provider: 'a', model: 'other', tier: 5 }] } },
      routing: { retries: 0, cooldown_ms: 30_000 },
    },
    { clock: new FakeClock() },
  )
  await gateway.logged({ event: 'provider_unhealthy', provider: 'a' })
  const { status, code, message } = await call(t, gateway, 'm')
  assert.deepEqual([status, code], [503, 'no_target_available'])
  assert.match(message, /b \(m\).*c \(m\).*d \(m\).*a \(m\).*a \(other\)/)
})

describe('a reload', () => {
  test('keeps what is known of a provider that stays as it is', async (t) => {
    const { gateway, first, second } = await startChecked(t, json(503, {}))
    await gateway.logged({ event: 'provider_unhealthy' })
    void gateway.reload(checked(first, second))
    assert.equal((await call(t, gateway, 'm')).provider, 'second')
    assert.equal(first.listings().length, 1)
  })

  test('forgets what is known of a provider with another key, and checks it at once', async (t) => {
    const { gateway, first, second } = await startChecked(t, json(401, {}))
    await gateway.logged({ event: 'provider_unhealthy' })
    first.lists([hang])
    void gateway.reload(checked(first, second, otherKey))
    await first.nextRequest()
    assert.equal((await first.nextRequest()).header('authorization'), `Bearer ${env.OTHER_KEY}`)
    assert.equal((await call(t, gateway, 'm')).provider, 'first')
  })

  test('forgets what calls have learnt of a provider with another key', async (t) => {
    const { gateway, first, second } = await startChecked(t, [hang])
    first.respondsToCalls(json(401, {}))
    assert.equal((await call(t, gateway, 'alone')).code, 'provider_auth_failed')
    assert.equal((await call(t, gateway, 'm')).provider, 'second')
    first.respondsToCalls(json(200, { choices: [] }))
    void gateway.reload(checked(first, second, otherKey))
    assert.equal((await call(t, gateway, 'm')).provider, 'first')
  })

  test('keeps what calls have learnt of a provider that may take more calls at once', async (t) => {
    const { gateway, first, second } = await startChecked(t, [hang])
    first.respondsToCalls(json(401, {}))
    assert.equal((await call(t, gateway, 'alone')).code, 'provider_auth_failed')
    void gateway.reload(checked(first, second, { max_parallel_requests: 7 }))
    assert.equal((await call(t, gateway, 'm')).provider, 'second')
  })

  test('without health_check forgets what the last check found', async (t) => {
    const { gateway, first, second } = await startChecked(t, json(503, {}))
    await gateway.logged({ event: 'provider_unhealthy' })
    void gateway.reload(checked(first, second, { health_check: false }))
    assert.equal((await call(t, gateway, 'm')).provider, 'first')
  })

  test('without health_check ends it', async (t) => {
    const { gateway, clock, first, second } = await startChecked(t, [hang])
    const request = await first.nextRequest()
    void gateway.reload(checked(first, second, { health_check: false }))
    assert.equal((await request.outcome).kind, 'aborted')
    clock.advance(10_000)
    for (let turn = 0; turn < 20; turn++) await settled()
    assert.equal(first.listings().length, 1)
  })
})
