// Reported by Python's clients and command lines: media types, queries, expectations, caches, forms.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'

const chatPath = 'POST /v1/chat/completions'
const body = '{"model":"plain","messages":[]}'

suite('Python’s clients and command lines', () => {
  test('a body that is announced is not asked for when it would be refused', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const announced = { expect: '100-continue', 'content-length': '5000000' }
    const refused = [
      [chatPath, { ...announced, 'content-type': 'text/plain' }, 415],
      ['POST /v1/nowhere', { ...announced, 'content-type': 'application/json' }, 404],
      ['PUT /v1/chat/completions', { ...announced, 'content-type': 'application/json' }, 405],
      ['POST /v1/models', { ...announced, 'content-type': 'application/json' }, 405],
    ] as const
    for (const [line, headers, status] of refused) {
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest(line, headers))
      assert.equal((await client.response()).status, status, line)
      assert.doesNotMatch(client.received().toString(), /HTTP\/1\.1 100/)
    }
    assert.equal(upstream.connections, 0)
  })

  test('a body that is announced is asked for when the call is served', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, {}))
    const headers = { expect: '100-continue', 'content-length': String(body.length) }
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest(chatPath, { ...headers, 'content-type': 'application/json' }))
    assert.equal((await client.response()).status, 100)
    client.send(body)
    assert.equal((await client.response()).status, 200)
  })

  test('the gateway’s own answers are not to be stored by a cache', async (t) => {
    const { gateway } = await startGateway(t)
    for (const [line, status] of [
      ['GET /v1/models', 200],
      ['HEAD /v1/models', 200],
      ['GET /v1/models/plain', 200],
      ['GET /v1/limits', 200],
      ['GET /healthz', 200],
      ['GET /readyz', 200],
      ['GET /v1/nowhere', 404],
      ['GET /v1/chat/completions', 405],
      ['GET /v1//models', 400],
      ['CONNECT localhost:1', 405],
    ] as const) {
      const response = await exchange(t, gateway.url, rawRequest(line))
      assert.equal(response.status, status, line)
      assert.equal(response.header('cache-control'), 'no-store', line)
    }
  })

  test('a JSON body without a content type is served, as requests sends a string', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, {}))
    const headers = { 'content-type': undefined, 'user-agent': 'python-requests/2.34.2', accept: '*/*' }

    const response = await exchange(t, gateway.url, rawRequest(chatPath, headers, body))

    assert.equal(response.status, 200)
    const request = await upstream.nextRequest()
    assert.equal(request.header('content-type'), 'application/json')
    assert.equal(request.body.toString(), body)
  })

  for (const [what, type] of [
    ['curl -d', 'application/x-www-form-urlencoded'],
    ['a text', 'text/plain'],
  ] as const) {
    test(`${what} is refused with the header to send`, async (t) => {
      const { gateway, upstream } = await startGateway(t)

      const response = await exchange(t, gateway.url, rawRequest(chatPath, { 'content-type': type }, body))

      assert.equal(response.status, 415)
      assert.match(response.body().toString(), /Send the header \\"content-type: application\/json\\"/)
      assert.equal(upstream.connections, 0)
    })
  }

  test('a GET with a body is refused with what to do', async (t) => {
    const { gateway } = await startGateway(t)
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/models', {}, '{}'))
    assert.equal(response.status, 400)
    assert.match(response.body().toString(), /Send it without one, or with POST/)
  })

  test('the content type of a form reaches the provider as it came', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, { text: 'hi' }))
    const form =
      '--X\r\ncontent-disposition: form-data; name="model"\r\n\r\nplain\r\n' +
      '--X\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--X--\r\n'
    for (const type of [
      'multipart/form-data; boundary=X',
      'multipart/form-data; boundary="X"',
      'Multipart/Form-Data;charset=utf-8;boundary=X',
    ]) {
      const request = rawRequest('POST /v1/audio/transcriptions', { 'content-type': type }, form)

      assert.equal((await exchange(t, gateway.url, request)).status, 200)

      assert.equal((await upstream.nextRequest()).header('content-type'), type)
    }
  })

  test('the query of a call reaches the provider as it came', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, {}))
    for (const [path, target] of [
      ['/v1/chat/completions?api-version=2026-01-01', '/v1/chat/completions?api-version=2026-01-01'],
      ['/chat/completions?beta=true&x=%20y&z', '/v1/chat/completions?beta=true&x=%20y&z'],
      ['/v1/responses?beta=true', '/v1/responses?beta=true'],
      ['/v1/chat/completions?', '/v1/chat/completions'],
    ] as const) {
      await exchange(t, gateway.url, rawRequest(`POST ${path}`, {}, body))
      assert.equal((await upstream.nextRequest()).target, target)
    }
  })
})
