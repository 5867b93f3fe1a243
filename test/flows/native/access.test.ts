// Who may use the own routes of model servers: by key, by record, by boundary, by limit, on every thread.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway } from '../../support/app.ts'
import { bearer, KeyFileOnDisk, testKey } from '../../support/client-keys.ts'
import { resolveNames } from '../../support/connections-made.ts'
import type { Setup } from '../../support/gateway-config.ts'
import { exchange, rawRequest } from '../../support/raw-client.ts'
import { startUpstream } from '../../support/scripted-upstream.ts'
import { hang, json } from '../../support/upstream-script.ts'

const setup = {
  providers: { box: { kind: 'llama_cpp' } },
  models: { small: { provider: 'box' }, other: { provider: 'box' } },
} as const satisfies Setup

const infill = '{"model":"small","prompt":"a"}'

suite('keys', () => {
  test('open /providers only with a record that allows routes, and without a budget', async (t) => {
    const keys = new KeyFileOnDisk(t)
    const [plain, routes, spending, master] = [testKey(), testKey(), testKey(), testKey()]
    const budgets = [{ unit: 'usd', limit: 1_000_000_000, per: 'day' }] as const
    keys.write({
      plain: { keys: [plain] },
      routes: { keys: [routes], terms: { routes: true } },
      spending: { keys: [spending], terms: { routes: true, budgets } },
      master: { keys: [master], role: 'master', terms: { routes: true } },
    })
    const { gateway, upstream } = await startGateway(t, { ...setup, keys: keys.setup })
    upstream.respondAlways(json(200, {}))
    for (const [key, path, status] of [
      [plain, 'POST /providers/box/tokenize', 403],
      [routes, 'POST /providers/box/tokenize', 200],
      [spending, 'POST /providers/box/tokenize', 403],
      [routes, 'GET /providers/box/slots', 403],
      [routes, 'POST /providers/box/slots/0?action=erase', 403],
      [master, 'GET /providers/box/slots', 200],
      [master, 'POST /providers/box/slots/0?action=erase', 403],
      [undefined, 'POST /providers/box/tokenize', 401],
      [undefined, 'POST /providers/nothing/tokenize', 401],
    ] as const) {
      const body = path.startsWith('POST') ? '{}' : undefined
      const headers = key === undefined ? {} : bearer(key)
      const response = await exchange(t, gateway.url, rawRequest(path, headers, body))
      assert.equal(response.status, status, path)
      if (status === 403) assert.equal(response.header('x-llm-gateway-error'), 'management_not_allowed')
    }
    assert.equal(upstream.requests.length, 2)
    assert.ok(!JSON.stringify(upstream.requests.map(({ headers }) => headers)).includes('gw_'))
  })

  test('at the root, open the models of their list as in any other call', async (t) => {
    const keys = new KeyFileOnDisk(t)
    const key = testKey()
    keys.write({ few: { keys: [key], terms: { models: ['small'] } } })
    const { gateway, upstream } = await startGateway(t, {
      ...setup,
      keys: keys.setup,
      routes: { default_model: { infill: 'other' } },
    })
    upstream.respondAlways(json(200, { content: '' }))
    const ask = async (body: string) =>
      (await exchange(t, gateway.url, rawRequest('POST /infill', bearer(key), body))).status
    assert.deepEqual(
      [await ask(infill), await ask('{"model":"other","prompt":"a"}'), await ask('{"prompt":"a"}')],
      [200, 403, 403],
    )
    assert.equal(upstream.requests.length, 1)
  })

  test('that are revoked end the request at the server', async (t) => {
    const keys = new KeyFileOnDisk(t)
    const [key, other] = [testKey(), testKey()]
    const terms = { routes: true }
    keys.write({ one: { keys: [key], terms }, other: { keys: [other], terms } })
    const { gateway, upstream } = await startGateway(t, { ...setup, keys: keys.setup })
    upstream.respond([hang])
    const asked = exchange(t, gateway.url, rawRequest('POST /providers/box/infill', bearer(key), '{}'))
    const { outcome } = await upstream.nextRequest()
    keys.write({ other: { keys: [other], terms } })
    const response = await asked
    assert.equal(response.status, 401)
    assert.equal(response.header('x-llm-gateway-error'), 'key_revoked')
    assert.equal((await outcome).kind, 'aborted')
  })
})

