// What goes wrong on a connection with more than one request, or with half of one.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { connectRaw, exchange } from '../support/raw-client.ts'
import { chunk, hang, json, sse, streamHead } from '../support/upstream-script.ts'
import { chat, get } from './attack.ts'
import { startGateway } from '../support/app.ts'

test('requests in one packet are answered in order, each judged by itself', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(json(200, {}))
  const client = await connectRaw(t, gateway.url)
  client.send(
    Buffer.concat([
      chat(),
      get('/v1/models', { origin: 'https://evil.example' }),
      get('/healthz', { host: 'evil.example' }),
      get('/nothing'),
      chat(),
    ]),
  )
  const statuses = []
  for (let count = 0; count < 5; count++) statuses.push((await client.response()).status)
  assert.deepEqual(statuses, [200, 403, 403, 404, 200])
  assert.equal(upstream.requests.length, 2)
})

test('what follows a refused body is no request', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const client = await connectRaw(t, gateway.url)
  client.send(Buffer.concat([chat({ origin: 'https://evil.example' }), chat()]))
  assert.equal((await client.response()).status, 403)
  client.endSending()
  await client.ended
  assert.equal(client.received().toString().split('HTTP/1.1').length, 2)
  assert.equal(upstream.requests.length, 0)
})

test('a body is not asked for while the head is refused', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const client = await connectRaw(t, gateway.url)
  const [head] = chat({ origin: 'null', expect: '100-continue' }).toString().split('{')
  client.send(head!)
  assert.equal((await client.response()).status, 403)
  assert.doesNotMatch(client.received().toString(), /100 Continue/)
  assert.equal(upstream.requests.length, 0)
})

for (const how of ['close', 'reset'] as const) {
  test(`a client that leaves within its body (${how}) costs nothing, and is no fault`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const client = await connectRaw(t, gateway.url)
    client.send(chat({ 'content-length': '9999' }))
    // The same connection has been read when another one is served.
    await exchange(t, gateway.url, get('/healthz'))
    client.leave(how)
    await gateway.logged({ code: 'invalid_request' })
    assert.equal(upstream.requests.length, 0)
    assert.ok(gateway.log().every((line) => line['level'] !== 'ERROR' || line['event'] !== 'internal_error'))
  })
}

test('garbage behind a call that streams ends the call, and nothing is written into the stream', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond([streamHead(), chunk('data: {"choices":[]}\n\n'), hang])
  const client = await connectRaw(t, gateway.url)
  client.send(chat({}, '{"model":"plain","stream":true}'))
  await client.seen('choices')
  client.send('\x00 HTTP\r\n\r\n')
  await client.ended
  assert.doesNotMatch(client.received().toString(), /400 Bad Request/)
  assert.equal((await (await upstream.nextRequest()).outcome).kind, 'aborted')
})

test('a second call behind one that streams waits its turn', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(sse(['{"choices":[]}', '[DONE]']))
  upstream.respond(json(200, {}))
  const client = await connectRaw(t, gateway.url)
  client.send(Buffer.concat([chat({}, '{"model":"plain","stream":true}'), chat()]))
  assert.match((await client.response()).body().toString(), /\[DONE\]/)
  assert.equal((await client.response()).body().toString(), '{}')
})
