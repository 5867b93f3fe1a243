// Web pages: which may call, what they may read, and that all others are refused before anything else happens.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { dialects } from '../../src/dialects/table.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'
import { requests } from './requests.ts'
import { startGateway } from '../support/app.ts'

const body = '{"model":"plain","messages":[]}'

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
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(json(200, {}, { 'access-control-allow-origin': '*' }))
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
  const { gateway } = await startGateway(t)
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

test('pages of allowed origins may read the errors of every model route', async (t) => {
  const { gateway } = await startGateway(t)
  const origin = 'http://localhost:3000'
  for (const { path, bodies } of dialects.keys()) {
    // Refused for its media type, before its body is read, and for what it holds.
    const types = ['text/plain', bodies[0] === 'json' ? 'application/json' : 'multipart/form-data']
    for (const [index, type] of types.entries()) {
      const headers = { origin, 'content-type': type }
      const response = await exchange(t, gateway.url, rawRequest(`POST /v1${path}`, headers, '{}'))
      assert.equal(response.status, index === 0 ? 415 : 400, path)
      assert.equal(response.header('access-control-allow-origin'), origin, path)
      assert.equal(response.header('vary'), 'Origin', path)
    }
  }
})

test('pages of all other origins are refused on every path, without a word of CORS', async (t) => {
  const { gateway, upstream } = await startGateway(t)
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
  const { gateway } = await startGateway(t)
  const line = 'origin: http://localhost:3000\r\n'
  const request = `GET /v1/models HTTP/1.1\r\nhost: localhost\r\n${line}${line}\r\n`
  assert.equal((await exchange(t, gateway.url, request)).status, 403)
})

test('a simple request, which needs no preflight, is refused by its origin and by its media type', async (t) => {
  const { gateway, upstream } = await startGateway(t)
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
  const { gateway, upstream } = await startGateway(t)
  const response = await exchange(t, gateway.url, preflight('http://localhost:3000'))

  assert.equal(response.status, 204)
  assert.match(response.header('vary') ?? '', /\baccess-control-request-headers\b/i)
  assert.equal(response.header('access-control-allow-origin'), 'http://localhost:3000')
  assert.match(response.header('vary') ?? '', /\borigin\b/i)
  assert.deepEqual(response.header('access-control-allow-methods')?.split(/, */), ['GET', 'HEAD', 'POST'])
  const asked = 'authorization, content-type, x-stainless-lang'
  assert.equal(response.header('access-control-allow-headers'), asked)
  assert.equal(response.header('access-control-allow-credentials'), undefined)
  assert.equal(upstream.connections, 0)
})

test('a page may not send what a front proxy says of a request, nor anything that is not the name of a header', async (t) => {
  const { gateway } = await startGateway(t)
  for (const [asked, allowed] of [
    ['X-Forwarded-For,content-type', 'content-type'],
    ['forwarded, x-forwarded-host, x-real-ip, X-Own', 'x-own'],
    ['*, x-forwarded-for, a b, ü, , x"y, x-*', 'x-*'],
  ] as const) {
    const request = rawRequest('OPTIONS /v1/models', {
      origin: 'http://localhost:3000',
      'access-control-request-method': 'GET',
      'access-control-request-headers': asked,
    })
    const response = await exchange(t, gateway.url, request)
    assert.equal(response.status, 204)
    assert.equal(response.header('access-control-allow-headers'), allowed)
    assert.equal(response.header('access-control-allow-private-network'), undefined)
  }
})

test('a preflight of any other origin is refused', async (t) => {
  const { gateway } = await startGateway(t)
  for (const origin of badOrigins) {
    const response = await exchange(t, gateway.url, preflight(origin))
    assert.equal(response.status, 403, origin)
    assert.equal(response.header('access-control-allow-origin'), undefined)
  }
})

test('with CORS off every page is refused, and programs are served', async (t) => {
  const { gateway } = await startGateway(t, { cors: { enabled: false } })
  const origin = 'http://localhost:3000'
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/models', { origin }))).status, 403)
  assert.equal((await exchange(t, gateway.url, preflight(origin))).status, 403)
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/models'))).status, 200)
})

test('with CORS off, allowing all origins changes nothing, and the refusal suggests nothing in vain', async (t) => {
  const { gateway } = await startGateway(t, {
    cors: { enabled: false, allow_all: true, allow_null_origin: true },
  })
  for (const origin of ['http://localhost:3000', 'null']) {
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/models', { origin }))
    assert.equal(response.status, 403, origin)
    assert.match(response.body().toString(), /cors\.enabled/)
    assert.doesNotMatch(response.body().toString(), /allowed_origins|allow_null_origin/)
  }
})

test('with all origins allowed, the opaque one is still refused', async (t) => {
  const { gateway } = await startGateway(t, { cors: { allow_all: true } })
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
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, {}))
    for (const [line, sent] of requests.slice(0, 3)) {
      const response = await exchange(t, gateway.url, rawRequest(line, headers, sent))
      assert.equal(response.status, status, line)
    }
    assert.equal(upstream.connections, status === 200 ? 1 : 0)
  })
}

test('the refusal of an origin suggests what the configuration accepts', async (t) => {
  const { gateway } = await startGateway(t)
  for (const [origin, hint] of [
    ['https://app.example', /Add it to cors\.allowed_origins/],
    ['app://-', /Add it to cors\.allowed_origins/],
    ['file://', /Add it to cors\.allowed_origins/],
    ['vscode-webview://0a1b', /or \\"vscode-webview:\/\/\*\\" if its host changes/],
    ['null', /cors\.allow_null_origin/],
    ['http://localhost:99999', /No browser sends it/],
    ['*', /No browser sends it/],
  ] as const) {
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/models', { origin }))
    assert.equal(response.status, 403)
    assert.match(response.body().toString(), hint, origin)
  }
})
