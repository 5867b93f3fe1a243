// Which requests need a key, by the mode and the connection, and what becomes of a wrong one.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { systemUsers } from '../../../src/platform/unix-users.ts'
import { type Running, startGateway } from '../../support/app.ts'
import { bearer, KeyFileOnDisk, testKey } from '../../support/client-keys.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import type { Setup } from '../../support/gateway-config.ts'
import { unless } from '../../support/needs.ts'
import { type Address, connectRaw, exchange, rawRequest } from '../../support/raw-client.ts'
import { whole } from '../../support/chat-content.ts'

type Mode = 'off' | 'optional' | 'required'
type Headers = Readonly<Record<string, string | undefined>>

const isLinux = { skip: unless(process.platform === 'linux', 'needs Linux') }
const self = `user:${systemUsers().nameOf(process.getuid!()) ?? process.getuid!()}`
const body = '{"model":"plain","messages":[]}'
const call = (headers: Headers = {}) => rawRequest('POST /v1/chat/completions', headers, body)

async function startWith(t: TestContext, mode: Mode, more: Setup = {}): Promise<Running & { key: string }> {
  const file = new KeyFileOnDisk(t)
  const key = testKey()
  file.write({ ci: { keys: [key] } })
  const keys = { ...more.keys, mode, file: file.path }
  const running = await startGateway(t, { ...more, keys })
  running.upstream.respondAlways(whole())
  return Object.assign(running, { key: key.text })
}

suite('modes and connections', isLinux, () => {
  const forwarded = { 'x-forwarded-for': '203.0.113.9' }
  const rows: [what: string, more: Setup, headers: Headers, expected: Record<Mode, number>][] = [
    ['the gateway’s own user', {}, {}, { off: 200, optional: 200, required: 401 }],
    [
      'a user without need of a key',
      { keys: { keyless_users: ['self'] } },
      {},
      { off: 200, optional: 200, required: 200 },
    ],
    [
      'another user than that',
      { keys: { keyless_users: ['61184'] } },
      {},
      { off: 200, optional: 200, required: 401 },
    ],
    [
      'a trusted proxy that runs as such a user',
      { keys: { keyless_users: ['self'] }, server: { trusted_proxies: [{ user: 'self' }] } },
      forwarded,
      { off: 200, optional: 200, required: 401 },
    ],
    ...['forwarded', 'via', 'cf-ray', 'tailscale-user-login', 'x-forwarded-proto', 'x-real-ip'].map(
      (name): (typeof rows)[number] => [
        `a proxy that runs as such a user and sends ${name}`,
        { keys: { keyless_users: ['self'] } },
        { [name]: '1' },
        { off: 200, optional: 200, required: 401 },
      ],
    ),
  ]
  for (const [what, more, headers, expected] of rows) {
    for (const mode of ['off', 'optional', 'required'] as const) {
      test(`${mode}, without a key: ${what}`, async (t) => {
        const { gateway, upstream } = await startWith(t, mode, more)
        const response = await exchange(t, gateway.url, call(headers))
        assert.equal(response.status, expected[mode])
        assert.equal(upstream.requests.length, expected[mode] === 200 ? 1 : 0)
      })
    }
  }

  test('a key is served on every connection, and is the client', async (t) => {
    const socketPath = join(scratchDirectory(t), 'llm.sock')
    const server = { unix_socket: socketPath, trusted_proxies: [{ user: 'self' }] }
    const { gateway, key } = await startWith(t, 'required', { server })
    const addresses: readonly [Address, Headers, string][] = [
      [gateway.url, {}, self],
      [gateway.url, forwarded, 'ip:203.0.113.9'],
      [{ socketPath }, {}, self],
    ]
    for (const [address, headers, via] of addresses) {
      const response = await exchange(t, address, call({ 'x-api-key': key, ...headers }))
      assert.equal(response.status, 200)
      await gateway.logged({ event: 'call', client: 'key:ci', key: 'ci', via })
    }
  })

  test('the Unix socket without a key', async (t) => {
    const socketPath = join(scratchDirectory(t), 'llm.sock')
    const { gateway } = await startWith(t, 'required', { server: { unix_socket: socketPath } })
    assert.equal((await exchange(t, { socketPath }, call())).status, 401)
    await gateway.logged({ event: 'key_required', client: self })
  })

  test('a key opens no door: a user who is not allowed stays outside', async (t) => {
    const { gateway, key } = await startWith(t, 'optional', { access: { allowed_users: ['61184'] } })
    const response = await exchange(t, gateway.url, call({ 'x-api-key': key }))
    assert.equal(response.status, 403)
    assert.equal(response.header('x-llm-gateway-error'), 'user_not_allowed')
  })

  test('a page with a key is refused by the guards all the same', async (t) => {
    const { gateway, key } = await startWith(t, 'required')
    const response = await exchange(
      t,
      gateway.url,
      call({ 'x-api-key': key, origin: 'https://evil.example' }),
    )
    assert.equal(response.header('x-llm-gateway-error'), 'origin_not_allowed')
  })

  test('a connection that carried a forwarded request is never direct again', async (t) => {
    const { gateway } = await startWith(t, 'required', { keys: { keyless_users: ['self'] } })
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('GET /v1/models'))
    assert.equal((await client.response()).status, 200)
    client.send(rawRequest('GET /v1/models', { via: '1.1 proxy' }))
    assert.equal((await client.response()).status, 401)
    client.send(rawRequest('GET /v1/models'))
    assert.equal((await client.response()).status, 401)
  })
})

