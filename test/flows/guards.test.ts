// Who is refused before anything else happens: names of this machine, web pages, other protocols.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'
import { startWired } from './wiring.ts'

const body = '{"model":"plain","messages":[]}'

/** Every kind of path that there is; guards stand before all of them. */
const requests: readonly [line: `${string} ${string}`, body?: string][] = [
  ['POST /v1/chat/completions', body],
  ['GET /v1/models'],
  ['GET /healthz'],
  ['GET /readyz'],
  ['GET /nowhere'],
  ['DELETE /v1/models'],
  ['OPTIONS /v1/chat/completions'],
  ['OPTIONS *'],
]

const goodHosts = [
  'localhost',
  'localhost:4000',
  'LOCALHOST:9999',
  'localhost:1',
  '127.0.0.1',
  '127.0.0.1:65535',
  '[::1]',
  '[::1]:80',
]

const wrongHosts = [
  'evil.example',
  'evil.example:4000',
  'localhost.evil.example',
  'x.localhost',
  'localhost.',
  'localhost.localdomain',
  '0.0.0.0',
  '0.0.0.0:4000',
  '127.0.0.2',
  '127.1',
  '2130706433',
  '0x7f.1',
  '[::ffff:127.0.0.1]',
  '[0:0:0:0:0:0:0:1]',
  'mybox.local',
]

const malformedHosts = [
  '',
  'localhost:',
  'localhost:abc',
  'localhost:123456',
  'localhost/health?x=',
  'localhost@evil.example',
  'localhost, evil.example',
  'localhost localhost',
  'http://localhost',
  '::1',
  '[::1',
  'löcalhost',
]

test('loopback names are served under any port, as over a tunnel', async (t) => {
  const { gateway, upstream } = await startWired(t)
  upstream.answerAlways(json(200, {}))
  for (const host of goodHosts) {
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', { host }, body))
    assert.equal(response.status, 200, host)
  }
})

for (const [hosts, status, code] of [
  [wrongHosts, 403, 'host_not_allowed'],
  [malformedHosts, 400, 'invalid_host'],
] as const) {
  test(`what is no name of this machine is answered ${code} on every path`, async (t) => {
    const { gateway, upstream } = await startWired(t)
    for (const host of hosts) {
      for (const [line, sent] of requests) {
        const request = rawRequest(line, { host, origin: 'http://localhost:5173' }, sent)
        const response = await exchange(t, gateway.url, request)
        assert.equal(response.status, status, `${line} at ${host}`)
        assert.equal(response.header('x-llm-gateway-error'), code)
        assert.match(response.header('x-request-id') ?? '', /^req_/)
      }
    }
    assert.equal(upstream.connections, 0)
    await gateway.logged({ event: code, status })
  })
}

test('exactly one Host line is taken, in every version of HTTP', async (t) => {
  const { gateway, upstream } = await startWired(t)
  const heads = [
    'GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n',
    'GET /v1/models HTTP/1.1\r\nhost: localhost\r\nHost: localhost\r\n\r\n',
    'GET /v1/models HTTP/1.1\r\naccept: */*\r\n\r\n',
    'GET /v1/models HTTP/1.0\r\n\r\n',
  ]
  for (const head of heads) {
    const client = await connectRaw(t, gateway.url)
    client.send(head)
    const response = await client.response()
    assert.equal(response.status, 400, head)
    assert.equal(response.header('x-llm-gateway-error'), 'invalid_host')
  }
  assert.equal(upstream.connections, 0)
})

test('headers of proxies do not stand in for the Host', async (t) => {
  const { gateway } = await startWired(t)
  const forged = { 'x-forwarded-host': 'localhost', forwarded: 'host=localhost', host: 'evil.example' }
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/models', forged))).status, 403)
})

test('a target in absolute form is served only if it names the same host as the Host line', async (t) => {
  const { gateway, upstream } = await startWired(t)
  const cases = [
    ['http://localhost/v1/models', 'localhost', 200],
    ['http://evil.example/v1/models', 'evil.example', 403],
    ['http://localhost/v1/models', 'evil.example', 400],
    ['http://evil.example/v1/models', 'localhost', 400],
    ['http://localhost@evil.example/v1/models', 'localhost', 400],
    ['HTTP://evil.example', 'localhost', 400],
  ] as const
  for (const [target, host, status] of cases) {
    const response = await exchange(t, gateway.url, rawRequest(`GET ${target}`, { host }))
    assert.equal(response.status, status, `${target} at ${host}`)
  }
  assert.equal(upstream.connections, 0)
})

test('names that are listed are served, with their port or any', async (t) => {
  const { gateway } = await startWired(t, 'server: { allowed_hosts: [llm.example, "box.example:8443"] }')
  const served = new Map([
    ['llm.example', 200],
    ['LLM.example:443', 200],
    ['box.example:8443', 200],
    ['box.example', 403],
    ['box.example:1', 403],
    ['x.llm.example', 403],
  ])
  for (const [host, status] of served) {
    assert.equal(
      (await exchange(t, gateway.url, rawRequest('GET /v1/models', { host }))).status,
      status,
      host,
    )
  }
})

