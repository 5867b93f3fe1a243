// Which models a client may see and use, on the wire.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { systemUsers } from '../../../src/platform/unix-users.ts'
import { type Running, startGateway } from '../../support/app.ts'
import { whole } from '../../support/chat-content.ts'
import { bearer, KeyFileOnDisk, type TestKey, testKey } from '../../support/client-keys.ts'
import { at, type Setup } from '../../support/gateway-config.ts'
import { unless } from '../../support/needs.ts'
import { exchange, rawRequest } from '../../support/raw-client.ts'
import { startUpstream } from '../../support/scripted-upstream.ts'
import { json } from '../../support/upstream-script.ts'

const provider = 'scripted'
const models = {
  gpt: { provider, aliases: ['cheap'] },
  coder: { provider, fallbacks: ['gpt', 'open/b'] },
  chain: { provider, fallbacks: ['middle'] },
  middle: { provider, fallbacks: ['gpt', 'last'] },
  last: { provider, model: 'last-target' },
  'open/*': { provider, model: '*' },
}

async function startWith(
  t: TestContext,
  list: readonly string[] | undefined,
  more: Setup = {},
): Promise<Running & { key: TestKey }> {
  const file = new KeyFileOnDisk(t)
  const key = testKey()
  file.write({ ci: { keys: [key], terms: { models: list } } })
  const running = await startGateway(t, { models, ...more, keys: file.setup })
  return Object.assign(running, { key })
}

function callOf(model: string, key: TestKey): string | Uint8Array {
  return rawRequest('POST /v1/chat/completions', bearer(key), JSON.stringify({ model, messages: [] }))
}

suite('a call', () => {
  const rows: [list: readonly string[] | undefined, model: string, status: number][] = [
    [undefined, 'gpt', 200],
    [['gpt'], 'gpt', 200],
    [['gpt'], 'cheap', 200],
    [['cheap'], 'gpt', 200],
    [['gpt'], 'coder', 403],
    [['che*'], 'cheap', 403],
    [['open/*'], 'open/x', 200],
    [['open/x'], 'open/y', 403],
    [['*'], 'open/y', 200],
    [[], 'gpt', 403],
    [['gpt'], 'nothing', 404],
  ]
  for (const [list, model, status] of rows) {
    test(`of ${model} with the list ${JSON.stringify(list)}`, async (t) => {
      const { gateway, upstream, key } = await startWith(t, list)
      upstream.respondAlways(whole())
      const response = await exchange(t, gateway.url, callOf(model, key))
      assert.equal(response.status, status)
      assert.equal(upstream.requests.length, status === 200 ? 1 : 0)
      if (status === 403) await gateway.logged({ event: 'model_not_allowed', client: 'key:ci', key: 'ci' })
    })
  }

  test('of a discovered name', async (t) => {
    const lists = await startUpstream(t)
    lists.respondAlways((request) =>
      request.target.endsWith('/models')
        ? json(200, { data: [{ id: 'qwen3:8b' }, { id: 'other' }] })
        : whole(),
    )
    const { gateway, key } = await startWith(t, ['found/qwen*'], {
      providers: { found: at(lists, { discover_models: true, speaks: ['chat'] }) },
      models: { plain: { provider: 'found' } },
    })
    const status = async (model: string) => (await exchange(t, gateway.url, callOf(model, key))).status
    assert.equal(await status('qwen3:8b'), 200)
    assert.equal(await status('found/qwen3:8b'), 200)
    assert.equal(await status('other'), 403)
  })

  test('is refused in the form of each dialect', async (t) => {
    const { gateway, key } = await startWith(t, ['gpt'])
    const paths: [path: string, type: string][] = [
      ['/v1/chat/completions', 'permission_error'],
      ['/v1/responses', 'permission_error'],
      ['/v1/embeddings', 'permission_error'],
      ['/v1/messages', 'permission_error'],
      ['/v1/messages/count_tokens', 'permission_error'],
      ['/openai/deployments/coder/chat/completions', 'permission_error'],
    ]
    for (const [path, type] of paths) {
      const body = JSON.stringify({ model: 'coder', max_tokens: 1, messages: [], input: 'hi' })
      const response = await exchange(t, gateway.url, rawRequest(`POST ${path}`, bearer(key), body))
      assert.equal(response.status, 403, path)
      assert.equal(response.header('x-llm-gateway-error'), 'model_not_allowed')
      const { error } = JSON.parse(response.body().toString())
      assert.equal(error.type, type)
      assert.match(error.message, /It may use "gpt"\./)
    }
  })

  test('of an unknown name gets no hint at a model that it may not use', async (t) => {
    const { gateway, key } = await startWith(t, ['gpt'])
    const hint = async (name: string) =>
      JSON.parse((await exchange(t, gateway.url, callOf(name, key))).body().toString()).error.message
    assert.doesNotMatch(await hint('codee'), /coder/)
    assert.match(await hint('gpd'), /Did you mean "gpt"/)
  })
})

