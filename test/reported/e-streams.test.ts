// Ends, usage and waits of streams, as they came out wrong with real clients and servers.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { createTicker } from '../../src/call/ticker.ts'
import { roundTrips } from '../faults/fault.ts'
import { used } from '../support/calls.ts'
import { delta, usageEvent } from '../support/chat-content.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'
import {
  chunk,
  hang,
  lastChunk,
  reset,
  type Script,
  sse,
  streamHead,
  wait,
} from '../support/upstream-script.ts'
import { startGateway } from '../support/app.ts'

const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
const done = 'data: [DONE]\n\n'
const chatEvents = [`data: ${delta('Hi')}\n\n`, `data: ${usageEvent(usage)}\n\n`, done]
const limits = { rate_limit_settings: { limits: { plain: { tpm: 1000, max_parallel_requests: 4 } } } }

const responseUsage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 }
const completed = {
  type: 'response.completed',
  response: { id: 'resp_1', status: 'completed', usage: responseUsage },
}
const responseEvents = [
  'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1"}}\n\n',
  'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"Hi"}\n\n',
  `event: response.completed\ndata: ${JSON.stringify(completed)}\n\n`,
]

const chatCall = rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","stream":true,"messages":[]}')
const responseCall = rawRequest('POST /v1/responses', {}, '{"model":"plain","stream":true,"input":"a"}')

suite('a stream whose end mark has been relayed is whole', () => {
  for (const [format, request, events, mark] of [
    ['chat', chatCall, chatEvents, '[DONE]'],
    ['responses', responseCall, responseEvents, 'response.completed'],
  ] as const) {
    for (const how of ['close', 'reset'] as const) {
      test(`although its client leaves before the body ends: 200, the provider's usage, the connection kept (${format}, ${how})`, async (t) => {
        const { gateway, upstream } = await startGateway(t, limits)
        const gate = Promise.withResolvers<void>()
        upstream.respond([streamHead(), ...events.map(chunk), wait(gate.promise), lastChunk])
        const client = await connectRaw(t, gateway.url)
        client.send(request)
        await client.seen(mark)
        client.leave(how)

        const line = await gateway.logged({ event: 'call' })
        assert.deepEqual(
          [line['status'], line['code'], line['prompt_tokens'], line['completion_tokens'], line['estimated']],
          [200, undefined, 1, 1, false],
        )
        assert.deepEqual(await used(gateway, 'plain'), { requests: 1, tokens: 2, parallel: 0 })
        gate.resolve()
        assert.equal((await (await upstream.nextRequest()).outcome).kind, 'answered')

        await roundTrips(t, { gateway })
        upstream.respondAlways(sse([delta('Hi'), '[DONE]']))
        const next = await connectRaw(t, gateway.url)
        next.send(chatCall)
        await next.response()
        assert.equal((await upstream.nextRequest()).connection, 1)
      })
    }
  }

  test('although its provider breaks the connection: no error follows the mark, and the target is well', async (t) => {
    const { gateway, upstream } = await startGateway(t, limits)
    upstream.respond([streamHead(), ...chatEvents.map(chunk), reset])
    const client = await connectRaw(t, gateway.url)
    client.send(chatCall)
    const response = await client.response()
    assert.ok(response.complete)
    assert.equal(response.body().toString(), chatEvents[0] + done)
    const line = await gateway.logged({ event: 'call' })
    assert.deepEqual([line['status'], line['code'], line['estimated']], [200, undefined, false])
  })

  test('although its body never ends: the response does after five seconds', async (t) => {
    const clock = new FakeClock()
    const { gateway, upstream } = await startGateway(t, limits, { clock, ticker: createTicker(clock) })
    upstream.respond([streamHead(), ...chatEvents.map(chunk), hang])
    const client = await connectRaw(t, gateway.url)
    client.send(chatCall)
    await client.seen('[DONE]')
    clock.advance(5_200)
    const response = await client.response()
    assert.equal(response.body().toString(), chatEvents[0] + done)
    assert.equal((await gateway.logged({ event: 'call' }))['status'], 200)
    assert.equal((await (await upstream.nextRequest()).outcome).kind, 'aborted')
  })

  test('and comments after the mark do not hide it', async (t) => {
    const { gateway, upstream } = await startGateway(t, limits)
    const body = `${chatEvents[0]}${done}${': bye\n\n'.repeat(4)}`
    upstream.respond([streamHead(), chunk(body), lastChunk])
    const client = await connectRaw(t, gateway.url)
    client.send(chatCall)
    assert.equal((await client.response()).body().toString(), body)
  })

  test('and a body that goes on without end for nobody is cut', async (t) => {
    const clock = new FakeClock()
    const { gateway, upstream } = await startGateway(t, limits, { clock, ticker: createTicker(clock) })
    upstream.respond([streamHead(), ...chatEvents.map(chunk), hang])
    const client = await connectRaw(t, gateway.url)
    client.send(chatCall)
    await client.seen('[DONE]')
    client.leave()
    await gateway.logged({ event: 'call', status: 200 })
    clock.advance(2_200)
    assert.equal((await (await upstream.nextRequest()).outcome).kind, 'aborted')
  })
})

test('a client that leaves at the error event of its provider has seen an error, and is not gone', async (t) => {
  const { gateway, upstream } = await startGateway(t, limits)
  const error = 'data: {"error":{"message":"CUDA out of memory","code":500}}\n\n'
  upstream.respond([streamHead(), chunk(chatEvents[0]!), chunk(error), hang])
  const client = await connectRaw(t, gateway.url)
  client.send(chatCall)
  await client.seen('CUDA')
  client.leave()
  const line = await gateway.logged({ event: 'call' })
  assert.deepEqual([line['status'], line['code']], [200, 'provider_bad_response'])
})

for (const [what, script] of [
  ['before its end mark', [streamHead(), chunk(chatEvents[0]!), hang]],
  [
    'between its finish reason and its usage',
    [
      streamHead(),
      chunk(`data: ${delta('Hi').replace('"finish_reason":null', '"finish_reason":"stop"')}\n\n`),
      hang,
    ],
  ],
] satisfies [string, Script][]) {
  test(`a client that leaves a stream ${what} is gone`, async (t) => {
    const { gateway, upstream } = await startGateway(t, limits)
    upstream.respond(script)
    const client = await connectRaw(t, gateway.url)
    client.send(chatCall)
    await client.seen('Hi')
    client.leave()
    const line = await gateway.logged({ event: 'call' })
    assert.deepEqual([line['status'], line['estimated']], [499, true])
    assert.equal((await (await upstream.nextRequest()).outcome).kind, 'aborted')
  })
}
