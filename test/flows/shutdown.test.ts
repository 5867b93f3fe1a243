// The end of the grace time: every call under way hears that the gateway ends, in whatever way it still can.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { connectRaw, exchange, type RawResponse, rawRequest } from '../support/raw-client.ts'
import { bytes, chunk, hang, head, json, type Script, streamHead } from '../support/upstream-script.ts'
import { type Running, startGateway } from '../support/app.ts'

const streamed = '{"model":"plain","stream":true}'
const whole = '{"model":"plain"}'
const event = 'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
const lastEvent = /data: \{"error":\{[^\n]*"code":"shutting_down"\}\}\n\n$/
const grace = { server: { shutdown_grace_ms: 1 } }

interface UnderWay {
  readonly body: string
  readonly script: Script
  /** What of the answer is to be there before the end begins. */
  readonly seen?: string
}

/** The answer of a call that is under way when the grace time ends. */
async function interrupted(t: TestContext, wired: Running, call: UnderWay): Promise<RawResponse> {
  const { gateway, upstream } = wired
  upstream.respond(call.script)
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest('POST /v1/chat/completions', {}, call.body))
  const request = await upstream.nextRequest()
  if (call.seen !== undefined) await client.seen(call.seen)
  await gateway.stop()
  assert.equal((await request.outcome).kind, 'aborted')
  return client.response()
}

for (const [what, call] of [
  ['a streamed call in its prefill', { body: streamed, script: [hang] }],
  ['a whole call in its prefill', { body: whole, script: [hang] }],
  [
    'a whole answer that is held',
    {
      body: whole,
      script: [
        head(200, { 'content-type': 'application/json', 'content-length': '9' }),
        bytes('{"a":'),
        hang,
      ],
    },
  ],
] as const) {
  test(`${what} is answered with 503 at the end of the grace time`, async (t) => {
    const wired = await startGateway(t, grace)

    const response = await interrupted(t, wired, call)

    assert.equal(response.status, 503)
    assert.ok(response.complete)
    assert.equal(JSON.parse(response.body().toString()).error.code, 'shutting_down')
    const line = await wired.gateway.logged({ event: 'call', code: 'shutting_down' })
    assert.equal(line['status'], 503)
  })
}

test('a stream ends with an error event, after whole events only', async (t) => {
  const wired = await startGateway(t, grace)
  const half = event.slice(0, 20)

  const response = await interrupted(t, wired, {
    body: streamed,
    script: [streamHead(), chunk(event + half), hang],
    seen: 'one',
  })

  const body = response.body().toString()
  assert.ok(response.complete)
  assert.equal(body.slice(0, event.length), event)
  assert.match(body.slice(event.length), lastEvent)
  assert.equal(body.slice(event.length).split('\n\n').length, 2)
})

test('an answer that has begun and is no stream breaks off visibly', async (t) => {
  const wired = await startGateway(t, grace)
  const audio = head(200, { 'content-type': 'audio/mpeg', 'transfer-encoding': 'chunked' })

  const response = await interrupted(t, wired, {
    body: whole,
    script: [audio, chunk('sound'), hang],
    seen: 'sound',
  })

  assert.equal(response.complete, false)
})

test('an event that is too large to be held breaks off visibly', async (t) => {
  const wired = await startGateway(t, grace)
  const endless = `data: {"choices":[{"delta":{"content":"${'x'.repeat(5_000_000)}`

  const response = await interrupted(t, wired, {
    body: streamed,
    script: [streamHead(), chunk(event), chunk(endless), hang],
    seen: 'xxx',
  })

  assert.equal(response.complete, false)
})

test('a pause between attempts ends too', async (t) => {
  const wired = await startGateway(t, {
    ...grace,
    routing: { retries: 2, cooldown_ms: 0, max_retry_wait_ms: 30_000 },
    providers: { scripted: { timeouts: { total_ms: 60_000 } } },
  })
  const { gateway, upstream } = wired
  upstream.respondAlways(json(429, { error: { message: 'later' } }, { 'retry-after': '9' }))
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest('POST /v1/chat/completions', {}, whole))
  await (
    await upstream.nextRequest()
  ).outcome

  await gateway.stop()

  assert.equal((await client.response()).status, 503)
  assert.equal(upstream.requests.length, 1)
})

test('readiness says that the end has begun, and calls under way are finished', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  let goOn = (): void => {}
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  upstream.respond(
    (async function* () {
      yield streamHead()
      yield chunk(event)
      await gate
      yield chunk('data: [DONE]\n\n')
      yield bytes('0\r\n\r\n')
    })(),
  )
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest('POST /v1/chat/completions', {}, streamed))
  await client.seen('one')
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /readyz'))).status, 200)
  // Two requests on one connection: the second is there when the end begins, and is answered.
  const other = await connectRaw(t, gateway.url)
  other.send(rawRequest('GET /healthz'))
  await other.response()

  const stopped = gateway.stop()
  other.send(rawRequest('GET /readyz'))

  const ready = await other.response()
  assert.equal(ready.status, 503)
  goOn()
  const response = await client.response()
  assert.ok(response.complete)
  assert.ok(response.body().toString().endsWith('data: [DONE]\n\n'))
  await stopped
})
