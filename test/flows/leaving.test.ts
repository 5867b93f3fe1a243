// Clients that leave, and clients that stop reading: what the provider notices of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import type { RawClient } from '../support/raw-client.ts'
import type { ReceivedRequest } from '../support/scripted-upstream.ts'
import { bytes, chunk, hang, head, json, lastChunk, streamHead } from '../support/upstream-script.ts'
import type { Script, Step } from '../support/upstream-script.ts'
import { type Running, type TestGateway, startGateway } from '../support/app.ts'

const streamed = '{"model":"plain","stream":true}'
const whole = '{"model":"plain"}'
const event = 'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'

/** A call that the provider has got, and how far its answer has come to the client. */
async function under(
  t: TestContext,
  { gateway, upstream }: Running,
  call: { body: string; script: Script; seen?: string },
): Promise<{ client: RawClient; request: ReceivedRequest }> {
  upstream.respond(call.script)
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest('POST /v1/chat/completions', {}, call.body))
  const request = await upstream.nextRequest()
  if (call.seen !== undefined) await client.seen(call.seen)
  return { client, request }
}

const jsonHead = head(200, { 'content-type': 'application/json', 'content-length': '100' })
const audioHead = head(200, { 'content-type': 'audio/mpeg', 'transfer-encoding': 'chunked' })

const phases: readonly [string, { body: string; script: Script; seen?: string }][] = [
  ['a streamed call in its prefill', { body: streamed, script: [hang] }],
  ['a whole call in its prefill', { body: whole, script: [hang] }],
  ['a stream after its head', { body: streamed, script: [streamHead(), hang] }],
  ['a stream after an event', { body: streamed, script: [streamHead(), chunk(event), hang], seen: 'one' }],
  ['a whole answer that is held', { body: whole, script: [jsonHead, bytes('{"a":'), hang] }],
  ['audio under way', { body: whole, script: [audioHead, chunk('sound'), hang], seen: 'sound' }],
  ['an error under way', { body: whole, script: [head(400, { 'content-length': '9' }), bytes('{'), hang] }],
]

for (const [what, call] of phases) {
  for (const how of ['close', 'reset'] as const) {
    test(`a client that leaves ${what} (${how}) ends the provider's request at once`, async (t) => {
      const wired = await startGateway(t)
      const { client, request } = await under(t, wired, call)

      client.leave(how)
      // Events, not a timer, bring the news: it is there when a few other requests have gone to and fro.
      await roundTrips(t, wired.gateway, 10)

      const pending = Promise.resolve({ kind: 'still open' })
      assert.equal((await Promise.race([request.outcome, pending])).kind, 'aborted')
      const line = await wired.gateway.logged({ event: 'call', status: 499 })
      assert.equal(line['level'], 'INFO')
      assert.equal(line['code'], undefined)
    })
  }
}

test('a client that leaves with its request half sent causes no request to the provider', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(json(200, {}))
  const client = await connectRaw(t, gateway.url)
  const request = rawRequest('POST /v1/chat/completions', {}, whole)
  client.send(request.subarray(0, request.length - 3))
  client.leave()

  assert.equal((await exchange(t, gateway.url, rawRequest('POST /v1/completions', {}, whole))).status, 200)
  assert.equal(upstream.requests.length, 1)
})

test('a client that sends all and leaves in the same breath leaves no request open', async (t) => {
  // Otherwise it is gone before it is known whose it was, and nothing of it is read.
  const { gateway, upstream } = await startGateway(t, { access: { allowed_users: ['any'] } })
  upstream.respondAlways([hang])
  for (const how of ['close', 'reset', 'close', 'reset', 'close', 'reset'] as const) {
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('POST /v1/chat/completions', {}, streamed))
    client.leave(how)
  }
  await roundTrips(t, gateway, 10)

  assert.notEqual(upstream.requests.length, 0)
  for (const request of upstream.requests) assert.equal((await request.outcome).kind, 'aborted')
})

