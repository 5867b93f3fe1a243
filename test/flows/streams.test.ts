// Streamed answers on the wire: when events come, in which bytes, and how streams end.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import {
  bytes,
  chunk,
  end,
  head,
  hang,
  lastChunk,
  reset,
  sse,
  stream,
  streamHead,
  wait,
} from '../support/upstream-script.ts'
import type { Script } from '../support/upstream-script.ts'
import { startGateway } from '../support/app.ts'
import { ask, delta, done, framings, streamCut } from './framings.ts'

test('each event reaches the client before the provider sends the next', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  upstream.respond([
    streamHead(),
    wait(gates[0]!.promise),
    chunk(delta('one')),
    wait(gates[1]!.promise),
    chunk(delta('two')),
    wait(gates[2]!.promise),
    chunk(done),
    lastChunk,
  ])
  const client = await connectRaw(t, gateway.url)
  client.send(ask)

  gates[0]!.resolve()
  await client.seen('one')
  gates[1]!.resolve()
  await client.seen('two')
  gates[2]!.resolve()

  assert.equal((await client.response()).body().toString(), delta('one') + delta('two') + done)
})

test('what a provider sends in one piece reaches the client in one chunk, its end too', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const framed = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
  const [one, two, three] = [delta('one'), delta('two'), delta('three')]
  upstream.respond([
    streamHead(),
    chunk(one),
    wait(gates[0]!.promise),
    bytes(framed(two) + framed(three)),
    wait(gates[1]!.promise),
    bytes(`${framed(one)}${framed(done)}0\r\n\r\n`),
  ])
  const client = await connectRaw(t, gateway.url)
  client.send(ask)
  await client.seen(one)
  gates[0]!.resolve()
  await client.seen(two + three)
  gates[1]!.resolve()
  assert.equal((await client.response()).body().toString(), one + two + three + one + done)
  const received = client.received().toString()
  const body = received.slice(received.indexOf('\r\n\r\n') + 4)
  assert.equal(body, `${framed(one)}${framed(two + three)}${framed(one + done)}0\r\n\r\n`)
})

test('half an event is held back until the rest of it is there', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const gate = Promise.withResolvers<void>()
  const second = delta('two')
  const half = second.slice(0, 20)
  upstream.respond([
    streamHead(),
    chunk(delta('one') + half),
    wait(gate.promise),
    chunk(second.slice(20) + done),
    lastChunk,
  ])
  const client = await connectRaw(t, gateway.url)
  client.send(ask)

  await client.seen('one')
  assert.equal((await client.head()).body().toString(), delta('one'))
  gate.resolve()

  assert.equal((await client.response()).body().toString(), delta('one') + second + done)
})

test('events that come in one piece leave in one piece', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const events = delta('one') + delta('two') + done
  upstream.respond([streamHead(), chunk(events), lastChunk])

  const response = await exchange(t, gateway.url, ask)

  assert.deepEqual(response.chunks.map(String), [events])
})

for (const [what, body] of Object.entries(framings)) {
  test(`a stream with ${what} arrives the same, cut at every byte and at some`, async (t) => {
    const { length } = Buffer.from(body)
    const some = Array.from({ length: 10 }, (_, index) => [Math.ceil(((index + 1) * length) / 11)])
    await streamCut(t, body, ['every byte', ...some])
  })
}

test('events arrive the same when what is cut is the HTTP framing', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const body = delta('a') + delta('b') + done
  const length = Buffer.byteLength(body)
  const chunked = [...(stream(body) as Iterable<{ kind: string; bytes?: Uint8Array }>)]
  const wire = Buffer.concat(chunked.map((step) => Buffer.from(step.bytes ?? [])))
  const answers: Script[] = [
    [bytes(wire, 'every byte')],
    [
      head(200, { 'content-type': 'text/event-stream', 'content-length': String(length) }),
      bytes(body, 'every byte'),
    ],
    [head(200, { 'Content-Type': 'text/event-stream' }), bytes(body, 'every byte'), end],
    [head(200, { 'content-type': 'Text/Event-Stream;charset=UTF-8', connection: 'close' }), bytes(body), end],
  ]

  for (const answer of answers) {
    upstream.respond(answer)
    const response = await exchange(t, gateway.url, ask)
    assert.equal(response.body().toString(), body)
    assert.equal(response.header('content-length'), undefined)
    assert.equal(response.header('cache-control'), 'no-cache, no-transform')
  }
})

test('a stream carries the headers that keep it flowing, and those that a page needs', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(stream(delta('a') + done, { headers: { 'cache-control': 'max-age=60' } }))

  const origin = 'http://localhost:5173'
  const headers = { origin, 'x-request-id': 'page-7' }
  const request = rawRequest('POST /v1/chat/completions', headers, '{"model":"plain","stream":true}')
  const response = await exchange(t, gateway.url, request)

  assert.equal(response.header('content-type'), 'text/event-stream; charset=utf-8')
  assert.equal(response.header('cache-control'), 'no-cache, no-transform')
  assert.equal(response.header('x-accel-buffering'), 'no')
  assert.equal(response.header('x-request-id'), 'page-7')
  assert.equal(response.header('access-control-allow-origin'), origin)
  assert.match(response.header('vary') ?? '', /origin/i)
  assert.match(response.header('access-control-expose-headers') ?? '', /x-request-id/)
  assert.equal(response.header('content-length'), undefined)
})