const goodOrigins = [
  'http://localhost',
  'http://localhost:3000',
  'http://localhost:1',
  'http://localhost:65535',
  'http://127.0.0.1:8080',
  'http://[::1]:5173',
]

const badOrigins = [
  'null',
  'http://evil.example',
  'https://localhost:3000',
  'http://localhost.evil.example',
  'http://localhost:3000.evil.example',
  'http://localhost:3000@evil.example',
  'http://evil.example:localhost',
  'http://localhost:99999',
  'http://localhost:0',
  'http://localhost:',
  'http://localhost:3000/',
  'http://xlocalhost',
  'http://localhost:*',
  'http://LOCALHOST:3000',
  'http://[::1]:5173, http://localhost',
  '*',
  '',
  'file://',
  'http://0.0.0.0:4000',
]

test('pages of allowed origins are served and may read the answer', async (t) => {
  const { gateway, upstream } = await startWired(t)
  upstream.answerAlways(json(200, {}, { 'access-control-allow-origin': '*' }))
  for (const origin of goodOrigins) {
    for (const [line, sent] of requests.slice(0, 5)) {
      const response = await exchange(t, gateway.url, rawRequest(line, { origin }, sent))
      assert.equal(response.status, line.endsWith('nowhere') ? 404 : 200, origin)
      assert.equal(response.header('access-control-allow-origin'), origin)
      assert.match(response.header('vary') ?? '', /\borigin\b/i)
      assert.match(response.header('access-control-expose-headers') ?? '', /x-llm-gateway-error/)
      assert.equal(response.header('access-control-allow-credentials'), undefined)
    }
  }
})

test('pages of allowed origins may read errors too', async (t) => {
  const { gateway } = await startWired(t)
  const origin = 'http://localhost:3000'
  const failing: readonly [`${string} ${string}`, Readonly<Record<string, string>>, string][] = [
    ['POST /v1/chat/completions', {}, '{"model":"gpt-9"}'],
    ['POST /v1/chat/completions', { 'content-type': 'text/plain' }, body],
    ['POST /v1/chat/completions', {}, '{'],
    ['GET /v1/chat/completions', {}, ''],
  ]
  for (const [line, headers, sent] of failing) {
    const response = await exchange(t, gateway.url, rawRequest(line, { origin, ...headers }, sent))
    assert.ok(response.status >= 400)
    assert.equal(response.header('access-control-allow-origin'), origin, `${line} ${response.status}`)
    assert.equal(response.header('cross-origin-resource-policy'), 'same-origin')
  }
})

test('pages of all other origins are refused on every path, without a word of CORS', async (t) => {
  const { gateway, upstream } = await startWired(t)
  for (const origin of badOrigins) {
    for (const [line, sent] of requests) {
      const response = await exchange(t, gateway.url, rawRequest(line, { origin }, sent))
      assert.equal(response.status, 403, `${line} from ${origin}`)
      assert.equal(response.header('x-llm-gateway-error'), 'origin_not_allowed')
      const names = response.headers.map(([name]) => name.toLowerCase())
      assert.ok(!names.some((name) => name.startsWith('access-control-')))
    }
  }
  assert.equal(upstream.connections, 0)
})

test('several Origin lines are refused, be they allowed', async (t) => {
  const { gateway } = await startWired(t)
  const line = 'origin: http://localhost:3000\r\n'
  const request = `GET /v1/models HTTP/1.1\r\nhost: localhost\r\n${line}${line}\r\n`
  assert.equal((await exchange(t, gateway.url, request)).status, 403)
})

test('a simple request, which needs no preflight, is refused by its origin and by its media type', async (t) => {
  const { gateway, upstream } = await startWired(t)
  const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=b']
  for (const type of types) {
    for (const [origin, status] of [
      ['http://evil.example', 403],
      ['null', 403],
      [undefined, 415],
    ] as const) {
      const headers = { origin, 'content-type': type }
      const response = await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', headers, body))
      assert.equal(response.status, status, `${type} from ${origin}`)
    }
  }
  assert.equal(upstream.connections, 0)
})

function preflight(origin: string): Buffer {
  return rawRequest('OPTIONS /v1/chat/completions', {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type,x-stainless-lang',
    'access-control-request-private-network': 'true',
  })
}

test('a preflight of an allowed origin is answered with exactly what is allowed', async (t) => {
  const { gateway, upstream } = await startWired(t)
  const response = await exchange(t, gateway.url, preflight('http://localhost:3000'))

  assert.equal(response.status, 204)
  assert.equal(response.header('access-control-allow-origin'), 'http://localhost:3000')
  assert.match(response.header('vary') ?? '', /\borigin\b/i)
  assert.deepEqual(response.header('access-control-allow-methods')?.split(/, */), ['GET', 'HEAD', 'POST'])
  const headers = response.header('access-control-allow-headers')?.split(/, */) ?? []
  assert.ok(headers.includes('content-type') && headers.includes('authorization'))
  assert.ok(!headers.includes('*'))
  assert.equal(response.header('access-control-allow-credentials'), undefined)
  assert.equal(response.header('access-control-allow-private-network'), undefined)
  assert.equal(upstream.connections, 0)
})

