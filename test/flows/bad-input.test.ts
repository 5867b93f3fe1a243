// Requests that can't be served: each with its status, code, message and headers, and the gateway lives on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import type { RawResponse } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'
import { type Running, startGateway } from '../support/app.ts'

interface Expected {
  readonly status: number
  readonly code: string
  readonly message: RegExp
  readonly param?: string | null
}

/** Holds an error answer of the gateway against everything that each has. */
function assertGatewayError(response: RawResponse, { status, code, message, param = null }: Expected): void {
  const text = response.body().toString()
  assert.equal(response.status, status, text)
  assert.ok(response.complete)
  assert.match(response.header('content-type') ?? '', /^application\/json/)
  assert.equal(response.header('x-llm-gateway-error'), code)
  assert.match(response.header('x-request-id') ?? '', /^req_[0-9a-f-]{36}$/)
  assert.equal(response.header('x-content-type-options'), 'nosniff')
  const { error } = JSON.parse(text)
  assert.deepEqual(Object.keys(error), ['message', 'type', 'param', 'code'])
  assert.equal(error.code, code)
  assert.equal(error.param, param)
  assert.match(error.message, message)
}

/** No request was made so far, and the next good one is served. */
async function assertUnharmed(t: TestContext, { gateway, upstream }: Running): Promise<void> {
  assert.equal(upstream.connections, 0)
  upstream.respond(json(200, { fine: true }))
  const good = await exchange(t, gateway.url, rawRequest('POST /v1/completions', {}, '{"model":"plain"}'))
  assert.equal(good.body().toString(), '{"fine":true}')
}

const chat = 'POST /v1/chat/completions'

type Sent = Buffer | string
const invalid = (message: RegExp, param: string | null = null): Expected => ({
  status: 400,
  code: 'invalid_request',
  message,
  param,
})

const jsonBodies: readonly [string, Sent, Expected][] = [
  ['no byte', '', invalid(/body is empty/)],
  ['only white space', ' \n', invalid(/empty|JSON/)],
  ['broken JSON', '{"model":"plain",', invalid(/ends too early.*byte 17/)],
  ['JSON with a trailing comma', '{"model":"plain",}', invalid(/member name.*byte 17/)],
  ['something after the JSON', '{"model":"plain"}x', invalid(/follows.*byte 17/)],
  ['a byte order mark', '\ufeff{"model":"plain"}', invalid(/byte order mark/)],
  ['an array', '[{"model":"plain"}]', invalid(/object/)],
  ['UTF-16', Buffer.from('{"model":"plain"}', 'utf16le'), invalid(/byte 1\b/)],
  ['a raw control character', '{"model":"pla\u0001in"}', invalid(/control character/)],
  ['no model', '{"messages":[]}', invalid(/no "model"/, 'model')],
  ['a model deeper down only', '{"a":{"model":"plain"}}', invalid(/no "model"/, 'model')],
  ['a model that is a number', '{"model":7}', invalid(/string/, 'model')],
  ['a model that is null', '{"model":null}', invalid(/string/, 'model')],
  ['a model that is a list', '{"model":["plain"]}', invalid(/string/, 'model')],
  ['an empty model', '{"model":""}', invalid(/empty/, 'model')],
  ['a model of half a character', '{"model":"\\ud83d"}', invalid(/Unicode/, 'model')],
  ['a model that is no UTF-8', Buffer.from('{"model":"\xff"}', 'latin1'), invalid(/Unicode/, 'model')],
  ['a very long model', `{"model":"${'m'.repeat(300)}"}`, invalid(/256 characters/, 'model')],
  ['very deep nesting', `{"model":"plain","x":${'['.repeat(200_000)}`, invalid(/nested deeper/)],
]

const notFound = (message: RegExp): Expected => ({
  status: 404,
  code: 'model_not_found',
  message,
  param: 'model',
})

