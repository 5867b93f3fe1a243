// Health checks: a provider that is away is passed over before any call has met it, and used again when it is back.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'

import { startGateway, type TestGateway } from '../support/app.ts'
import { loadText } from '../support/config-file.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'
import { bytes, content, end, hang, head, json, reset, type Script } from '../support/upstream-script.ts'
import { call, eventsOf, type ModelServer, startModelServer } from './discovery-wiring.ts'

/** Longer than a second, by whatever chance decides. */
const intervalMs = 1_101

interface Checked {
  readonly gateway: TestGateway
  readonly clock: FakeClock
  readonly first: ModelServer
  readonly second: ModelServer
}

function checkedYaml({ url: first }: { url: string }, { url: second }: { url: string }, key = 'KEY'): string {
  return `
providers:
  first: { base_url: "${first}/v1", api_key: { env: ${key} }, health_check: { interval_ms: 1000 } }
  second: { base_url: "${second}/v1" }
models:
  m: { targets: [{ provider: first }, { provider: second, tier: 2 }] }
  alone: { provider: first }
routing: { retries: 0, cooldown_ms: 30000 }
logging: { format: json }
`
}

const env = { KEY: 'sk-checked-8c41', OTHER_KEY: 'sk-checked-77b2' }

/** Two targets of one model, of which the first is preferred and checked; it is asked for `answer` at the start. */
async function startChecked(t: TestContext, answer?: Script): Promise<Checked> {
  const [first, second] = [await startModelServer(t), await startModelServer(t)]
  if (answer !== undefined) first.lists(answer)
  const clock = new FakeClock()
  const gateway = await startGateway(t, checkedYaml(first, second), env, { clock })
  return { gateway, clock, first, second }
}

function reload(t: TestContext, { app }: TestGateway, yaml: string): void {
  const loaded = loadText(t, yaml, { env })
  assert.ok(loaded.ok)
  void app.reload(loaded.config)
}

const away: readonly [what: string, answer: Script, reason: RegExp][] = [
  ['status 500', json(500, {}), /^status 500$/],
  ['status 503', json(503, { error: { message: 'Loading model' } }), /^status 503$/],
  ['a refusal of the key', json(401, {}), /^status 401$/],
  ['a redirect', [head(302, { location: '/', 'content-length': '0' })], /^status 302$/],
  ['a page that is not there', json(404, {}), /^status 404$/],
  ['a reset', [reset], /broke/],
  ['half an answer', [head(200, { 'content-length': '9' }), bytes('{'), end], /broke/],
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

  test('429 is there, and what was known of it holds', async (t) => {
    const { gateway, clock, first } = await startChecked(t, json(503, {}))
    await gateway.logged({ event: 'provider_unhealthy' })
    first.lists(json(429, {}))
    await first.nextRequest()
    clock.advance(intervalMs)
    await first.nextRequest()
    assert.equal((await call(t, gateway, 'm')).provider, 'second')
    assert.equal(eventsOf(gateway, 'provider_healthy').length, 0)
  })

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
  const yaml = checkedYaml(first, first).replace('interval_ms: 1000', 'path: /health')
  await startGateway(t, yaml, env, { clock: new FakeClock() })
  const request = await first.nextRequest()
  assert.deepEqual([request.method, request.target], ['GET', '/v1/health'])
  assert.equal(request.header('authorization'), `Bearer ${env.KEY}`)
})

test('a provider that is not there is passed over without a call having met it', async (t) => {
  const second = await startModelServer(t)
  const yaml = checkedYaml({ url: await refusingUrl(t) }, second)
  const gateway = await startGateway(t, yaml, env, { clock: new FakeClock() })
  await gateway.logged({ event: 'provider_unhealthy', provider: 'first' })
  const { provider, status } = await call(t, gateway, 'm')
  assert.deepEqual([provider, status], ['second', 200])
})

