// Bytes that a JSON library would change on the way pass as they are; only a renamed model's name is replaced.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { exchange, rawRequest } from '../support/raw-client.ts'
import { content, json } from '../support/upstream-script.ts'
import { startGateway } from '../support/app.ts'
import { providerModel } from '../support/gateway-config.ts'

const chat = 'POST /v1/chat/completions'

/** Each with the place of the model's name; the rest stays as it is. */
const bodies: Readonly<Record<string, (model: string) => Buffer>> = {
  'integers of 64 bits and beyond': (model) =>
    Buffer.from(`{"model":"${model}","seed":9223372036854775807,"logit_bias":{"1":-18446744073709551616}}`),
  'numbers written in other ways': (model) =>
    Buffer.from(
      `{"temperature":1.0,"top_p":1e2,"n":1E+0,"x":-0,"y":0.10000000000000000001,"model":"${model}"}`,
    ),
  'numbers too large for a double': (model) => Buffer.from(`{"model":"${model}","x":1e999,"y":-1e-999}`),
  'the order of the keys': (model) =>
    Buffer.from(`{"z":1,"10":2,"1":3,"model":"${model}","a":{"y":1,"x":2}}`),
  'odd white space': (model) =>
    Buffer.from(` \r\n\t{ "messages"\n:\t[ ] ,\r\n\r\n"model" : "${model}"\t}\n\n  `),
  'escapes that need none': (model) =>
    Buffer.from(`{"model":"${model}","messages":[{"content":"\\u0041\\/\\u00e9\\n\\ud83d\\ude42 ü\u2028"}]}`),
  'halves of surrogate pairs': (model) =>
    Buffer.from(`{"model":"${model}","messages":[{"content":"\\ud83d and \\ude42"}]}`),
  'bytes that are no UTF-8': (model) =>
    Buffer.concat([
      Buffer.from(`{"model":"${model}","messages":[{"content":"`),
      Buffer.of(0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0xc0, 0xaf),
      Buffer.from('"}]}'),
    ]),
  'duplicates of keys that decide nothing': (model) =>
    Buffer.from(
      `{"user":"a","model":"${model}","user":"b","metadata":{"model":"x","model":"y","Stream":true}}`,
    ),
  'unknown and dangerous-looking keys': (model) =>
    Buffer.from(`{"__proto__":{"model":"x"},"constructor":1,"":0,"model":"${model}","api_base":"http://x/"}`),
  'a long name of escapes': (model) => Buffer.from(`{"${'\\u0061'.repeat(500)}":1,"model":"${model}"}`),
}

for (const [what, bodyWith] of Object.entries(bodies)) {
  test(`${what} reach the provider as they were sent`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, {}))

    const response = await exchange(t, gateway.url, rawRequest(chat, {}, bodyWith('plain')))
    await exchange(t, gateway.url, rawRequest(chat, {}, bodyWith('renamed')))

    assert.equal(response.status, 200, response.body().toString())
    assert.deepEqual((await upstream.nextRequest()).body, bodyWith('plain'))
    assert.deepEqual((await upstream.nextRequest()).body, bodyWith(providerModel))
  })
}

test('a model whose name is written with escapes is found by what it means', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(json(200, {}))
  const written = '"\\u0070lain"'
  const renamed = '"rename\\u0064"'

  await exchange(t, gateway.url, rawRequest(chat, {}, `{"model":${written}}`))
  await exchange(t, gateway.url, rawRequest(chat, {}, `{"mod\\u0065l":${renamed},"x":1.0}`))

  assert.equal((await upstream.nextRequest()).body.toString(), `{"model":${written}}`)
  const expected = `{"mod\\u0065l":${JSON.stringify(providerModel)},"x":1.0}`
  assert.equal((await upstream.nextRequest()).body.toString(), expected)
})

test('what a client asks for behind a wildcard is written as a JSON string', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(json(200, {}))

  await exchange(
    t,
    gateway.url,
    rawRequest(chat, {}, '{"model":"open/a\\",\\"stream\\":true,\\"$&:\\u0007é"}'),
  )

  const { body } = await upstream.nextRequest()
  assert.deepEqual(JSON.parse(body.toString()), { model: 'a","stream":true,"$&:\u0007é' })
})

test('a body that comes in chunks goes on whole', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(json(200, {}))
  const head = 'POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n'
  const chunks = '10\r\n{"model":"plain"\r\n9;ext=1\r\n,"x":1.0}\r\n0\r\nx-trailer: 1\r\n\r\n'

  await exchange(t, gateway.url, `${head}transfer-encoding: chunked\r\n\r\n${chunks}`)

  const request = await upstream.nextRequest()
  assert.equal(request.body.toString(), '{"model":"plain","x":1.0}')
  assert.equal(request.header('content-length'), '25')
  assert.equal(request.header('x-trailer'), undefined)
})

test('a client that waits for 100-continue is asked for its body and answered', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(json(200, { ok: 1 }))
  const request = rawRequest(chat, { expect: '100-continue' }, '{"model":"plain"}')

  const first = await exchange(t, gateway.url, request)

  assert.equal(first.status, 100)
  assert.equal((await upstream.nextRequest()).body.toString(), '{"model":"plain"}')
})

const answers: Readonly<Record<string, Buffer>> = {
  'numbers and spaces': Buffer.from('{ "created":1.0, "id":9223372036854775807 ,"x":1e2}\n'),
  'bytes that are no UTF-8': Buffer.concat([Buffer.from('{"x":"'), Buffer.of(0xff, 0x00), Buffer.from('"}')]),
  'more than is held': Buffer.from(`{"x":"${'é'.repeat(400_000)}"}`),
}

for (const [what, body] of Object.entries(answers)) {
  test(`an answer with ${what} reaches the client as it was sent`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(content(200, 'application/json', body))

    const response = await exchange(t, gateway.url, rawRequest(chat, {}, '{"model":"renamed"}'))

    assert.equal(response.status, 200)
    assert.ok(response.body().equals(body))
    assert.equal(response.header('content-length'), String(body.length))
  })
}

const ambiguous = [
  '{"model":"plain","model":"renamed"}',
  '{"model":"plain","model":"plain"}',
  '{"model":"plain","mod\\u0065l":"renamed"}',
  '{"Model":"renamed","model":"plain"}',
  '{"model":"plain","MODEL":"renamed"}',
  '{"MODEL":"renamed"}',
  '{"model":"plain","stream":false,"stream":true}',
  '{"model":"plain","Stream":true}',
  '{"model":"plain","\u017ftream":true}',
  '{"model":"plain","max_tokens":1,"max_tokens":100000}',
  '{"model":"plain","max_tokens":1,"Max_Tokens":100000}',
  '{"model":"plain","max_to\u212aens":100000}',
  '{"model":"plain","max_completion_tokens":1,"max_completion_tokens":2}',
  '{"model":"plain","MAX_COMPLETION_TOKENS":2}',
  '{"model":"plain","max_output_tokens":1,"max_output_tokens":2}',
  '{"model":"plain","max_Output_tokens":2}',
]

test('keys that two readers could read differently are refused before any request is made', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  for (const body of ambiguous) {
    const response = await exchange(t, gateway.url, rawRequest(chat, {}, body))

    assert.equal(response.status, 400, body)
    const { error } = JSON.parse(response.body().toString())
    assert.equal(error.code, 'invalid_request', body)
    assert.match(error.param, /^(model|stream|max_(completion_|output_)?tokens)$/, body)
  }
  assert.equal(upstream.connections, 0)
})