for (const [what, body, expected] of [
  ...jsonBodies,
  ['an unknown model', '{"model":"gpt-9"}', notFound(/"gpt-9".*GET \/v1\/models/)],
  ['a mistyped model', '{"model":"lama3.1:8b"}', notFound(/Did you mean "llama3.1:8b"/)],
  ['a model in another case', '{"model":"Plain"}', notFound(/Did you mean "plain"/)],
  ['a model named like a property', '{"model":"__proto__"}', notFound(/__proto__/)],
  ['a model named like a method', '{"model":"constructor"}', notFound(/constructor/)],
  ['a wildcard’s own name', '{"model":"open/"}', notFound(/open\//)],
] as const) {
  test(`a body with ${what} is answered ${expected.status}`, async (t) => {
    const wired = await startGateway(t)
    assertGatewayError(await exchange(t, wired.gateway.url, rawRequest(chat, {}, body)), expected)
    await assertUnharmed(t, wired)
  })
}

test('what a client writes is escaped in the log', async (t) => {
  const { gateway } = await startGateway(t)
  const model = 'x\\n{\\"event\\":\\"forged\\"}\\u001b[2J'
  await exchange(t, gateway.url, rawRequest(chat, {}, `{"model":"${model}"}`))

  const line = await gateway.logged({ event: 'model_not_found', status: 404 })
  assert.equal(line['model'], JSON.parse(`"${model}"`))
  assert.equal(gateway.log().filter((each) => each['event'] === 'forged').length, 0)
})

const tooLarge: Expected = {
  status: 413,
  code: 'request_too_large',
  message: /33554432 bytes.*server\.max_request_body_bytes/,
}

const mebibytes33 = Buffer.alloc(33 * 1024 * 1024, ' ')

test('a body of 33 MiB is refused by its content-length, and its sender gets to see that', async (t) => {
  const wired = await startGateway(t)
  assertGatewayError(await exchange(t, wired.gateway.url, rawRequest(chat, {}, mebibytes33)), tooLarge)
  await assertUnharmed(t, wired)
})

test('a content-length that is too large is refused before the body is sent', async (t) => {
  const wired = await startGateway(t)
  const head = rawRequest(chat, { 'content-length': '34603008', 'content-type': 'application/json' })
  assertGatewayError(await exchange(t, wired.gateway.url, head), tooLarge)
  await assertUnharmed(t, wired)
})

test('a body of 33 MiB that comes in chunks is refused', async (t) => {
  const wired = await startGateway(t)
  const client = await connectRaw(t, wired.gateway.url)
  const framing = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
  client.send(rawRequest(chat, framing))
  const size = 1024 * 1024
  for (let at = 0; at < mebibytes33.length; at += size) {
    client.send(`${size.toString(16)}\r\n`)
    client.send(mebibytes33.subarray(at, at + size))
    client.send('\r\n')
  }
  client.send('0\r\n\r\n')
  assertGatewayError(await client.response(), tooLarge)
  await assertUnharmed(t, wired)
})

test('a body of 32 MiB is served', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(json(200, {}))
  const body = Buffer.alloc(32 * 1024 * 1024, ' ')
  body.write('{"model":"plain"}', body.length - 17)

  assert.equal((await exchange(t, gateway.url, rawRequest(chat, {}, body))).status, 200)
  assert.ok((await upstream.nextRequest()).body.equals(body))
})

const unsupported = (message: RegExp): Expected => ({
  status: 415,
  code: 'unsupported_media_type',
  message,
})

const mediaTypes: readonly [string, Readonly<Record<string, string | undefined>>, Expected][] = [
  ['text/plain', { 'content-type': 'text/plain' }, unsupported(/application\/json.*"text\/plain"/)],
  ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, unsupported(/application\/json/)],
  ['multipart', { 'content-type': 'multipart/form-data; boundary=x' }, unsupported(/application\/json/)],
  ['no media type', { 'content-type': undefined, referer: 'http://localhost/' }, unsupported(/none/)],
  ['another charset', { 'content-type': 'application/json; charset=utf-16' }, unsupported(/utf-8/)],
  ['a look-alike', { 'content-type': 'application/jsonx' }, unsupported(/application\/json/)],
  [
    'two content codings',
    { 'content-encoding': 'gzip, br' },
    { ...unsupported(/content-encoding/), param: 'content-encoding' },
  ],
]

for (const [what, headers, expected] of mediaTypes) {
  test(`a chat body with ${what} is answered 415`, async (t) => {
    const wired = await startGateway(t)
    const request = rawRequest(chat, headers, '{"model":"plain"}')
    assertGatewayError(await exchange(t, wired.gateway.url, request), expected)
    await assertUnharmed(t, wired)
  })
}

test('application/json is taken with a charset of utf-8 and in any case', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(json(200, {}))
  for (const type of ['application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"']) {
    const request = rawRequest(chat, { 'content-type': type }, '{"model":"plain"}')
    assert.equal((await exchange(t, gateway.url, request)).status, 200, type)
  }
})

const boundary = 'multipart/form-data; boundary=b'
const file = '--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nsound\r\n'
const model = '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nplain\r\n'