test('a state is logged when it changes, and not again', async (t) => {
  const { gateway, clock, first } = await startChecked(t, json(503, {}))
  await gateway.logged({ event: 'provider_unhealthy' })
  for (let round = 0; round < 3; round++) {
    await first.nextRequest()
    assert.equal((await call(t, gateway, 'm')).provider, 'second')
    clock.advance(intervalMs)
  }
  assert.equal(eventsOf(gateway, 'provider_unhealthy').length, 1)
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
  unwell!.answersCalls(json(401, {}))
  for (const server of others) server.answersCalls(json(500, {}))
  const names = ['a', 'b', 'c', 'd']
  const check = 'health_check: { interval_ms: 1000 }'
  const providers = servers.map(
    ({ url }, at) => `  ${names[at]}: { base_url: "${url}/v1", ${at === 0 ? check : ''} }`,
  )
  const targets = names.map((name, at) => `{ provider: ${name}, tier: ${at + 1} }`)
  const gateway = await startGateway(
    t,
    `
providers:
${providers.join('\n')}
models: { m: { targets: [${targets.join(', ')}, { provider: a, model: other, tier: 5 }] } }
routing: { retries: 0, cooldown_ms: 30000 }
logging: { format: json }
`,
    {},
    { clock: new FakeClock() },
  )
  await gateway.logged({ event: 'provider_unhealthy', provider: 'a' })
  const { status, code, message } = await call(t, gateway, 'm')
  assert.deepEqual([status, code], [503, 'no_target_available'])
  assert.equal(
    message,
    'No target answers. b (m): broken, status 500; c (m): broken, status 500; d (m): broken, status 500; a (m): auth; a (other): not tried, auth before.',
  )
})

describe('a reload', () => {
  test('keeps what is known of a provider that stays as it is', async (t) => {
    const { gateway, first, second } = await startChecked(t, json(503, {}))
    await gateway.logged({ event: 'provider_unhealthy' })
    reload(t, gateway, checkedYaml(first, second))
    assert.equal((await call(t, gateway, 'm')).provider, 'second')
    assert.equal(first.listings().length, 1)
  })

  test('forgets what is known of a provider with another key, and checks it at once', async (t) => {
    const { gateway, first, second } = await startChecked(t, json(401, {}))
    await gateway.logged({ event: 'provider_unhealthy' })
    first.lists([hang])
    reload(t, gateway, checkedYaml(first, second, 'OTHER_KEY'))
    await first.nextRequest()
    assert.equal((await first.nextRequest()).header('authorization'), `Bearer ${env.OTHER_KEY}`)
    assert.equal((await call(t, gateway, 'm')).provider, 'first')
  })

  test('forgets what calls have learnt of a provider with another key', async (t) => {
    const { gateway, first, second } = await startChecked(t, [hang])
    first.answersCalls(json(401, {}))
    assert.equal((await call(t, gateway, 'alone')).code, 'provider_auth_failed')
    assert.equal((await call(t, gateway, 'm')).provider, 'second')
    first.answersCalls(json(200, { choices: [] }))
    reload(t, gateway, checkedYaml(first, second, 'OTHER_KEY'))
    assert.equal((await call(t, gateway, 'm')).provider, 'first')
  })

  test('keeps what calls have learnt of a provider that may take more calls at once', async (t) => {
    const { gateway, first, second } = await startChecked(t, [hang])
    first.answersCalls(json(401, {}))
    assert.equal((await call(t, gateway, 'alone')).code, 'provider_auth_failed')
    const changed = checkedYaml(first, second).replace(
      'health_check',
      'max_parallel_requests: 7, health_check',
    )
    reload(t, gateway, changed)
    assert.equal((await call(t, gateway, 'm')).provider, 'second')
  })

  test('without health_check forgets what the last check found', async (t) => {
    const { gateway, first, second } = await startChecked(t, json(503, {}))
    await gateway.logged({ event: 'provider_unhealthy' })
    reload(t, gateway, checkedYaml(first, second).replace('health_check: { interval_ms: 1000 }', ''))
    assert.equal((await call(t, gateway, 'm')).provider, 'first')
  })

  test('without health_check ends it', async (t) => {
    const { gateway, clock, first, second } = await startChecked(t, [hang])
    const request = await first.nextRequest()
    reload(t, gateway, checkedYaml(first, second).replace('health_check: { interval_ms: 1000 }', ''))
    assert.equal((await request.outcome).kind, 'aborted')
    clock.advance(10_000)
    for (let turn = 0; turn < 20; turn++) await settled()
    assert.equal(first.listings().length, 1)
  })
})

test('the gateway stops while a check is under way, and nothing is left', async (t) => {
  const { gateway, clock, first } = await startChecked(t, [hang])
  const request = await first.nextRequest()
  await gateway.stop()
  assert.equal((await request.outcome).kind, 'aborted')
  assert.equal(clock.pendingTimers, 0)
})
