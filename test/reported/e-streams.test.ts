// Ends, usage and waits of streams, as they came out wrong with real clients and servers.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { createTicker } from '../../src/call/ticker.ts'
import { roundTrips } from '../faults/fault.ts'
import { post, report, used } from '../support/calls.ts'
import { until } from '../support/deadline.ts'
import { delta, messages, usageEvent } from '../support/chat-content.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'
import {
  after,
  chunk,
  hang,
  json,
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

const timings = {
  cache_n: 0,
  prompt_n: 14,
  prompt_ms: 320.5,
  predicted_n: 4,
  predicted_ms: 98.3,
  predicted_per_second: 40.7,
}
const llamaUsage = { prompt_tokens: 14, completion_tokens: 4, total_tokens: 18 }

/** The events of a stream as llama.cpp writes it, with and without `include_usage`. */
function llamaCpp(isAsked: boolean): string[] {
  const finish = {
    choices: [{ finish_reason: 'stop', index: 0, delta: {} }],
    object: 'chat.completion.chunk',
  }
  const last = { choices: [], object: 'chat.completion.chunk', usage: llamaUsage, timings }
  const events = isAsked
    ? [JSON.stringify(finish), JSON.stringify(last)]
    : [JSON.stringify({ ...finish, timings })]
  return [delta('So'), delta(' be it'), ...events, '[DONE]']
}

const written = (payloads: readonly string[]) => payloads.map((payload) => `data: ${payload}\n\n`).join('')

suite('usage that nobody but the gateway asked for', () => {
  test('llama.cpp is asked once, and not again: it reports its timings unasked, without a chunk that has no choice', async (t) => {
    const { gateway, upstream } = await startGateway(t, limits)
    upstream.respondAlways(({ body }) => sse(llamaCpp(body.includes('include_usage'))))
    for (const [isAsked, tokens] of [
      [true, 18],
      [false, 36],
      [false, 54],
    ] as const) {
      const body = await (await post(gateway, { model: 'plain', stream: true, messages })).text()
      assert.equal((await upstream.nextRequest()).body.includes('include_usage'), isAsked)
      assert.equal((await used(gateway, 'plain')).tokens, tokens)
      // Clients read `choices[0]` of each chunk.
      const events = llamaCpp(isAsked)
      assert.equal(body, written(isAsked ? events.toSpliced(-2, 1) : events))
    }
  })

  test('llama.cpp that was seen in a call whose client asked is not asked either', async (t) => {
    const { gateway, upstream } = await startGateway(t, limits)
    upstream.respondAlways(({ body }) => sse(llamaCpp(body.includes('include_usage'))))
    const asking = { model: 'plain', stream: true, messages, stream_options: { include_usage: true } }
    assert.equal(await (await post(gateway, asking)).text(), written(llamaCpp(true)))
    assert.equal(
      await (await post(gateway, { model: 'plain', stream: true, messages })).text(),
      written(llamaCpp(false)),
    )
  })

  for (const [what, choices] of [
    ['LiteLLM, with an empty choice', [{ index: 0, delta: {} }]],
    ['others, without a choice', []],
  ] as const) {
    test(`the usage chunk of ${what}, does not reach the client`, async (t) => {
      const { gateway, upstream } = await startGateway(t, limits)
      const last = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices, usage }
      upstream.respond(sse([delta('Hi'), JSON.stringify(last), '[DONE]']))
      const response = await post(gateway, { model: 'plain', stream: true, messages })
      assert.equal(await response.text(), written([delta('Hi'), '[DONE]']))
      assert.equal((await used(gateway, 'plain')).tokens, 2)
    })
  }

  test('the last chunk of a provider that reports usage there in any case stays as it is', async (t) => {
    const { gateway, upstream } = await startGateway(t, limits)
    const last = { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage }
    const events = [delta('Hi'), JSON.stringify(last), '[DONE]']
    upstream.respond(sse(events))
    const response = await post(gateway, { model: 'plain', stream: true, messages })
    assert.equal(await response.text(), written(events))
  })
})

