// Requests that are sent before the answer to an earlier one: none is served behind an answer that closes the
// connection (RFC 9112 §9.6). What a client that reads no answer costs: unread-answers.system.ts.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { connectRaw, exchange, type RawClient, rawRequest } from '../support/raw-client.ts'
import { delta } from '../support/chat-content.ts'
import { after, chunk, hang, json, streamHead } from '../support/upstream-script.ts'
import { chat, chatBody, get } from './attack.ts'
import { startGateway } from '../support/app.ts'

const closing: [name: string, status: number, sends: Buffer | string][] = [
  ['a Host that is not served', 403, chat({ host: 'evil.example' })],
  ['two Hosts', 400, chat({ host: 'localhost\r\nhost: localhost' })],
  ['a foreign origin', 403, chat({ origin: 'http://evil.example' })],
  ['a foreign target', 400, rawRequest('POST http://evil.example/v1/chat/completions', {}, chatBody)],
  ['a content coding', 415, chat({ 'content-encoding': 'gzip, br' })],
  ['an expectation', 417, chat({ expect: 'a-miracle' })],
  ['an upgrade that is ignored', 200, get('/healthz', { connection: 'upgrade', upgrade: 'h2c' })],
  ['a WebSocket', 426, get('/v1/responses', { connection: 'upgrade', upgrade: 'websocket' })],
  [
    'a transfer coding',
    400,
    chat({ 'content-length': undefined, 'transfer-encoding': 'gzip, chunked' }, '0\r\n\r\n'),
  ],
  ['a GET with a body', 400, rawRequest('GET /v1/models', {}, '{}')],
  ['a body that is too large by its length', 413, chat({}, ' '.repeat(3_000))],
  [
    'a body in chunks that is too large',
    413,
    chat(
      { 'content-length': undefined, 'transfer-encoding': 'chunked' },
      `bb8\r\n${' '.repeat(3_000)}\r\n0\r\n\r\n`,
    ),
  ],
  [
    'chunks with blank lines, and trailers',
    413,
    chat(
      { 'content-length': undefined, 'transfer-encoding': 'chunked' },
      `bb8\r\n${'\r\n'.repeat(1_500)}\r\n0\r\nx: y\r\n\r\n`,
    ),
  ],
  ['a media type', 415, chat({ 'content-type': 'text/plain' })],
  ['a charset', 415, chat({ 'content-type': 'application/json; charset=utf-7' })],
  ['a body for a path that does not exist', 404, rawRequest('POST /nowhere', {}, '{}')],
  ['a body for a method that is not served', 405, rawRequest('DELETE /v1/models', {}, '{}')],
  ['a path that is no UTF-8', 400, rawRequest('POST /%ff', {}, '{}')],
  ['a method that wants a body', 405, rawRequest('QUERY /v1/models', {}, '{}')],
  ['no HTTP', 400, '\x00\r\n\r\n'],
  ['two lengths', 400, chat({ 'content-length': '2\r\ncontent-length: 3' }, '{}')],
  ['CONNECT', 405, rawRequest('CONNECT localhost:80')],
  ['a wish to close', 200, get('/healthz', { connection: 'close' })],
  ['a wish to close, with a body', 400, chat({ connection: 'close' }, '{}')],
  ['HTTP/1.0', 200, 'GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n'],
]

const strict = { server: { max_request_body_bytes: 2000 } }

function responsesIn(client: RawClient): number {
  return (
    client
      .received()
      .toString()
      .split(/HTTP\/1\.1 \d{3} /).length - 1
  )
}