suite('a boundary', () => {
  test('keeps requests of a client, a header and a model from a provider outside', async (t) => {
    const cloud = await startUpstream(t)
    cloud.respondAlways(json(200, {}))
    resolveNames(t, (name) => (name === 'llama.example.com' ? ['127.0.0.1'] : []))
    const base_url = `http://llama.example.com:${new URL(cloud.url).port}/v1`
    const keys = new KeyFileOnDisk(t)
    const [near, free] = [testKey(), testKey()]
    keys.write({
      near: { keys: [near], terms: { routes: true, boundary: 'local' } },
      free: { keys: [free], terms: { routes: true } },
    })
    const { gateway, upstreams } = await startGateway<'box'>(t, {
      providers: {
        box: { kind: 'llama_cpp' },
        cloud: { kind: 'llama_cpp', base_url, allow_http: true },
      } as Record<'box', object>,
      models: { secret: { provider: 'box', boundary: 'local' }, plain: { provider: 'box' } },
      keys: keys.setup,
    })
    upstreams.box.respondAlways(json(200, {}))
    const local = { 'x-llm-gateway-boundary': 'local' }
    for (const [name, headers, body, status] of [
      ['cloud', bearer(free), '{"content":"a"}', 200],
      ['cloud', bearer(free), '{"model":"plain","content":"a"}', 200],
      ['cloud', bearer(free), '{"model":"secret","content":"a"}', 403],
      ['cloud', bearer(near), '{"content":"a"}', 403],
      ['cloud', { ...bearer(free), ...local }, '{"content":"a"}', 403],
      ['cloud', { ...bearer(free), 'x-llm-gateway-boundary': 'near' }, '{"content":"a"}', 400],
      ['box', bearer(near), '{"content":"a"}', 200],
      ['box', { ...bearer(free), ...local }, '{"model":"secret","content":"a"}', 200],
    ] as const) {
      const request = rawRequest(`POST /providers/${name}/tokenize`, headers, body)
      const response = await exchange(t, gateway.url, request)
      assert.equal(response.status, status, `${name} ${body}`)
      if (status !== 403) continue
      const { code, message } = JSON.parse(response.body().toString()).error
      assert.equal(code, 'outside_boundary')
      assert.match(message, /\/tokenize → cloud \(llama\.example\.com\)/)
    }
    assert.equal(cloud.requests.length, 2)
  })
})

test('the limit of a client counts them', async (t) => {
  const rate_limit_settings = { per_client: { rpm: 2 } }
  const { gateway, upstream } = await startGateway(t, { ...setup, rate_limit_settings })
  upstream.respondAlways(json(200, {}))
  const statuses: number[] = []
  for (const line of ['GET /providers/box/health', 'POST /infill', 'GET /providers/box/health'] as const) {
    const body = line.startsWith('POST') ? infill : undefined
    statuses.push((await exchange(t, gateway.url, rawRequest(line, {}, body))).status)
  }
  assert.deepEqual(statuses, [200, 200, 429])
})

test('a reload changes what is allowed, from the next request on', async (t) => {
  const { gateway, upstream } = await startGateway(t, setup)
  upstream.respondAlways(json(200, {}))
  const ask = async () =>
    (await exchange(t, gateway.url, rawRequest('POST /providers/box/slots/0?action=erase', {}, '{}'))).status
  assert.equal(await ask(), 403)
  const box = { kind: 'llama_cpp', base_url: `${upstream.url}/v1` } as const
  await gateway.reload({ ...setup, providers: { box: { ...box, allow_management: true } } })
  assert.equal(await ask(), 200)
  await gateway.reload({ ...setup, providers: { box } })
  assert.equal(await ask(), 403)
})

test('with worker threads they are the same', async (t) => {
  const { gateway, upstream } = await startGateway(t, { ...setup, server: { workers: 2 } })
  upstream.respondAlways(json(200, { content: '', timings: { prompt_n: 1, predicted_n: 2 } }))
  for (const [line, body, status] of [
    ['GET /providers/box/health', undefined, 200],
    ['GET /providers/box/slots', undefined, 200],
    ['POST /providers/box/slots/0', '{}', 403],
    ['POST /infill', infill, 200],
  ] as const) {
    assert.equal((await exchange(t, gateway.url, rawRequest(line, {}, body))).status, status, line)
  }
  await gateway.logged({ model: 'small', prompt_tokens: 1, completion_tokens: 2 })
})