suite('only text, reasoning and arguments count as output', () => {
  test("llama.cpp's usage and timings do not, when its stream is cut after them", async (t) => {
    const { gateway, upstream } = await startGateway(t, limits)
    const events = llamaCpp(true).slice(0, -1)
    upstream.respond([streamHead(), chunk(written(events)), hang])
    const client = await connectRaw(t, gateway.url)
    client.send(
      rawRequest(
        'POST /v1/chat/completions',
        {},
        JSON.stringify({ model: 'plain', stream: true, stream_options: { include_usage: true }, messages }),
      ),
    )
    await client.seen('timings')
    client.leave()
    const line = await gateway.logged({ event: 'call', status: 499 })
    assert.deepEqual([line['prompt_tokens'], line['completion_tokens']], [14, 4])
  })

  const chunkOf = (delta: object) => JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null }] })
  const call = (part: object) => ({ tool_calls: [{ index: 0, ...part }] })
  for (const [what, path, events, least, most] of [
    ['text', '/v1/chat/completions', Array.from({ length: 20 }, () => delta('word')), 20, 25],
    [
      'reasoning',
      '/v1/chat/completions',
      Array.from({ length: 20 }, () => chunkOf({ reasoning_content: 'word' })),
      20,
      25,
    ],
    [
      'arguments',
      '/v1/chat/completions',
      [
        chunkOf(call({ id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } })),
        ...Array.from({ length: 20 }, () => chunkOf(call({ function: { arguments: '{\\"a\\"' } }))),
      ],
      20,
      60,
    ],
    [
      'not probabilities',
      '/v1/chat/completions',
      [
        JSON.stringify({
          choices: [
            {
              index: 0,
              delta: { content: 'word' },
              logprobs: {
                content: Array.from({ length: 50 }, () => ({
                  token: 'word',
                  logprob: -0.1,
                  bytes: [1, 2, 3],
                })),
              },
            },
          ],
        }),
      ],
      1,
      2,
    ],
    [
      'not a role, nor a chunk with members of the server alone',
      '/v1/chat/completions',
      [chunkOf({ role: 'assistant', content: '' }), delta('word', { nvext: 'x'.repeat(900) })],
      1,
      2,
    ],
    [
      'deltas of a response, not its obfuscation',
      '/v1/responses',
      Array.from({ length: 20 }, () =>
        JSON.stringify({ type: 'response.output_text.delta', delta: 'word', obfuscation: 'x'.repeat(60) }),
      ),
      20,
      25,
    ],
    [
      'not the whole text that ends a part',
      '/v1/responses',
      [
        JSON.stringify({ type: 'response.output_text.delta', delta: 'word' }),
        JSON.stringify({ type: 'response.output_text.done', text: 'word '.repeat(100) }),
      ],
      1,
      2,
    ],
  ] as const) {
    test(`of a stream that is cut: ${what}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, limits)
      upstream.respond([
        streamHead(),
        ...events.map((event) => chunk(`data: ${event}\n\n`)),
        chunk(': now\n\n'),
        hang,
      ])
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest(`POST ${path}`, {}, '{"model":"plain","stream":true,"messages":[],"input":"a"}'))
      await client.seen(': now')
      client.leave()
      const count = Number((await gateway.logged({ event: 'call', status: 499 }))['completion_tokens'])
      assert.ok(count >= least && count <= most, `${count}`)
    })
  }
})

suite('a stream that waits in line', () => {
  const holder = rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","messages":[]}')

  /** A streamed call in line behind one that does not end, and time that the test moves. */
  async function startWait(t: TestContext, max_wait_ms: number, request = chatCall) {
    const clock = new FakeClock()
    const setup = {
      rate_limit_settings: {
        limits: { plain: { max_parallel_requests: 1, when_limited: 'wait' as const, max_wait_ms } },
      },
      access: { allowed_users: ['any'] },
    }
    const { gateway, upstream } = await startGateway(t, setup, { clock, ticker: createTicker(clock) })
    upstream.respond([hang])
    const first = await connectRaw(t, gateway.url)
    first.send(holder)
    await upstream.nextRequest()
    const client = await connectRaw(t, gateway.url)
    client.send(request)
    await until(async () => (await report(gateway, 'plain')).waiting === 1, 'a call in line')
    return { gateway, upstream, clock, client, first }
  }

  for (const maxWaitMs of [10_000, 20_000, 50_000]) {
    test(`and is refused after ${maxWaitMs} ms gets status 429 with its headers, and no heartbeat before`, async (t) => {
      const { client, clock } = await startWait(t, maxWaitMs)
      clock.advance(maxWaitMs)
      const response = await client.response()
      assert.equal(response.status, 429)
      assert.match(response.header('retry-after-ms') ?? '', /^[1-9][0-9]*$/)
      assert.match(response.header('content-type') ?? '', /json/)
    })
  }

  for (const [format, request] of [
    ['chat', chatCall],
    ['responses', responseCall],
  ] as const) {
    test(`longer than proxies allow hears of it after 50 s; the refusal is an event with the time to retry (${format})`, async (t) => {
      const { client, clock } = await startWait(t, 70_000, request)
      clock.advance(49_900)
      assert.equal(client.received().length, 0)
      clock.advance(200)
      await client.seen(': ping\n')
      clock.advance(20_000)
      const response = await client.response()
      assert.equal(response.status, 200)
      assert.match(response.body().toString(), /"code":"rate_limit_exceeded".*"retry_after_ms":[1-9]/)
    })
  }

  test('and is admitted late still has time to fail with a status, but is not silent for a minute', async (t) => {
    const { client, clock, first, upstream, gateway } = await startWait(t, 600_000)
    clock.advance(45_000)
    upstream.respond([hang])
    first.leave()
    await upstream.nextRequest()
    await roundTrips(t, { gateway })
    clock.advance(4_900)
    assert.equal(client.received().length, 0)
    clock.advance(200)
    await client.seen(': ping\n')
    const head = await client.head()
    assert.equal(head.header('x-llm-gateway-provider'), 'scripted', 'what is known early is sent early')
  })
})

suite('the first heartbeat of a stream whose provider is silent', () => {
  for (const [setting, afterMs] of [
    [undefined, 15_000],
    [45_000, 45_000],
  ] as const) {
    test(`comes after ${afterMs} ms; until then an error has its status (heartbeat_after_ms: ${setting ?? 'not set'})`, async (t) => {
      const clock = new FakeClock()
      const server = setting === undefined ? {} : { server: { heartbeat_after_ms: setting } }
      const { gateway, upstream } = await startGateway(t, server, { clock, ticker: createTicker(clock) })
      const gate = Promise.withResolvers<void>()
      upstream.respond(after(gate.promise, json(500, { error: { message: 'no' } })))
      upstream.respond([hang])
      const [failing, silent] = [await connectRaw(t, gateway.url), await connectRaw(t, gateway.url)]
      for (const client of [failing, silent]) {
        client.send(chatCall)
        await upstream.nextRequest()
      }
      await roundTrips(t, { gateway })
      clock.advance(afterMs - 100)
      gate.resolve()
      assert.equal((await failing.response()).status, 500)
      assert.equal(silent.received().length, 0)
      clock.advance(200)
      await silent.seen(': ping\n')
      assert.equal((await silent.head()).header('x-llm-gateway-provider'), 'scripted')
    })
  }

  test('does not name a provider where another one may answer', async (t) => {
    const clock = new FakeClock()
    const setup = {
      providers: { a: {}, b: {} },
      models: { plain: { targets: [{ provider: 'a' }, { provider: 'b', tier: 2 }] } },
    }
    const { gateway, upstreams } = await startGateway(t, setup, { clock, ticker: createTicker(clock) })
    upstreams.a.respond([hang])
    const client = await connectRaw(t, gateway.url)
    client.send(chatCall)
    await upstreams.a.nextRequest()
    await roundTrips(t, { gateway })
    clock.advance(15_100)
    await client.seen(': ping')
    assert.equal((await client.head()).header('x-llm-gateway-provider'), undefined)
  })
})
