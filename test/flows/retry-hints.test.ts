// What a client hears about another try.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'

const chatPath = 'POST /v1/chat/completions'
const body = '{"model":"plain","messages":[]}'

test('a 429 that asks for a longer pause than the gateway makes is left to the client', async (t) => {
  const { gateway, upstream } = await startGateway(t, { routing: { retries: 2, cooldown_ms: 0 } })
  upstream.respondAlways(json(429, { error: { message: 'later' } }, { 'retry-after': '3600' }))

  const response = await exchange(t, gateway.url, rawRequest(chatPath, {}, body))

  assert.equal(response.status, 429)
  assert.equal(response.header('x-should-retry'), undefined)
  assert.equal(response.header('retry-after'), '3600')
  assert.equal(upstream.requests.length, 1)
})

test('an account without money is not worth a retry', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(json(429, { error: { message: 'no money', code: 'insufficient_quota' } }))

  const response = await exchange(t, gateway.url, rawRequest(chatPath, {}, body))

  assert.equal(response.status, 429)
  assert.equal(response.header('x-should-retry'), 'false')
})