suite('with mode required', () => {
  test('a call without a key is refused before its body is sent', async (t) => {
    const { gateway, upstream } = await startWith(t, 'required')
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('POST /v1/chat/completions', { 'content-length': '1000', expect: '100-continue' }))
    const response = await client.response()
    assert.equal(response.status, 401)
    assert.equal(response.header('www-authenticate'), 'Bearer')
    assert.equal(JSON.parse(response.body().toString()).error.code, 'key_required')
    assert.equal(upstream.requests.length, 0)
  })

  test('only the liveness is open', async (t) => {
    const { gateway, key } = await startWith(t, 'required')
    const paths: [path: string, without: number, withKey: number][] = [
      ['/healthz', 200, 200],
      ['/v1/healthz', 200, 200],
      ['/readyz', 401, 200],
      ['/', 401, 200],
      ['/v1/models', 401, 200],
      ['/v1/limits', 401, 200],
      ['/nothing', 401, 404],
      ['/v1/nothing', 401, 404],
    ]
    for (const [path, without, withKey] of paths) {
      assert.equal((await exchange(t, gateway.url, rawRequest(`GET ${path}`))).status, without, path)
      const headers = { 'x-api-key': key }
      assert.equal((await exchange(t, gateway.url, rawRequest(`GET ${path}`, headers))).status, withKey, path)
    }
  })

  test('a browser’s preflight needs no key, and its page may read the refusal', async (t) => {
    const { gateway } = await startWith(t, 'required')
    const origin = 'http://localhost:3000'
    const asked = { origin, 'access-control-request-method': 'POST' }
    const preflight = await exchange(t, gateway.url, rawRequest('OPTIONS /v1/chat/completions', asked))
    assert.equal(preflight.status, 204)
    const refused = await exchange(t, gateway.url, call({ origin }))
    assert.equal(refused.status, 401)
    assert.equal(refused.header('access-control-allow-origin'), origin)
  })

  test('the refusal has the form of the client’s dialect', async (t) => {
    const { gateway } = await startWith(t, 'required')
    const messages = await exchange(t, gateway.url, rawRequest('POST /v1/messages', {}, body))
    const { type, error } = JSON.parse(messages.body().toString())
    assert.deepEqual([messages.status, type, error.type], [401, 'error', 'authentication_error'])
    const chat = await exchange(t, gateway.url, call())
    assert.equal(JSON.parse(chat.body().toString()).error.type, 'invalid_request_error')
  })
})