test('a client that has sent all and closes its sending end has left', async (t) => {
  const wired = await startGateway(t)
  const { client, request } = await under(t, wired, phases[0]![1])

  client.endSending()

  assert.equal((await request.outcome).kind, 'aborted')
})

test('an abandoned call does not harm the next one', async (t) => {
  const wired = await startGateway(t)
  const { client, request } = await under(t, wired, phases[3]![1])
  client.leave()
  await request.outcome
  wired.upstream.respond(json(200, { fine: true }))

  const response = await exchange(t, wired.gateway.url, rawRequest('POST /v1/completions', {}, whole))

  assert.equal(response.body().toString(), '{"fine":true}')
})

/** Events without end, as far as the test lets them, numbered so that none can be lost unseen. */
async function* numberedEvents(count: number): AsyncGenerator<Step> {
  yield streamHead()
  for (let number = 0; number < count; number++) {
    yield chunk(numberedEvent(number))
    if (number % 16 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  yield chunk('data: [DONE]\n\n')
  yield lastChunk
}

const filler = 'x'.repeat(16_000)

function numberedEvent(number: number): string {
  return `data: {"n":${number},"choices":[{"delta":{"content":"${filler}"}}]}\n\n`
}

/** Waits until the provider gets rid of no more bytes, however many other requests go to and fro meanwhile. */
async function standstill(t: TestContext, gateway: TestGateway, request: ReceivedRequest): Promise<number> {
  for (let before = -1; ;) {
    const now = request.bytesTaken()
    if (now === before) return now
    before = now
    await roundTrips(t, gateway, 20)
  }
}

async function roundTrips(t: TestContext, { url }: TestGateway, count: number): Promise<void> {
  const client = await connectRaw(t, url)
  for (let number = 0; number < count; number++) {
    client.send(rawRequest('GET /healthz'))
    await client.response()
  }
  client.leave()
}

test('a client that does not read holds the provider back, and gets everything when it reads on', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const count = 4_000
  upstream.respond(numberedEvents(count))
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest('POST /v1/chat/completions', {}, streamed))
  await client.seen('"n":0')
  client.pause()

  const request = await upstream.nextRequest()
  const heldAt = await standstill(t, gateway, request)
  const total = count * numberedEvent(0).length
  // What fills are the buffers of two connections in the system, and little in the gateway.
  assert.ok(heldAt < total / 2, `${heldAt} of ${total} bytes were taken from the provider`)

  client.resume()
  const body = (await client.response()).body().toString()
  const numbers = Array.from(body.matchAll(/"n":(\d+)/g), (match) => Number(match[1]))
  assert.deepEqual(
    numbers,
    Array.from({ length: count }, (_, number) => number),
  )
  assert.ok(body.endsWith('data: [DONE]\n\n'))
  assert.equal((await request.outcome).kind, 'answered')
})

test('a client that does not read and then leaves ends the provider’s request', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(numberedEvents(Number.POSITIVE_INFINITY))
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest('POST /v1/chat/completions', {}, streamed))
  await client.seen('"n":0')
  client.pause()
  const request = await upstream.nextRequest()
  await standstill(t, gateway, request)

  client.leave('reset')

  assert.equal((await request.outcome).kind, 'aborted')
})

test('other calls are served while one client does not read', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(numberedEvents(Number.POSITIVE_INFINITY))
  const slow = await connectRaw(t, gateway.url)
  slow.send(rawRequest('POST /v1/chat/completions', {}, streamed))
  await slow.seen('"n":0')
  slow.pause()
  await standstill(t, gateway, await upstream.nextRequest())
  upstream.respond(json(200, { fine: true }))

  const response = await exchange(t, gateway.url, rawRequest('POST /v1/completions', {}, whole))

  assert.equal(response.status, 200)
  slow.leave('reset')
})
