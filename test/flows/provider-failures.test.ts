// Providers that fail before the first byte of an answer, or answer what no client should see.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { exchange, rawRequest } from '../support/raw-client.ts'
import type { RawResponse } from '../support/raw-client.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'
import {
  bytes,
  chunk,
  content,
  end,
  hang,
  head,
  json,
  reset,
  stream,
  streamHead,
} from '../support/upstream-script.ts'
import type { Script } from '../support/upstream-script.ts'
import { startGateway } from '../support/app.ts'
import type { RawProvider } from '../../src/config/raw.ts'
import { at } from '../support/gateway-config.ts'

const ask = rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","messages":[]}')
const askStream = rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","stream":true}')

function assertFailure(
  response: RawResponse,
  expected: { status: number; code: string; message: RegExp },
): void {
  const text = response.body().toString()
  assert.equal(response.status, expected.status, text)
  assert.ok(response.complete)
  assert.match(response.header('content-type') ?? '', /^application\/json/)
  assert.equal(response.header('x-llm-gateway-error'), expected.code)
  assert.equal(response.header('x-llm-gateway-provider'), 'scripted')
  assert.match(response.header('x-request-id') ?? '', /^req_/)
  assert.equal(response.header('www-authenticate'), undefined)
  assert.equal(response.header('location'), undefined)
  const { error } = JSON.parse(text)
  assert.equal(error.code, expected.code)
  assert.equal(error.type, 'api_error')
  assert.match(error.message, /Provider "scripted"/)
  assert.match(error.message, expected.message)
}

const bad = (message: RegExp) => ({ status: 502, code: 'provider_bad_response', message })
const auth = (message: RegExp) => ({ status: 502, code: 'provider_auth_failed', message })

const failures: readonly [string, Script, { status: number; code: string; message: RegExp }][] = [
  ['401', json(401, { error: { message: 'no' } }, { 'www-authenticate': 'Bearer' }), auth(/401.*api_key/)],
  ['403', content(403, 'text/html', '<h1>Forbidden</h1>'), auth(/403.*api_key/)],
  [
    'a redirect',
    [head(307, { location: 'http://127.0.0.1:1/', 'content-length': '0' })],
    bad(/redirect.*307/),
  ],
  ['a redirect of 301', [head(301, { location: '/v2', 'content-length': '0' })], bad(/301.*base_url/)],
  ['304', [head(304)], bad(/304/)],
  ['no HTTP', [bytes('SSH-2.0-OpenSSH_9.2\r\n')], bad(/valid HTTP response/)],
  ['HTTP/0.9', [bytes('hello\n'), end], bad(/valid HTTP response/)],
  ['nothing and closes', [end], bad(/valid HTTP response/)],
  ['nothing and resets', [reset], bad(/valid HTTP response/)],
  ['half a head', [bytes('HTTP/1.1 200 OK\r\ncontent-ty'), end], bad(/valid HTTP response/)],
  ['a head of 20 KB', [head(200, { 'x-large': 'x'.repeat(20_000) }), end], bad(/valid HTTP response/)],
  [
    'two lengths',
    [bytes('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab')],
    bad(/valid HTTP response/),
  ],
  ['101', [head(101, { upgrade: 'websocket', connection: 'upgrade' })], bad(/protocols|valid HTTP response/)],
  [
    'a page of a proxy',
    content(502, 'text/html; charset=utf-8', '<h1>Bad Gateway</h1>'),
    bad(/HTML page.*502/),
  ],
  ['a page in another case', content(500, 'Text/HTML', '<h1>oops</h1>'), bad(/HTML page.*500/)],
  ['a status that does not exist', json(999, {}), bad(/999/)],
  ['407', json(407, {}), bad(/407/)],
  [
    'half a JSON answer',
    [head(200, { 'content-type': 'application/json', 'content-length': '99' }), bytes('{"id":'), end],
    bad(/before its response was complete/),
  ],
  [
    'half an error',
    [head(400, { 'content-type': 'application/json', 'content-length': '99' }), bytes('{"error":'), reset],
    bad(/before its response was complete/),
  ],
  [
    'a chunked answer without its end',
    [head(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }), chunk('{}'), end],
    bad(/before its response was complete/),
  ],
]

for (const [what, script, expected] of failures) {
  test(`a provider that answers ${what} is a gateway error of ${expected.status}`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(script)

    assertFailure(await exchange(t, gateway.url, ask), expected)
    const line = await gateway.logged({ code: expected.code })
    assert.equal(line['level'], 'ERROR')
    assert.equal(line['provider'], 'scripted')

    upstream.respond(json(200, { fine: true }))
    assert.equal((await exchange(t, gateway.url, ask)).status, 200)
  })
}

test('the same for a stream: a failure before its head is a status, not an event', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond([reset])
  assertFailure(await exchange(t, gateway.url, askStream), bad(/valid HTTP response/))
})

test('a redirect is not followed', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond([head(308, { location: `${upstream.url}/elsewhere`, 'content-length': '0' })])
  upstream.respond(json(200, {}))

  assert.equal((await exchange(t, gateway.url, ask)).status, 502)
  assert.equal(upstream.requests.length, 1)
})