suite('a fallback', () => {
  const rows: [list: string[], model: string, reached: string[]][] = [
    [['coder', 'gpt', 'open/b'], 'coder', ['coder', 'gpt', 'b']],
    [['coder', 'open/*'], 'coder', ['coder', 'b']],
    [['coder'], 'coder', ['coder']],
    [['chain', 'last'], 'chain', ['chain', 'last-target']],
    [['chain', 'middle'], 'chain', ['chain', 'middle']],
  ]
  for (const [list, model, reached] of rows) {
    test(`of ${model} with the list ${JSON.stringify(list)}`, async (t) => {
      const { gateway, upstream, key } = await startWith(t, list)
      upstream.respondAlways(json(500, { error: { message: 'no' } }))
      await exchange(t, gateway.url, callOf(model, key))
      const asked = upstream.requests.map(({ body }) => JSON.parse(body.toString()).model)
      assert.deepEqual(asked, reached)
    })
  }
})

suite('lists', () => {
  test('of models have those that the client may use, each client’s its own', async (t) => {
    const file = new KeyFileOnDisk(t)
    const [few, all, master] = [testKey(), testKey(), testKey()]
    file.write({
      few: { keys: [few], terms: { models: ['cheap'] } },
      all: { keys: [all] },
      master: { keys: [master], role: 'master' },
    })
    const { gateway } = await startGateway(t, { models, keys: file.setup })
    const list = async (key: TestKey, more: Record<string, string> = {}, path = '/v1/models') => {
      const response = await exchange(t, gateway.url, rawRequest(`GET ${path}`, { ...bearer(key), ...more }))
      return JSON.parse(response.body().toString()).data.map(({ id }: { id: string }) => id)
    }
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(await list(few), ['gpt', 'cheap'])
      assert.deepEqual(await list(few, { 'anthropic-version': '2023-06-01' }), ['gpt', 'cheap'])
      assert.deepEqual(await list(few, {}, '/v1/models?client_version=1'), ['gpt', 'cheap'])
      assert.equal((await list(all)).length, 6)
      assert.equal((await list(master)).length, 6)
    }
    const one = async (name: string) =>
      (await exchange(t, gateway.url, rawRequest(`GET /v1/models/${name}`, bearer(few)))).status
    assert.deepEqual([await one('cheap'), await one('coder'), await one('nothing')], [200, 403, 404])
  })

  test('of limits too', async (t) => {
    const file = new KeyFileOnDisk(t)
    const [few, master] = [testKey(), testKey()]
    file.write({
      few: { keys: [few], terms: { models: ['cheap', 'open/x'] } },
      master: { keys: [master], role: 'master', terms: { models: ['gpt'] } },
    })
    const limits = { gpt: { rpm: 5 }, coder: { rpm: 5 }, 'open/*': { rpm: 5 } }
    const rate_limit_settings = { per_client: {}, limits }
    const { gateway } = await startGateway(t, { models, keys: file.setup, rate_limit_settings })
    const list = async (key: TestKey) => {
      const response = await exchange(t, gateway.url, rawRequest('GET /v1/limits', bearer(key)))
      return JSON.parse(response.body().toString()).data.map(({ model }: { model: string }) => model)
    }
    assert.deepEqual(await list(few), ['gpt', 'open/*'])
    assert.deepEqual(await list(master), ['gpt', 'coder', 'open/*'])
  })
})