const multipartBodies: readonly [string, string, Sent, Expected][] = [
  ['no byte', boundary, '', invalid(/multipart/)],
  ['no boundary', 'multipart/form-data', `${model}--b--\r\n`, invalid(/boundary/, 'content-type')],
  ['another boundary', 'multipart/form-data; boundary=c', `${model}--b--\r\n`, invalid(/multipart/)],
  ['no end', boundary, file + model, invalid(/multipart/)],
  ['a part that is cut', boundary, file.slice(0, 30), invalid(/multipart/)],
  ['no model', boundary, `${file}--b--\r\n`, invalid(/no "model" part/, 'model')],
  ['two models', boundary, `${model}${file}${model}--b--\r\n`, invalid(/multipart/, 'model')],
  ['an unknown model', boundary, `${model.replace('plain', 'gpt-9')}--b--\r\n`, notFound(/"gpt-9"/)],
]

for (const [what, type, body, expected] of multipartBodies) {
  test(`a multipart body with ${what} is answered ${expected.status}`, async (t) => {
    const wired = await startGateway(t)
    const request = rawRequest('POST /v1/audio/transcriptions', { 'content-type': type }, body)
    assertGatewayError(await exchange(t, wired.gateway.url, request), expected)
    await assertUnharmed(t, wired)
  })
}

test('JSON on a route that takes multipart is answered 415', async (t) => {
  const wired = await startGateway(t)
  const request = rawRequest('POST /v1/images/variations', {}, '{"model":"plain"}')
  assertGatewayError(await exchange(t, wired.gateway.url, request), unsupported(/multipart\/form-data/))
  await assertUnharmed(t, wired)
})

const methods: readonly [string, string][] = [
  ['GET /v1/chat/completions', 'POST'],
  ['DELETE /v1/chat/completions', 'POST'],
  ['PUT /embeddings', 'POST'],
  ['POST /v1/models', 'GET, HEAD'],
  ['DELETE /v1/models/llama3.1:8b', 'GET, HEAD'],
  ['DELETE /v1/models/open%2Fx', 'GET, HEAD'],
  ['POST /healthz', 'GET, HEAD'],
  ['GET /v1/chat/completions?x=1', 'POST'],
  ['GET /v1/chat/completions/', 'POST'],
  ['GET /v1/v1/embeddings', 'POST'],
  ['GET /openai/deployments/a%2Fb/chat/completions', 'POST'],
  ['DELETE /', 'GET, HEAD'],
]

for (const [line, allow] of methods) {
  test(`${line} is answered 405 with what is allowed`, async (t) => {
    const wired = await startGateway(t)
    const response = await exchange(t, wired.gateway.url, rawRequest(line as 'GET /'))
    const message = new RegExp(`${allow}, not ${line.split(' ')[0]}`)
    assertGatewayError(response, { status: 405, code: 'method_not_allowed', message })
    assert.equal(response.header('allow'), allow)
    await assertUnharmed(t, wired)
  })
}

const paths = [
  'POST /v1/chat/completion',
  'POST /v2/chat/completions',
  'GET /v1/%2e%2e/healthz',
  'GET /metrics-and-more',
  'GET /v1/files',
  'GET /<script>',
  'POST /v1/responses/resp_1/cancel',
]

for (const line of paths) {
  test(`${line} is answered 404`, async (t) => {
    const wired = await startGateway(t)
    const response = await exchange(t, wired.gateway.url, rawRequest(line as 'GET /'))
    assertGatewayError(response, {
      status: 404,
      code: 'unknown_url',
      message: new RegExp(`: ${line.split(' ')[0]} "`),
    })
    await assertUnharmed(t, wired)
  })
}

for (const path of ['/%', '/v1/models/%zz', '/v1/models/%ff']) {
  test(`the malformed path ${path} is answered 400`, async (t) => {
    const wired = await startGateway(t)
    const response = await exchange(t, wired.gateway.url, rawRequest(`GET ${path}`))
    assertGatewayError(response, invalid(/percent-encod/))
    await assertUnharmed(t, wired)
  })
}

test('a body on an unknown path is not waited for', async (t) => {
  const wired = await startGateway(t)
  const head = rawRequest('POST /v1/nothing', { 'content-length': '1000', 'content-type': 'text/plain' })
  const response = await exchange(t, wired.gateway.url, head)
  assertGatewayError(response, { status: 404, code: 'unknown_url', message: /\/v1\/nothing/ })
  assert.equal(response.header('connection'), 'close')
})

const garbage: readonly [string, string, number][] = [
  ['no HTTP', 'hello\r\n\r\n', 400],
  ['TLS', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003', 400],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
]

for (const [what, bytes, status] of garbage) {
  test(`a connection that speaks ${what} gets a status and its end`, async (t) => {
    const wired = await startGateway(t)
    const client = await connectRaw(t, wired.gateway.url)
    client.send(Buffer.from(bytes, 'latin1'))
    assert.equal((await client.response()).status, status)
    await client.ended
    await assertUnharmed(t, wired)
  })
}