const passed: readonly [string, number, string, string][] = [
  ['404 of its API', 404, 'application/json', '{"error":"no such file"}'],
  ['400 of JSON', 400, 'application/json', '{"error":"context too long"}'],
  ['422 of another shape', 422, 'application/json', '{"detail":[{"loc":["body"],"msg":"odd"}]}'],
  ['429', 429, 'application/json; charset=utf-8', '{"error":{"message":"slow down"}}'],
  ['500 without a body', 500, 'application/json', ''],
  ['503 of llama.cpp while it loads', 503, 'application/json', '{"error":{"code":503,"message":"Loading"}}'],
  ['529', 529, 'application/json', '{"type":"error"}'],
  ['400 of a megabyte', 400, 'application/json', `"${'x'.repeat(1_000_000)}"`],
]

for (const [what, status, type, body] of passed) {
  test(`a provider's own ${what} passes as it is`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(content(status, type, body))
    for (const request of [ask, askStream]) {
      const response = await exchange(t, gateway.url, request)
      assert.equal(response.status, status)
      assert.equal(response.header('content-type'), type)
      assert.equal(response.body().toString(), body)
      assert.equal(response.header('x-llm-gateway-error'), undefined)
      assert.equal(response.header('x-llm-gateway-provider'), 'scripted')
      assert.match(response.header('x-request-id') ?? '', /^req_/)
    }
  })
}

test('interim answers are passed over', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond([
    head(103, { link: '</x>' }),
    head(102),
    ...(json(200, { fine: true }) as Iterable<never>),
  ])
  assert.equal((await exchange(t, gateway.url, ask)).body().toString(), '{"fine":true}')
})

test('an error without end is no answer', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond([
    head(400, { 'content-type': 'application/json' }),
    ...Array.from({ length: 40 }, () => bytes('x'.repeat(65_536))),
    hang,
  ])
  assertFailure(await exchange(t, gateway.url, ask), bad(/400 with a body of more than/))
  assert.equal((await (await upstream.nextRequest()).outcome).kind, 'aborted')
})

test('a whole answer too large to be held that breaks off is cut for the client too', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond([
    head(200, { 'content-type': 'application/json', 'content-length': '2000000' }),
    bytes('x'.repeat(500_000)),
    reset,
  ])
  const response = await exchange(t, gateway.url, ask)
  assert.equal(response.status, 200)
  assert.equal(response.complete, false)
})

test('a whole answer too large to be held that ends too early is cut for the client too', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(
    stream(`{"data":"${'x'.repeat(500_000)}`, { contentType: 'application/json', splitAt: [300_000] }),
  )
  const response = await exchange(t, gateway.url, ask)
  assert.equal(response.complete, false)
  const line = await gateway.logged({ event: 'call' })
  assert.equal(line['code'], 'provider_bad_response')
})

test('sound that breaks off is cut for the client too', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond([streamHead({ 'content-type': 'audio/mpeg' }), chunk('abc'), end])
  const response = await exchange(
    t,
    gateway.url,
    rawRequest('POST /v1/audio/speech', {}, '{"model":"plain"}'),
  )
  assert.equal(response.complete, false)
})

test('a provider that is down is named, with the reason', async (t) => {
  const url = await refusingUrl(t)
  const { gateway } = await startGateway(t, {
    providers: { scripted: at({ url }), echo: { kind: 'echo' } },
    models: { plain: { provider: 'scripted' }, echo: { provider: 'echo' } },
  })

  const expected = { status: 502, code: 'provider_unreachable', message: /ECONNREFUSED/ }
  assertFailure(await exchange(t, gateway.url, ask), expected)

  const echo = rawRequest('POST /v1/chat/completions', {}, '{"model":"echo","messages":[{"content":"hi"}]}')
  assert.equal((await exchange(t, gateway.url, echo)).status, 200)
})

const slow: readonly [string, NonNullable<RawProvider['timeouts']>, Script, RegExp][] = [
  ['sends no byte', { first_byte_ms: 150 }, [hang], /no byte within 150 ms/],
  [
    'stops within its head',
    { first_byte_ms: 150 },
    [bytes('HTTP/1.1 200 OK\r\n'), hang],
    /no byte within 150 ms/,
  ],
  [
    'stops within a held answer',
    { idle_ms: 150 },
    [head(200, { 'content-type': 'application/json', 'content-length': '9' }), bytes('{'), hang],
    /silent for 150 ms/,
  ],
  ['takes too long in all', { total_ms: 150 }, [hang], /not finish within 150 ms/],
]

for (const [what, timeouts, script, message] of slow) {
  test(`a provider that ${what} is a 504, and its request ends`, async (t) => {
    const { gateway, upstream } = await startGateway(t, { providers: { scripted: { timeouts } } })
    upstream.respond(script)

    const response = await exchange(t, gateway.url, ask)

    assertFailure(response, { status: 504, code: 'provider_timeout', message })
    assert.equal((await (await upstream.nextRequest()).outcome).kind, 'aborted')
  })
}