suite('routes beside those of models', () => {
  const rest = { routes: { rest: { provider } } }
  const file = (key: TestKey) => rawRequest('GET /v1/files/file-1', bearer(key))

  test('need a record that allows them', async (t) => {
    const keys = new KeyFileOnDisk(t)
    const [plain, routes] = [testKey(), testKey()]
    keys.write({ plain: { keys: [plain] }, routes: { keys: [routes], terms: { routes: true } } })
    const { gateway, upstream } = await startGateway(t, { ...rest, keys: keys.setup })
    upstream.respondAlways(json(200, { data: [] }))
    const refused = await exchange(t, gateway.url, file(plain))
    assert.equal(refused.status, 403)
    assert.equal(refused.header('x-llm-gateway-error'), 'management_not_allowed')
    const batch = rawRequest('POST /v1/batches', bearer(routes), '{"completion_window":"24h"}')
    assert.equal((await exchange(t, gateway.url, batch)).status, 200)
    assert.equal(upstream.requests.length, 1)
    assert.ok(!JSON.stringify(upstream.requests[0]!.headers).includes('gw_'))
  })

  test('hold the objects of one key, which no other key finds', async (t) => {
    const keys = new KeyFileOnDisk(t)
    const [one, other] = [testKey(), testKey()]
    const terms = { routes: true }
    keys.write({ one: { keys: [one], terms }, other: { keys: [other], terms } })
    const { gateway, upstream } = await startGateway(t, { ...rest, keys: keys.setup })
    upstream.respondAlways(json(200, { id: 'batch_1', object: 'batch' }))
    const body = '{"completion_window":"24h"}'
    await exchange(t, gateway.url, rawRequest('POST /v1/batches', bearer(one), body))
    const found = async (key: TestKey) =>
      (await exchange(t, gateway.url, rawRequest('GET /v1/batches/batch_1', bearer(key)))).status
    assert.deepEqual([await found(one), await found(other)], [200, 404])
  })
})

suite('clients without a key', { skip: unless(process.platform === 'linux', 'needs Linux') }, () => {
  const self = systemUsers().nameOf(process.getuid!()) ?? String(process.getuid!())
  const forwarded = (address: string) => ({ 'x-forwarded-for': address })
  const rows: [
    what: string,
    clients: NonNullable<Setup['clients']>,
    headers: Record<string, string>,
    status: number,
  ][] = [
    ['have what their entry allows', { [`user:${self}`]: { models: ['gpt'] } }, {}, 200],
    ['have no more', { [`user:${self}`]: { models: ['coder'] } }, {}, 403],
    [
      'have their exact entry before a pattern and the default',
      { 'user:*': { models: [] }, default: { models: [] }, [`user:${self}`]: { models: ['gpt'] } },
      {},
      200,
    ],
    [
      'have a pattern before the default',
      { default: { models: [] }, 'user:*': { models: ['gpt'] } },
      {},
      200,
    ],
    ['have the default', { default: { models: ['coder'] }, 'user:nobody-here': {} }, {}, 403],
    ['have all without an entry', { 'user:nobody-here': { models: [] } }, {}, 200],
    [
      'have the smaller of two blocks',
      { 'ip:203.0.0.0/8': { models: [] }, 'ip:203.0.113.0/24': { models: ['gpt'] } },
      forwarded('203.0.113.9'),
      200,
    ],
    [
      'outside a block have the default',
      { default: { models: [] }, 'ip:10.0.0.0/8': {} },
      forwarded('203.0.113.9'),
      403,
    ],
  ]
  for (const [what, clients, headers, status] of rows) {
    test(what, async (t) => {
      const server = { trusted_proxies: [{ user: 'self' }] }
      const { gateway, upstream } = await startGateway(t, { models, clients, server })
      upstream.respondAlways(whole())
      const request = rawRequest('POST /v1/chat/completions', headers, '{"model":"gpt","messages":[]}')
      assert.equal((await exchange(t, gateway.url, request)).status, status)
    })
  }

  test('have the new entries after a reload', async (t) => {
    const { gateway, upstream } = await startGateway(t, { models })
    upstream.respondAlways(whole())
    const request = rawRequest('POST /v1/chat/completions', {}, '{"model":"gpt","messages":[]}')
    const status = async () => (await exchange(t, gateway.url, request)).status
    assert.equal(await status(), 200)
    const providers = { scripted: at(upstream) }
    await gateway.reload({ models, providers, clients: { default: { models: ['coder'] } } })
    assert.equal(await status(), 403)
  })

  test('do not get in the way of keys, which no entry matches', async (t) => {
    const file = new KeyFileOnDisk(t)
    const key = testKey()
    file.write({ ci: { keys: [key] } })
    const { gateway, upstream } = await startGateway(t, {
      models,
      keys: file.setup,
      clients: { default: { models: [] } },
    })
    upstream.respondAlways(whole())
    assert.equal((await exchange(t, gateway.url, callOf('gpt', key))).status, 200)
  })
})