suite('a presented key', () => {
  const other = testKey().text
  const rows: [what: string, headers: (key: string) => Headers, expected: string][] = [
    ['as a bearer token', (key) => ({ authorization: `Bearer ${key}` }), 'key:ci'],
    ['with the scheme in capitals', (key) => ({ authorization: `BEARER ${key}` }), 'key:ci'],
    ['in x-api-key', (key) => ({ 'x-api-key': key }), 'key:ci'],
    ['in api-key', (key) => ({ 'api-key': key }), 'key:ci'],
    [
      'beside a token of another server',
      (key) => ({ authorization: 'Bearer sk-ant-oat01-x', 'x-api-key': key }),
      'key:ci',
    ],
    ['twice the same', (key) => ({ authorization: `Bearer ${key}`, 'x-api-key': key }), 'key:ci'],
    ['as a token of another server', () => ({ authorization: 'Bearer sk-other' }), self],
    ['with one character changed', (key) => ({ 'x-api-key': `${key.slice(0, -1)}~` }), 'invalid_api_key'],
    ['as another key beside it', (key) => ({ 'x-api-key': key, 'api-key': other }), 'invalid_api_key'],
    ['that is unknown', () => ({ 'x-api-key': other }), 'invalid_api_key'],
    ['of the prefix alone', () => ({ 'x-api-key': 'gw_' }), 'invalid_api_key'],
  ]
  for (const [what, headersFor, expected] of rows) {
    test(`with mode optional, ${what}`, isLinux, async (t) => {
      const { gateway, upstream, key } = await startWith(t, 'optional')
      const response = await exchange(t, gateway.url, call(headersFor(key)))
      if (expected === 'invalid_api_key') {
        assert.equal(response.status, 401)
        assert.equal(response.header('x-llm-gateway-error'), expected)
        assert.equal(upstream.requests.length, 0)
      } else {
        assert.equal(response.status, 200)
        await gateway.logged({ event: 'call', client: expected })
        const sent = JSON.stringify(upstream.requests[0]!.headers)
        assert.ok(!sent.includes(key) && !sent.includes('gw_'))
      }
      const log = JSON.stringify(gateway.log())
      assert.ok(!log.includes(key) && !log.includes(other))
    })
  }

  for (const method of ['OPTIONS', 'HEAD', 'TRACE']) {
    test(`by ${method}, a wrong one is refused and logged as by any other method`, async (t) => {
      const { gateway } = await startWith(t, 'required')
      const headers = { 'x-api-key': other, 'content-type': 'application/json' }
      const response = await exchange(t, gateway.url, rawRequest(`${method} /v1/chat/completions`, headers))
      assert.equal(response.status, 401)
      assert.equal(response.header('x-llm-gateway-error'), 'invalid_api_key')
      await gateway.logged({ event: 'invalid_api_key' })
    })
  }

  test('by OPTIONS, with a type of a body and without an origin, a good one finds no route', async (t) => {
    const { gateway, key } = await startWith(t, 'required')
    const headers = { 'x-api-key': key, 'content-type': 'application/json' }
    const response = await exchange(t, gateway.url, rawRequest('OPTIONS /v1/chat/completions', headers))
    assert.equal(response.status, 405)
    assert.equal(response.header('allow'), 'POST')
  })

  test('is not seen in the query, a cookie or the body', async (t) => {
    const { gateway, key } = await startWith(t, 'required')
    const path = `/v1/chat/completions?api_key=${key}&key=${key}`
    const request = rawRequest(`POST ${path}`, { cookie: `x-api-key=${key}` }, `{"api_key":"${key}"}`)
    const response = await exchange(t, gateway.url, request)
    assert.equal(response.header('x-llm-gateway-error'), 'key_required')
    assert.ok(!JSON.stringify(gateway.log()).includes(key))
  })

  test('reaches no provider and no log, wherever else its holder puts it', async (t) => {
    const { gateway, upstream, key } = await startWith(t, 'required')
    const [encoded, hidden] = [key.replaceAll('_', '%5F'), { 'x-request-id': key, 'anthropic-beta': key }]
    const query = `?code=${key}&user=${encoded}&k=${encoded}&beta=true`
    const message = '{"model":"plain","max_tokens":5,"messages":[]}'
    for (const [path, text] of [
      ['messages', message],
      ['chat/completions', body],
    ] as const) {
      const headers = { ...hidden, 'anthropic-version': '2023-06-01', 'x-api-key': key }
      await exchange(t, gateway.url, rawRequest(`POST /v1/${path}${query}`, headers, text))
    }
    assert.ok(upstream.requests.length >= 2)
    for (const { target, headers } of upstream.requests) {
      assert.ok(!decodeURIComponent(JSON.stringify([target, headers])).includes(key))
      assert.match(target, /\?beta=true$/)
    }
    assert.ok(!JSON.stringify(gateway.log()).includes(key))
  })

  test('that has expired, is disabled, or is not valid yet', async (t) => {
    const clock = new FakeClock()
    const file = new KeyFileOnDisk(t)
    const [expired, disabled, early] = [testKey(), testKey(), testKey()]
    file.write({
      expired: { keys: [expired], expiresMs: clock.wallNow() },
      disabled: { keys: [disabled], isDisabled: true },
      early: { keys: [early], notBeforeMs: clock.wallNow() + 1 },
    })
    const { gateway } = await startGateway(t, { keys: file.setup }, { clock })
    for (const [key, code] of [
      [expired, 'key_expired'],
      [disabled, 'key_disabled'],
      [early, 'key_disabled'],
    ] as const) {
      const response = await exchange(t, gateway.url, call(bearer(key)))
      assert.equal(response.status, 401)
      assert.equal(response.header('x-llm-gateway-error'), code)
      assert.equal(response.header('www-authenticate'), 'Bearer')
    }
  })

  test('that expires, while the clock shows a time before the release was built', async (t) => {
    const clock = new FakeClock()
    const file = new KeyFileOnDisk(t)
    const [lasting, ending, rotated] = [
      testKey(),
      testKey(),
      testKey({ untilMs: clock.wallNow() + 86_400_000 }),
    ]
    file.write({
      lasting: { keys: [lasting] },
      ending: { keys: [ending], expiresMs: clock.wallNow() + 86_400_000 },
      rotated: { keys: [rotated, testKey()] },
    })
    const builtAtMs = clock.wallNow() + 5_000
    const { gateway, upstream } = await startGateway(t, { keys: file.setup }, { clock, builtAtMs })
    upstream.respondAlways(whole())
    const line = await gateway.logged({ event: 'clock_not_set', level: 'WARN' })
    assert.deepEqual([line['keys'], line['built']], [2, new Date(builtAtMs).toISOString()])
    const send = (key: typeof lasting) => exchange(t, gateway.url, call(bearer(key)))
    assert.equal((await send(lasting)).status, 200)
    for (const key of [ending, rotated]) {
      const refused = await send(key)
      assert.deepEqual([refused.status, refused.header('x-llm-gateway-error')], [503, 'clock_not_set'])
      assert.deepEqual([refused.header('retry-after'), refused.header('www-authenticate')], ['60', undefined])
    }
    assert.equal(upstream.requests.length, 1)
    clock.advance(5_000)
    assert.deepEqual([(await send(ending)).status, (await send(rotated)).status], [200, 200])
  })

  test('while it is rotated: both secrets are served, the first until its moment', async (t) => {
    const clock = new FakeClock()
    const file = new KeyFileOnDisk(t)
    const first = testKey({ untilMs: clock.wallNow() + 1000 })
    const second = testKey()
    file.write({ ci: { keys: [first, second], terms: { rpm: 3 } } })
    const { gateway, upstream } = await startGateway(t, { keys: file.setup }, { clock })
    upstream.respondAlways(whole())
    const status = async (key: typeof first) => (await exchange(t, gateway.url, call(bearer(key)))).status
    assert.deepEqual([await status(first), await status(second)], [200, 200])
    await gateway.logged({ event: 'call', key: 'ci', key_secret: first.secret.id })
    clock.advance(999)
    assert.equal(await status(first), 200)
    clock.advance(1)
    assert.deepEqual([await status(first), await status(second)], [401, 429])
  })
})

