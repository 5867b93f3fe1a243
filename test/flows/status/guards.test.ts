// Who gets the status page, with which headers, and who may cancel calls on it.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'

import { startGateway, type TestGateway } from '../../support/app.ts'
import { delta, whole } from '../../support/chat-content.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { echo } from '../../support/gateway-config.ts'
import { unless } from '../../support/needs.ts'
import { connectRaw, exchange, rawRequest } from '../../support/raw-client.ts'
import { chunk, hang, streamHead } from '../../support/upstream-script.ts'
import { ask, openFeed, readReport } from './status-client.ts'

const onlyLinux = { skip: unless(process.platform === 'linux', 'needs Linux') }

const policy = [
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'",
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
].join('; ')

const pageHeaders = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'access-control-allow-origin': undefined,
}

function assertPageHeaders(header: (name: string) => string | undefined, what: string): void {
  for (const [name, value] of Object.entries(pageHeaders))
    assert.equal(header(name), value, `${what}: ${name}`)
}

suite('every answer below /status', onlyLinux, () => {
  test('has the headers of a page that nobody can frame or script', async (t) => {
    const { gateway } = await startGateway(t, { ...echo, cors: { enabled: true, allow_all: true } })
    const paths = [
      '/status',
      '/status/app.js',
      '/status/app.css',
      '/status/icon.svg',
      '/status/data',
      '/status/explain?model=echo',
      '/status/explain',
      '/status/nothing',
    ]
    for (const path of paths) {
      const response = await ask(t, gateway, path)
      assertPageHeaders((name) => response.header(name), path)
    }
    for (const headers of [
      { host: 'evil.example' },
      { origin: 'https://evil.example' },
      { via: '1.1 proxy' },
    ]) {
      const response = await ask(t, gateway, '/status/data', headers)
      assert.ok(response.status === 403 || response.status === 404)
      assertPageHeaders((name) => response.header(name), JSON.stringify(headers))
    }
    const feed = await openFeed(t, gateway)
    assertPageHeaders((name) => feed.head.header(name), 'the feed')
    assert.equal(feed.head.header('cache-control'), 'no-store')
    assert.equal(feed.head.header('x-accel-buffering'), 'no')
    assert.equal((await ask(t, gateway, '/status/data')).header('cache-control'), 'no-store')
  })

  test('is compressed where that is accepted, and not sent again while it is the same', async (t) => {
    const { gateway } = await startGateway(t, echo)
    for (const path of ['/status', '/status/app.js', '/status/app.css', '/status/icon.svg']) {
      const plain = await ask(t, gateway, path)
      assert.equal(plain.status, 200, path)
      assert.equal(plain.header('cache-control'), 'no-cache')
      assert.equal(plain.header('content-encoding'), undefined)
      for (const [accepted, coding, decode] of [
        ['gzip, deflate, br, zstd', 'br', brotliDecompressSync],
        ['gzip, deflate', 'gzip', gunzipSync],
        ['gzip, br;q=0', 'gzip', gunzipSync],
      ] as const) {
        const packed = await ask(t, gateway, path, { 'accept-encoding': accepted })
        assert.equal(packed.header('content-encoding'), coding)
        assert.equal(packed.header('vary'), 'accept-encoding')
        assert.deepEqual(decode(packed.body()), plain.body())
      }
      const refused = await ask(t, gateway, path, { 'accept-encoding': 'gzip;q=0, br;q=0.0' })
      assert.equal(refused.header('content-encoding'), undefined)
      const again = await ask(t, gateway, path, { 'if-none-match': `"old", ${plain.header('etag')}` })
      assert.deepEqual([again.status, again.body().length], [304, 0])
    }
  })

  test('is refused to pages of other sites, and to names that lead here', async (t) => {
    const { gateway } = await startGateway(t, echo)
    const { host } = new URL(gateway.url)
    for (const [headers, status] of [
      [{ host, 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }, 200],
      [{ host, 'sec-fetch-site': 'same-origin' }, 200],
      [{ host, 'sec-fetch-site': 'same-site' }, 403],
      [{ host, 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' }, 403],
      [{ host, origin: 'http://localhost:1' }, 403],
      [{ host: 'rebound.example:4000' }, 403],
      [{ host, 'x-forwarded-for': '192.0.2.1' }, 404],
      [{ host, 'X-Forwarded': 'for=192.0.2.1' }, 404],
      [{ host, X_FORWARDED_FOR: '192.0.2.1' }, 404],
      [{ host, 'x-original-forwarded-for': '192.0.2.1' }, 404],
      [{ host, 'cf-connecting-ip': '192.0.2.1' }, 404],
      [{ host, 'true-client-ip': '192.0.2.1' }, 404],
      [{ host, 'tailscale-user-login': 'ann@example.org' }, 404],
    ] as const) {
      for (const path of ['/status', '/status/data', '/status/events', '/status/explain?model=echo']) {
        const client = await connectRaw(t, gateway.url)
        client.send(rawRequest(`GET ${path}`, headers))
        assert.equal((await client.head()).status, status, `${path} ${JSON.stringify(headers)}`)
        client.leave()
      }
    }
  })

  for (const [trusted_proxies, status] of [
    [[], 200],
    [[{ user: 'self' }], 404],
  ] as const) {
    test(`is ${status} by the Unix socket with ${trusted_proxies.length} trusted proxies`, async (t) => {
      const socketPath = join(scratchDirectory(t), 'gateway.sock')
      const server = { unix_socket: socketPath, trusted_proxies: [...trusted_proxies] }
      const { gateway } = await startGateway(t, { ...echo, server })
      for (const path of ['/status', '/status/data', '/metrics'] as const) {
        const request = rawRequest(`GET ${path}`, { host: 'localhost' })
        assert.equal((await exchange(t, { socketPath }, request)).status, status, path)
        assert.equal((await ask(t, gateway, path)).status, 200, path)
      }
    })
  }

  test('is text for who accepts nothing else', async (t) => {
    const { gateway } = await startGateway(t, echo)
    const text = await ask(t, gateway, '/status', { accept: 'text/plain' })
    assert.match(text.body().toString(), /^llm-gateway 0\.0\.0-test serves, started .*\nconfiguration \//)
    for (const accept of ['text/html,application/xhtml+xml,*/*;q=0.8', '*/*', 'text/plain, text/html']) {
      const page = await ask(t, gateway, '/status', { accept })
      assert.equal(page.header('content-type'), 'text/html; charset=utf-8')
    }
  })

  test('changes nothing but by POST /status/cancel', async (t) => {
    const { gateway } = await startGateway(t, echo)
    for (const line of [
      'POST /status',
      'DELETE /status/data',
      'GET /status/cancel',
      'PUT /status/cancel',
    ] as const) {
      const { status } = await exchange(t, gateway.url, rawRequest(line))
      assert.ok(status === 404 || status === 405, `${line}: ${status}`)
    }
  })
})

suite('a call is cancelled on the page', onlyLinux, () => {
  const cancel = (
    t: Parameters<typeof exchange>[0],
    { url }: Pick<TestGateway, 'url'>,
    headers: Readonly<Record<string, string | undefined>> = {},
    body = JSON.stringify({ id: 'req_open' }),
  ) => {
    const { host } = new URL(url)
    const usual = {
      host,
      origin: `http://${host}`,
      'sec-fetch-site': 'same-origin',
      'x-llm-gateway-page': '1',
    }
    return exchange(t, url, rawRequest('POST /status/cancel', { ...usual, ...headers }, body))
  }

  for (const server of [{}, { workers: 2 }]) {
    test(`by its owner, with ${JSON.stringify(server)}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, { server })
      upstream.respond([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
      const client = await connectRaw(t, gateway.url)
      const chat = JSON.stringify({ model: 'plain', stream: true, messages: [] })
      client.send(rawRequest('POST /v1/chat/completions', { 'x-request-id': 'req_open' }, chat))
      await client.seen('first')
      assert.equal((await cancel(t, gateway, {}, '{"id":"req_other"}')).status, 404)
      const response = await cancel(t, gateway)
      assert.equal(response.status, 200)
      assert.deepEqual(JSON.parse(response.body().toString()), { cancelled: true })
      await client.seen('call_cancelled')
      assert.equal((await cancel(t, gateway)).status, 404)
      // What the client is told is advice to it, not to who reads the page.
      const { recent } = await readReport(t, gateway)
      assert.deepEqual([recent[0]?.code, recent[0]?.reason], ['call_cancelled', null])
    })
  }

  test('and by nothing else than the page', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
    const client = await connectRaw(t, gateway.url)
    const chat = JSON.stringify({ model: 'plain', stream: true, messages: [] })
    client.send(rawRequest('POST /v1/chat/completions', { 'x-request-id': 'req_open' }, chat))
    await client.seen('first')
    for (const [headers, status] of [
      [{ origin: undefined }, 403],
      [{ origin: 'http://localhost:3000' }, 403],
      [{ origin: 'null' }, 403],
      [{ 'x-llm-gateway-page': undefined }, 403],
      [{ 'sec-fetch-site': 'cross-site' }, 403],
      [{ 'x-forwarded-for': '192.0.2.1' }, 403],
      [{ 'content-type': 'text/plain' }, 415],
      [{ 'content-type': 'application/x-www-form-urlencoded' }, 415],
      [{ 'content-type': undefined }, 415],
    ] as const) {
      const response = await cancel(t, gateway, headers)
      assert.ok(
        response.status === status || response.status === 404,
        `${JSON.stringify(headers)}: ${response.status}`,
      )
    }
    for (const body of ['', '[]', '{}', '{"id":1}', '{"id":"x"', JSON.stringify({ id: 'x'.repeat(5_000) })]) {
      const { status } = await cancel(t, gateway, {}, body)
      assert.ok(status >= 400 && status < 500 && status !== 404, `${body.slice(0, 20)}: ${status}`)
    }
    const { calls } = await readReport(t, gateway)
    assert.deepEqual(
      calls.map(({ id }) => id),
      ['req_open'],
    )
  })
})

test('chats go on while six pages are open', onlyLinux, async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(whole())
  for (let count = 0; count < 6; count++) await openFeed(t, gateway)
  const body = JSON.stringify({ model: 'plain', messages: [] })
  assert.equal(
    (await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', {}, body))).status,
    200,
  )
})
