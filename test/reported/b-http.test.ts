// Reported by clients of the HTTP surface: upgrades, preflights, origins, paths, media types, retries.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'

const chatPath = 'POST /v1/chat/completions'
const body = '{"model":"plain","messages":[]}'

suite('Clients of the HTTP surface', () => {
  test('an offer of h2c is ignored, and the call is served over HTTP/1.1', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, { ok: true }))
    // As Java's HttpClient and `curl --http2` send it.
    const offer = {
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': 'AAEAAEAAAAIAAAAB',
    }
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest(chatPath, offer, body))

    const response = await client.response()

    assert.equal(response.status, 200)
    assert.match(response.startLine, /^HTTP\/1\.1 /)
    assert.equal(response.body().toString(), '{"ok":true}')
    const request = await upstream.nextRequest()
    assert.equal(request.body.toString(), body)
    assert.equal(request.header('upgrade'), undefined)
    // The parser drops what follows such a request, so the connection may not be used again.
    assert.equal(response.header('connection'), 'close')
    assert.equal(await client.ended, 'end')
  })

  test('a WebSocket for responses gets 426 at once, so that Codex goes on with POST', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const handshake = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'openai-beta': 'responses_websockets=2026-02-06',
    }

    const response = await exchange(t, gateway.url, rawRequest('GET /v1/responses', handshake))

    assert.equal(response.status, 426)
    assert.equal(response.header('x-llm-gateway-error'), 'websocket_not_supported')
    // RFC 9110 §15.5.22: the protocol that is required.
    assert.equal(response.header('upgrade'), 'HTTP/1.1')
    assert.match(response.header('connection') ?? '', /\bupgrade\b/)
    assert.equal(upstream.connections, 0)
  })
})