suite('wrong keys', () => {
  const limited = { rate_limit_settings: { per_client: { rpm: 3 } } }

  test('are charged to the connection’s client, and beyond its limit only valid keys pass', async (t) => {
    const clock = new FakeClock()
    const file = new KeyFileOnDisk(t)
    const key = testKey()
    file.write({ ci: { keys: [key] } })
    const { gateway, upstream } = await startGateway(t, { ...limited, keys: file.setup }, { clock })
    upstream.respondAlways(whole())
    const status = async (headers: Headers) => (await exchange(t, gateway.url, call(headers))).status
    const wrong = bearer(testKey())
    for (let count = 0; count < 3; count++) assert.equal(await status(wrong), 401)
    assert.equal(await status(wrong), 429)
    assert.equal(await status(bearer(key)), 200)
    assert.equal(await status(wrong), 429)
    clock.advance(60_000)
    assert.equal(await status(bearer(key)), 200)
    assert.equal(await status(wrong), 401)
  })

  test('cost the key’s own limit nothing, and neither do requests without a key', async (t) => {
    const clock = new FakeClock()
    const file = new KeyFileOnDisk(t)
    const key = testKey()
    file.write({ ci: { keys: [key] } })
    const { gateway, upstream } = await startGateway(t, { ...limited, keys: file.setup }, { clock })
    upstream.respondAlways(whole())
    const status = async (headers: Headers) => (await exchange(t, gateway.url, call(headers))).status
    for (let count = 0; count < 5; count++) assert.equal(await status({}), 401)
    for (let count = 0; count < 2; count++) assert.equal(await status(bearer(testKey())), 401)
    for (let count = 0; count < 3; count++) assert.equal(await status(bearer(key)), 200)
    assert.equal(await status(bearer(key)), 429)
  })

  test('make a line a second in the log', async (t) => {
    const clock = new FakeClock()
    const file = new KeyFileOnDisk(t)
    file.write({})
    const { gateway } = await startGateway(t, { keys: file.setup }, { clock })
    for (let count = 0; count < 20; count++) await exchange(t, gateway.url, call())
    clock.advance(1000)
    await exchange(t, gateway.url, call())
    await gateway.logged({ event: 'key_required', unlogged: 19 })
    assert.equal(gateway.log().filter(({ event }) => event === 'key_required').length, 2)
  })
})