test('a preflight of any other origin is refused', async (t) => {
  const { gateway } = await startWired(t)
  for (const origin of badOrigins) {
    const response = await exchange(t, gateway.url, preflight(origin))
    assert.equal(response.status, 403, origin)
    assert.equal(response.header('access-control-allow-origin'), undefined)
  }
})

test('with CORS off every page is refused, and programs are served', async (t) => {
  const { gateway } = await startWired(t, 'cors: { enabled: false }')
  const origin = 'http://localhost:3000'
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/models', { origin }))).status, 403)
  assert.equal((await exchange(t, gateway.url, preflight(origin))).status, 403)
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/models'))).status, 200)
})

test('with all origins allowed, the opaque one is still refused', async (t) => {
  const { gateway } = await startWired(t, 'cors: { allow_all: true }')
  for (const [origin, status] of [
    ['https://page.example', 200],
    ['null', 403],
  ] as const) {
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/models', { origin }))
    assert.equal(response.status, status, origin)
    assert.equal(response.header('access-control-allow-origin'), status === 200 ? origin : undefined)
  }
})

const fetchSites: readonly [Readonly<Record<string, string>>, number][] = [
  [{ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }, 200],
  [{ 'sec-fetch-site': 'same-origin' }, 200],
  [{ 'sec-fetch-site': 'cross-site' }, 403],
  [{ 'sec-fetch-site': 'same-site' }, 403],
  [{ 'sec-fetch-site': 'something-new' }, 403],
  [{ 'sec-fetch-site': '' }, 403],
  [{ 'sec-fetch-site': 'same-site', origin: 'http://localhost:3000' }, 200],
  [{ 'sec-fetch-site': 'cross-site', origin: 'http://127.0.0.1:3000' }, 200],
  [{ 'sec-fetch-site': 'same-origin', origin: 'http://evil.example' }, 403],
]

for (const [headers, status] of fetchSites) {
  test(`a request with ${JSON.stringify(headers)} is answered ${status}`, async (t) => {
    const { gateway, upstream } = await startWired(t)
    upstream.answerAlways(json(200, {}))
    for (const [line, sent] of requests.slice(0, 3)) {
      const response = await exchange(t, gateway.url, rawRequest(line, headers, sent))
      assert.equal(response.status, status, line)
    }
    assert.equal(upstream.connections, status === 200 ? 1 : 0)
  })
}

test('no other protocol is switched to', async (t) => {
  const { gateway, upstream } = await startWired(t)
  for (const upgrade of ['websocket', 'h2c', 'TLS/1.2']) {
    for (const line of ['GET /v1/chat/completions', 'GET /healthz', 'POST /v1/chat/completions'] as const) {
      const headers = { upgrade, connection: 'upgrade', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
      const response = await exchange(t, gateway.url, rawRequest(line, headers))
      assert.equal(response.status, 400, `${line} to ${upgrade}`)
      assert.equal(response.header('x-llm-gateway-error'), 'invalid_request')
    }
  }
  assert.equal(upstream.connections, 0)
})

test('a refused request is not asked for its body', async (t) => {
  const { gateway } = await startWired(t)
  const headers = { origin: 'http://evil.example', expect: '100-continue', 'content-length': '10' }
  const response = await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', headers))
  assert.equal(response.status, 403)
})

test('addresses that are not listed are refused on every path', async (t) => {
  const { gateway, upstream } = await startWired(t, 'access: { allowed_ips: [127.0.0.9/32] }')
  for (const [line, sent] of requests) {
    const response = await exchange(t, gateway.url, rawRequest(line, {}, sent))
    assert.equal(response.status, 403, line)
    assert.equal(response.header('x-llm-gateway-error'), 'ip_not_allowed')
  }
  assert.equal(upstream.connections, 0)
})

test('X-Forwarded-For is believed of a trusted proxy only, and only its nearest part', async (t) => {
  const access = 'access: { allowed_ips: [203.0.113.0/24] }'
  const trusting = await startWired(t, `${access}\nserver: { trusted_proxies: [127.0.0.1] }`)
  const strict = await startWired(t, access)
  const cases = [
    [trusting, '203.0.113.7', 200],
    [trusting, '198.51.100.1, 203.0.113.7', 200],
    [trusting, '203.0.113.7, 198.51.100.1', 403],
    [strict, '203.0.113.7', 403],
  ] as const
  for (const [{ gateway }, forwarded, status] of cases) {
    const request = rawRequest('GET /v1/models', { 'x-forwarded-for': forwarded })
    assert.equal((await exchange(t, gateway.url, request)).status, status, forwarded)
  }
})