suite('Nothing is served behind', () => {
  for (const [name, status, sends] of closing) {
    test(`${name} → ${status}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, strict)
      upstream.respondAlways(json(200, {}))
      const client = await connectRaw(t, gateway.url)
      client.send(Buffer.concat([Buffer.from(sends as string), chat({ 'x-request-id': 'second' })]))
      assert.equal((await client.response()).status, status, client.received().toString())
      await client.ended
      assert.equal(responsesIn(client), 1)
      // A further call has passed all that a second one would have gone through.
      assert.equal((await exchange(t, gateway.url, chat({ 'x-request-id': 'other' }))).status, 200)
      await gateway.logged({ event: 'call', model: 'plain' })
      assert.equal(upstream.requests.length, 1)
      assert.equal(gateway.log().filter(({ model }) => model === 'plain').length, 1)
    })
  }

  test('a refusal by the flood limit → 429', async (t) => {
    const { gateway, upstream } = await startGateway(t, { rate_limit_settings: { per_client: { rpm: 1 } } })
    upstream.respondAlways(json(200, {}))
    assert.equal((await exchange(t, gateway.url, chat())).status, 200)
    const client = await connectRaw(t, gateway.url)
    client.send(Buffer.concat([chat(), chat()]))
    assert.equal((await client.response()).status, 429)
    await client.ended
    assert.equal(responsesIn(client), 1)
    assert.equal(gateway.log().filter(({ code }) => code === 'rate_limit_exceeded').length, 1)
  })

  test('the last answer of a gateway that shuts down', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const held = Promise.withResolvers<void>()
    upstream.respond(after(held.promise, json(200, {})))
    const client = await connectRaw(t, gateway.url)
    client.send(Buffer.concat([chat(), chat()]))
    await upstream.nextRequest()
    const stopped = gateway.stop()
    held.resolve()
    assert.equal((await client.response()).status, 200)
    await client.ended
    await stopped
    assert.equal(upstream.requests.length, 1)
  })
})

suite('Requests that come at once', () => {
  test('are served one after the other, in whatever pieces they come', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, { ok: true }))
    const chunked = { 'content-length': undefined, 'transfer-encoding': 'chunked' }
    const inChunks = `${chatBody.length.toString(16)}\r\n${chatBody}\r\n0\r\nx: y\r\n\r\n`
    const all = Buffer.concat([
      chat(),
      get('/healthz'),
      chat(chunked, inChunks),
      Buffer.from('\r\n'),
      chat(),
      get('/nowhere'),
    ])
    for (const size of [1, 2, 3, 5, 64, 1_000, all.length]) {
      const client = await connectRaw(t, gateway.url)
      for (let at = 0; at < all.length; at += size) {
        client.send(all.subarray(at, at + size))
        if (size < 64) await new Promise((resolve) => setImmediate(resolve))
      }
      for (const status of [200, 200, 200, 200, 404]) {
        assert.equal((await client.response()).status, status, `pieces of ${size}`)
      }
      client.leave()
    }
    assert.equal(upstream.requests.length, 21)
  })

  test('wait for the one before them', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const held = Promise.withResolvers<void>()
    upstream.respond(after(held.promise, json(200, { first: true })))
    upstream.respond(json(200, { second: true }))
    const client = await connectRaw(t, gateway.url)
    client.send(Buffer.concat([chat(), chat()]))
    await upstream.nextRequest()
    assert.equal((await exchange(t, gateway.url, get('/healthz'))).status, 200)
    assert.equal(upstream.requests.length, 1)
    held.resolve()
    assert.match((await client.response()).body().toString(), /first/)
    assert.match((await client.response()).body().toString(), /second/)
  })

  test('have the same bodies after they waited', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const held = Promise.withResolvers<void>()
    upstream.respond(after(held.promise, json(200, {})))
    upstream.respondAlways(json(200, {}))
    const chunked = { 'content-length': undefined, 'transfer-encoding': 'chunked' }
    const long = JSON.stringify({ model: 'plain', text: 'x'.repeat(300_000) })
    const inChunks = (text: string) =>
      `${Array.from(text, (character) => `1\r\n${character}\r\n`).join('')}0\r\n\r\n`
    const client = await connectRaw(t, gateway.url)
    client.send(chat())
    await upstream.nextRequest()
    client.send(
      Buffer.concat([
        chat(chunked, inChunks(chatBody)),
        chat({}, chatBody),
        chat({}, long),
        chat(chunked, `${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`),
        chat(chunked, inChunks('')),
      ]),
    )
    assert.equal((await exchange(t, gateway.url, get('/healthz'))).status, 200)
    held.resolve()
    for (const status of [200, 200, 200, 200, 200, 400]) {
      assert.equal((await client.response()).status, status)
    }
    const bodies = upstream.requests.map(({ body }) => body.toString())
    assert.deepEqual(bodies, [chatBody, chatBody, chatBody, long, long])
  })

  test('are served up to a bound, beyond which a 400 names it and the connection ends', async (t) => {
    const { gateway } = await startGateway(t)
    const client = await connectRaw(t, gateway.url)
    client.send(Buffer.concat(Array.from({ length: 33 }, () => get('/healthz'))))
    for (let count = 0; count < 33; count += 1) assert.equal((await client.response()).status, 200)
    client.send(Buffer.concat(Array.from({ length: 200 }, () => get('/healthz'))))
    let last = await client.response()
    while (last.status === 200) last = await client.response()
    assert.equal(last.status, 400)
    assert.equal(last.header('connection'), 'close')
    assert.match(last.body().toString(), /More than 32 requests/)
    await client.ended
    assert.equal(responsesIn(client) <= 33 + 33 + 1, true)
    await gateway.logged({ event: 'invalid_request' })
  })

  test('beyond that bound, behind a call without a response, end the call with that 400', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond([hang])
    const client = await connectRaw(t, gateway.url)
    client.send(chat())
    const call = await upstream.nextRequest()
    client.send(Buffer.concat(Array.from({ length: 40 }, () => get('/healthz'))))

    const response = await client.response()

    assert.equal(response.status, 400)
    assert.match(response.body().toString(), /More than 32 requests/)
    await client.ended
    assert.equal(responsesIn(client), 1)
    assert.equal((await call.outcome).kind, 'aborted')
  })

  test('beyond that bound, behind a response that is being sent, leave no text in it', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond([streamHead(), chunk(`data: ${delta('one')}\n\n`), hang])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","messages":[],"stream":true}'))
    await client.seen('one')
    client.send(Buffer.concat(Array.from({ length: 40 }, () => get('/healthz'))))

    await client.ended

    assert.equal(responsesIn(client), 1)
    assert.equal(client.received().includes('More than 32 requests'), false)
    await gateway.logged({ event: 'invalid_request' })
  })

  test('of a client that leaves end with the first', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond([hang])
    const client = await connectRaw(t, gateway.url)
    client.send(Buffer.concat([chat(), chat()]))
    const first = await upstream.nextRequest()
    client.leave()
    assert.equal((await first.outcome).kind, 'aborted')
    assert.equal((await exchange(t, gateway.url, get('/healthz'))).status, 200)
    assert.equal(upstream.requests.length, 1)
  })
})