test('an event larger than what is held passes in pieces, and the stream goes on after it', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const body = delta('x'.repeat(6_000_000)) + delta('small') + done
  upstream.respond(stream(body, { splitAt: [1_000_000, 3_000_000, 5_500_000] }))

  const response = await exchange(t, gateway.url, ask)

  assert.ok(response.body().equals(Buffer.from(body)))
})

const endings: readonly [string, Script, string][] = [
  ['ends without saying so', [streamHead(), chunk(delta('a')), lastChunk], delta('a')],
  ['ends within an event', [streamHead(), chunk(`${delta('a')}data: {"choi`), lastChunk], delta('a')],
  ['closes its connection', [streamHead(), chunk(delta('a')), end], delta('a')],
  ['resets its connection', [streamHead(), chunk(delta('a')), reset], delta('a')],
  ['breaks the chunked coding', [streamHead(), chunk(delta('a')), bytes('xyz\r\n')], delta('a')],
  [
    'closes too early for its own content-length',
    [head(200, { 'content-type': 'text/event-stream', 'content-length': '5000' }), bytes(delta('a')), end],
    delta('a'),
  ],
]

for (const [what, script, before] of endings) {
  test(`when a provider ${what}, the client gets an error event in place of a silent end`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(script)

    const response = await exchange(t, gateway.url, ask)

    assert.equal(response.status, 200)
    assert.ok(response.complete)
    const body = response.body().toString()
    assert.ok(body.startsWith(before))
    const match = /^data: (\{.*\})\n\n$/.exec(body.slice(before.length))
    const { error } = JSON.parse(match?.[1] ?? '{}')
    assert.equal(error?.code, 'provider_bad_response', body)
    assert.equal(error.type, 'api_error')
    await gateway.logged({ event: 'call', status: 200, code: 'provider_bad_response' })
  })
}

test('an error event of the provider passes as it is, and none is added', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const bodies = [
    `${delta('a')}data: {"error":{"message":"CUDA out of memory","code":500}}\n\n`,
    `${delta('a')}data: {"object":"error","message":"oom","code":50001}\n\n`,
    `${delta('a')}event: error\ndata: {"error":{"message":"oom"}}\n\n${done}`,
  ]
  for (const body of bodies) {
    upstream.respond(stream(body))
    assert.equal((await exchange(t, gateway.url, ask)).body().toString(), body)
  }
})

test('a last event without its blank line is completed', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(stream(`${delta('a')}data: [DONE]`))
  assert.equal((await exchange(t, gateway.url, ask)).body().toString(), delta('a') + done)
})

test('a responses stream that breaks ends with an error event of its own form', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const event = 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta"}\n\n'
  upstream.respond([streamHead(), chunk(event), reset])

  const request = rawRequest('POST /v1/responses', {}, '{"model":"plain","input":"a","stream":true}')
  const response = await exchange(t, gateway.url, request)

  const rest = response.body().toString().slice(event.length)
  const match = /^event: error\ndata: (.*)\n\nevent: response\.failed\n/.exec(rest)
  const { type, code } = JSON.parse(match?.[1] ?? '{}')
  assert.deepEqual({ type, code }, { type: 'error', code: 'provider_bad_response' })
})

test('a stream that nobody asked for is relayed as one, where the format has no other form for it', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(stream(delta('a') + done))
  const response = await exchange(t, gateway.url, rawRequest('POST /v1/moderations', {}, '{"model":"plain"}'))
  assert.equal(response.body().toString(), delta('a') + done)
})

test('a silent provider is given up after its idle time, with an error event', async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    providers: { scripted: { timeouts: { idle_ms: 150 } } },
  })
  upstream.respond([streamHead(), chunk(delta('a')), hang])

  const response = await exchange(t, gateway.url, ask)

  const body = response.body().toString()
  assert.ok(body.startsWith(delta('a')))
  assert.match(body, /"code":"provider_timeout"/)
  assert.equal((await (await upstream.nextRequest()).outcome).kind, 'aborted')
})

test('a stream that ends before any event is a 502: nothing was promised yet', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond([streamHead(), lastChunk])

  const response = await exchange(t, gateway.url, ask)

  assert.equal(response.status, 502)
  assert.match(response.body().toString(), /provider_bad_response/)
})

test('a stream that begins with an error is an error answer, with the status that the error names', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const error = JSON.stringify({
    error: { message: 'context too long', type: 'invalid_request_error', code: 400 },
  })
  upstream.respond(sse([error, '[DONE]']))

  const response = await exchange(t, gateway.url, ask)

  assert.equal(response.status, 400)
  assert.equal(response.body().toString(), error)
})
