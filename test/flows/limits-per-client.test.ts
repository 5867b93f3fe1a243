// The flood limit of one client: before the body, whatever it asks for.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { dialects } from '../../src/dialects/table.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { startLimited } from './limited.ts'
import { echo } from '../support/gateway-config.ts'
import { startGateway } from '../support/app.ts'
import { chat, used } from '../support/calls.ts'
import { messages } from '../support/chat-content.ts'

const limits = { per_client: { rpm: 3 }, limits: { small: { rpm: 100 } } }

test('a client that sends more than its limit is refused with the exact time to come back', async (t) => {
  const { gateway, upstream, clock } = await startLimited(t, limits)
  await chat(gateway, 'small')
  clock.advance(700)
  await chat(gateway, 'other')
  await chat(gateway, 'other')
  clock.advance(10_000)

  const refused = await chat(gateway, 'small')

  assert.equal(refused.status, 429)
  assert.equal(refused.headers.get('retry-after-ms'), '49300')
  assert.equal(refused.headers.get('retry-after'), '50')
  assert.equal(refused.headers.get('x-llm-gateway-error'), 'rate_limit_exceeded')
  assert.deepEqual(JSON.parse(refused.body), {
    error: {
      message:
        'Rate limit reached for ip:127.0.0.1 on requests per min (RPM): Limit 3, Used 3, Requested 1. ' +
        'Please try again in 49.3s. rate_limit_settings.per_client sets the limit.',
      type: 'requests',
      param: null,
      code: 'rate_limit_exceeded',
    },
  })
  assert.equal(upstream.requests.length, 3)

  clock.advance(49_299)
  assert.equal((await chat(gateway, 'small')).status, 429, 'a millisecond too early')
  clock.advance(1)
  assert.equal((await chat(gateway, 'small')).status, 200)
  await gateway.logged({ event: 'rate_limit_exceeded', client: 'ip:127.0.0.1', status: 429 })
})

test('what is refused costs nothing: neither time to wait nor a request of the model', async (t) => {
  const { gateway, clock } = await startLimited(t, limits)
  for (let call = 0; call < 50; call++) await chat(gateway, 'small')

  clock.advance(60_000)

  assert.deepEqual(await used(gateway), { requests: 0, tokens: 0, parallel: 0 })
  assert.equal((await chat(gateway, 'small')).status, 200)
  assert.equal((await chat(gateway, 'small')).status, 200)
  assert.equal((await chat(gateway, 'small')).status, 200)
  assert.equal((await chat(gateway, 'small')).status, 429)
})

test('no 60 seconds hold more than the limit, wherever they begin', async (t) => {
  const { gateway, clock } = await startLimited(t, limits)
  const admitted: number[] = []
  for (let second = 0; second < 180; second += 7) {
    for (let call = 0; call < 4; call++) {
      if ((await chat(gateway, 'small')).status === 200) admitted.push(clock.now())
    }
    clock.advance(7000)
  }

  const most = Math.max(
    ...admitted.map((start) => admitted.filter((at) => at >= start && at < start + 60_000).length),
  )

  assert.equal(most, 3)
  assert.ok(admitted.length >= 9, 'and what fits is let in')
})

test('the answer comes before the body is sent, and the connection ends', async (t) => {
  const { gateway } = await startLimited(t, { per_client: { rpm: 1 } })
  await chat(gateway, 'small')
  const client = await connectRaw(t, gateway.url)

  client.send(
    rawRequest('POST /v1/chat/completions', { 'content-type': 'application/json', 'content-length': '1000' }),
  )
  const answer = await client.head()

  assert.equal(answer.status, 429)
  assert.equal(answer.header('connection'), 'close')
  client.leave()
})

test('every route of calls counts, and lets an allowed page read that it refuses', async (t) => {
  const { gateway } = await startLimited(t, { per_client: { rpm: 1 } })
  await chat(gateway, 'small')
  const origin = 'http://localhost:3000'
  const posts = Array.from(dialects.keys(), ({ path }) => `POST ${path}` as const)
  for (const line of posts) {
    for (const prefix of ['', '/v1']) {
      // Counted before the media type is looked at.
      const request = rawRequest(line.replace(' ', ` ${prefix}`) as typeof line, {
        origin,
        'content-type': 'text/plain',
      })
      const response = await exchange(t, gateway.url, request)
      assert.equal(response.status, 429, line)
      assert.equal(response.header('x-llm-gateway-error'), 'rate_limit_exceeded')
      assert.equal(response.header('retry-after-ms'), '60000')
      assert.equal(response.header('access-control-allow-origin'), origin)
    }
  }
})

test('health checks and lists are neither counted nor refused', async (t) => {
  const { gateway } = await startLimited(t, { per_client: { rpm: 1 } })
  await chat(gateway, 'small')

  for (const path of ['/healthz', '/readyz', '/v1/models', '/models/small', '/v1/limits']) {
    assert.equal((await fetch(gateway.url + path)).status, 200)
  }
  assert.equal((await chat(gateway, 'small')).status, 429)
})

test("the limiter's own headers stay out: x-ratelimit-* tells of the model alone", async (t) => {
  const { gateway } = await startLimited(t, limits)

  const passed = await chat(gateway, 'other')
  const models = await fetch(`${gateway.url}/v1/models`)
  await chat(gateway, 'other')
  const refused = await chat(gateway, 'other')

  for (const { headers } of [passed, models, refused]) {
    assert.deepEqual(
      [...headers.keys()].filter((name) => name.includes('ratelimit')),
      [],
    )
  }
})

test('clients behind a trusted proxy are counted apart', async (t) => {
  const { gateway } = await startGateway(
    t,
    {
      server: { trusted_proxies: [{ user: 'self' }] },
      access: { allowed_users: ['any'] },
      ...echo,
      rate_limit_settings: { per_client: { rpm: 1 } },
    },
    { clock: new FakeClock() },
  )
  const statusFor = async (address: string) => {
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': address }
    const body = JSON.stringify({ model: 'plain', messages })
    return (await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers, body })).status
  }

  const statuses = []
  for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.1', '10.0.0.2'])
    statuses.push(await statusFor(address))

  assert.deepEqual(statuses, [200, 200, 429, 429])
})

for (const [what, off] of [
  ['set to {}', { per_client: {} }],
  ['switched off with all limits', { enabled: false, per_client: { rpm: 1 } }],
] as const) {
  test(`there is no flood limit where it is ${what}`, async (t) => {
    const { gateway } = await startLimited(t, off)

    for (let call = 0; call < 3; call++) assert.equal((await chat(gateway, 'small')).status, 200)
  })
}
