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
})
