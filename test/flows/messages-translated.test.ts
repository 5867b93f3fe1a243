// Clients of Anthropic's API in front of a provider that speaks only chat, on the wire.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'

import { createTicker } from '../../src/call/ticker.ts'
import type { RawConfig } from '../../src/config/raw.ts'
import { readMessage } from '../dialects/translate/messages-rules.ts'
import { roundTrips, SkippingClock, withoutConditions } from '../faults/fault.ts'
import { type Options, startGateway, type TestGateway } from '../support/app.ts'
import { post, used } from '../support/calls.ts'
import { delta, finish, piece, usageEvent, whole } from '../support/chat-content.ts'
import { eventText, helloStream, ping } from '../support/message-events.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'
import {
  chunk,
  hang,
  json,
  lastChunk,
  type Script,
  sse,
  type Step,
  streamHead,
  wait,
} from '../support/upstream-script.ts'

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
const payloads = [
  piece({ role: 'assistant', content: '' }),
  delta('Hello'),
  delta(' you'),
  finish('stop'),
  usageEvent(usage),
  '[DONE]',
]
const tools: Anthropic.Tool[] = [{ name: 'look', input_schema: { type: 'object' } }]
const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":' } }
const callPayloads = [
  delta('Looking.'),
  piece({ tool_calls: [call] }),
  piece({ tool_calls: [{ index: 0, function: { arguments: '"x"}' } }] }),
  finish('tool_calls'),
  '[DONE]',
]
const question = { model: 'small', max_tokens: 64, messages: [{ role: 'user' as const, content: 'hi' }] }
const streamed = JSON.stringify({ ...question, stream: true })

function start(t: TestContext, models: RawConfig['models'] = {}, options: Options = {}) {
  const limits = { small: { rpm: 20, tpm: 500_000 } }
  const setup = {
    ...withoutConditions,
    providers: {
      scripted: { speaks: ['chat' as const] },
      native: { speaks: ['messages' as const] },
    },
    models: { small: { provider: 'scripted' }, ...models },
    rate_limit_settings: { limits },
  }
  return startGateway(t, setup, options)
}

async function ask(gateway: TestGateway, more: object = {}) {
  const path = '/v1/messages?beta=true'
  const response = await post(gateway, { ...question, ...more }, { path })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

function sdkFor(gateway: TestGateway): Anthropic {
  return new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0 })
}

suite('a Messages response is translated', () => {
  test('from a chat stream, and its usage is charged', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse(payloads))
    const { status, headers, body } = await ask(gateway, { stream: true, system: 'Be kind.' })
    assert.equal(status, 200, body)
    assert.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8')
    const message = readMessage(body)
    assert.deepEqual(message.content, [{ type: 'text', text: 'Hello you' }])
    assert.equal(message.stop_reason, 'end_turn')
    assert.deepEqual([message.usage['input_tokens'], message.usage['output_tokens']], [7, 5])
    assert.match(message.id, /^msg_[a-zA-Z0-9]{24}$/)
    const [request] = upstream.requests
    assert.equal(request!.target, '/v1/chat/completions')
    assert.deepEqual(JSON.parse(request!.body.toString()), {
      model: 'small',
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'hi' },
      ],
      max_tokens: 64,
      stream: true,
      stream_options: { include_usage: true },
    })
    assert.deepEqual(await used(gateway), { requests: 1, tokens: 12, parallel: 0 })
    const line = await gateway.logged({ event: 'call', dialect: 'messages' })
    assert.deepEqual([line['prompt_tokens'], line['completion_tokens'], line['estimated']], [7, 5, false])
  })

  test('wherever the pieces of the stream are cut', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse(payloads, { splitAt: 'every byte' }))
    const { body } = await ask(gateway, { stream: true })
    assert.deepEqual(readMessage(body).content, [{ type: 'text', text: 'Hello you' }])
  })

  test('from a whole body, for clients that name no stream or none', async (t) => {
    const { gateway, upstream } = await start(t)
    for (const more of [{}, { stream: false }]) {
      upstream.respond(whole())
      const { status, headers, body } = await ask(gateway, more)
      assert.equal(status, 200, body)
      assert.equal(headers.get('content-type'), 'application/json')
      assert.equal(headers.get('content-length'), String(body.length))
      const { content, model, usage: counted } = JSON.parse(body)
      assert.deepEqual([content, model], [[{ type: 'text', text: 'Hi!' }], 'small'])
      assert.deepEqual([counted.input_tokens, counted.output_tokens], [7, 5])
      assert.equal('stream' in JSON.parse(upstream.requests.at(-1)!.body.toString()), false)
    }
  })

  test('from a whole body to a stream, and from a stream to a whole body', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(whole())
    assert.deepEqual(readMessage((await ask(gateway, { stream: true })).body).content, [
      { type: 'text', text: 'Hi!' },
    ])
    upstream.respond(sse(payloads))
    assert.deepEqual(JSON.parse((await ask(gateway)).body).content, [{ type: 'text', text: 'Hello you' }])
  })

  test('with a tool call, which the SDK reads and answers', async (t) => {
    const { gateway, upstream } = await start(t)
    const sdk = sdkFor(gateway)
    upstream.respond(sse(callPayloads))
    const first = await sdk.messages.stream({ ...question, tools }).finalMessage()
    assert.equal(first.stop_reason, 'tool_use')
    assert.deepEqual(first.content[1], { type: 'tool_use', id: 'call_1', name: 'look', input: { at: 'x' } })
    upstream.respond(whole())
    const result = { type: 'tool_result' as const, tool_use_id: 'call_1', content: 'seen' }
    const turns = [
      ...question.messages,
      { role: 'assistant' as const, content: first.content },
      { role: 'user' as const, content: [result] },
    ]
    await sdk.messages.create({ ...question, tools, messages: turns })
    const { messages } = JSON.parse(upstream.requests[1]!.body.toString())
    assert.deepEqual(messages.slice(1), [
      {
        role: 'assistant',
        content: 'Looking.',
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":"x"}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'seen' },
    ])
  })
})

suite('a provider’s error for a Messages client', () => {
  const refusal = { error: { message: 'Slow down.', type: 'requests', code: 429 } }

  test('keeps its status and its message', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(json(429, refusal, { 'retry-after': '30' }))
    await assert.rejects(sdkFor(gateway).messages.create(question), (error) => {
      assert.ok(error instanceof Anthropic.RateLimitError)
      assert.deepEqual([error.status, error.headers.get('retry-after')], [429, '30'])
      assert.match(error.message, /"type":"rate_limit_error","message":"Slow down\."/)
      return true
    })
  })

  test('has a status as the first event of a stream', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse([JSON.stringify(refusal)]))
    const { status, body } = await ask(gateway, { stream: true })
    assert.equal(status, 429)
    assert.deepEqual(JSON.parse(body).error, { type: 'rate_limit_error', message: 'Slow down.' })
  })

  test('ends a stream that has begun with an error event', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse([...payloads.slice(0, 3), JSON.stringify(refusal), '[DONE]']))
    const { status, body } = await ask(gateway, { stream: true })
    assert.equal(status, 200)
    assert.deepEqual(readMessage(body).error, { type: 'rate_limit_error', message: 'Slow down.' })
    assert.ok(!body.includes('message_stop'))
    assert.equal((await gateway.logged({ event: 'call' }))['code'], 'provider_bad_response')
  })

  const cut: readonly [what: string, script: Script][] = [
    ['ends early', [streamHead(), chunk(`data: ${delta('Hello')}\n\n`), lastChunk]],
    ['ends without a reason', sse([delta('Hello'), '[DONE]'])],
    ['is no JSON', sse([delta('Hello'), '{"choices":', finish('stop'), '[DONE]'])],
  ]
  for (const [what, script] of cut) {
    test(`is an event where the stream ${what}`, async (t) => {
      const { gateway, upstream } = await start(t)
      upstream.respond(script)
      const { status, body } = await ask(gateway, { stream: true })
      assert.equal(status, 200)
      const { content, error } = readMessage(body)
      assert.deepEqual(content, [{ type: 'text', text: 'Hello' }])
      assert.equal(error!.type, 'api_error')
    })

    test(`is a 502 for a whole response where the stream ${what}`, async (t) => {
      const { gateway, upstream } = await start(t)
      upstream.respond(script)
      const { status, body } = await ask(gateway)
      assert.deepEqual([status, JSON.parse(body).error.type], [502, 'api_error'])
    })
  }

  test('is a 502 where arguments of a whole response are broken', async (t) => {
    const { gateway, upstream } = await start(t)
    const broken = { message: { tool_calls: [{ ...call, index: undefined }] }, finish_reason: 'tool_calls' }
    upstream.respond(json(200, { choices: [broken], usage }))
    const { status, body } = await ask(gateway)
    assert.equal(status, 502)
    assert.match(JSON.parse(body).error.message, /arguments are not a JSON object/)
  })
})

suite('a Messages request', () => {
  test('that chat cannot express is refused by the name of the member, and costs nothing', async (t) => {
    const { gateway, upstream } = await start(t)
    const { status, headers, body } = await ask(gateway, { container: 'c_1' })
    assert.deepEqual([status, headers.get('x-llm-gateway-error')], [400, 'not_translatable'])
    const { type, message } = JSON.parse(body).error
    assert.equal(type, 'invalid_request_error')
    assert.match(message, /^container: a container is not supported by the provider of small/)
    assert.equal(upstream.requests.length, 0)
    assert.deepEqual(await used(gateway), { requests: 0, tokens: 0, parallel: 0 })
  })

  test('fails over from a native provider to one that speaks chat, as one clean stream', async (t) => {
    const targets = [{ provider: 'native' }, { provider: 'scripted', tier: 2 }]
    const { gateway, upstreams } = await start(t, { small: { targets } })
    const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
    upstreams.native.respond(json(529, overloaded))
    upstreams.scripted.respond(sse(payloads))
    const { status, headers, body } = await ask(gateway, { stream: true })
    assert.deepEqual([status, headers.get('x-llm-gateway-provider')], [200, 'scripted'])
    assert.deepEqual(readMessage(body).content, [{ type: 'text', text: 'Hello you' }])
    assert.equal(JSON.parse(upstreams.native.requests[0]!.body.toString()).max_tokens, 64)
  })

  test('fails over from a provider that speaks chat to a native one', async (t) => {
    const targets = [{ provider: 'scripted' }, { provider: 'native', tier: 2 }]
    const { gateway, upstreams } = await start(t, { small: { targets } })
    upstreams.scripted.respond(sse([piece({ role: 'assistant' }), '{"error":{"message":"no","code":503}}']))
    upstreams.native.respond([streamHead(), chunk(helloStream), lastChunk])
    const { body } = await ask(gateway, { stream: true })
    assert.equal(body, helloStream)
  })

  test('ends at the provider when its client leaves during the prefill', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond([streamHead(), hang])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('POST /v1/messages', {}, streamed))
    const request = await upstream.nextRequest()
    client.leave()
    assert.equal((await request.outcome).kind, 'aborted')
    assert.equal(client.received().length, 0)
    assert.equal((await gateway.logged({ event: 'call' }))['status'], 499)
  })
})

suite('heartbeats for a Messages client', () => {
  test('are pings, and within a block an empty delta too', async (t) => {
    const clock = new SkippingClock()
    const { gateway, upstream } = await start(t, {}, { clock, ticker: createTicker(clock.fake) })
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const
    const [head, ...events] = [...(sse(callPayloads) as readonly Step[])]
    const delta = { type: 'input_json_delta', partial_json: '' }
    const emptyDelta = { type: 'content_block_delta', index: 1, delta }
    upstream.respond([
      head!,
      wait(gates[0].promise),
      ...events.slice(0, 2),
      wait(gates[1].promise),
      ...events.slice(2),
    ])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('POST /v1/messages', {}, streamed))
    await upstream.nextRequest()
    await roundTrips(t, { gateway })
    clock.fake.advance(15_100)
    await client.seen('event: ping')
    gates[0].resolve()
    await client.seen('partial_json":"{')
    clock.fake.advance(100)
    for (let beats = 1; beats <= 3; beats += 1) {
      clock.fake.advance(15_100)
      await client.seen((eventText(ping) + eventText(emptyDelta)).repeat(beats))
    }
    gates[1].resolve()
    const body = (await client.response()).body().toString()
    assert.ok(body.startsWith(`${eventText(ping)}event: message_start\n`))
    assert.equal(body.match(/"partial_json":""/g)?.length, 3)
    const { content } = readMessage(body.slice(body.indexOf('event: message_start')))
    assert.deepEqual(content[1], { type: 'tool_use', id: 'call_1', name: 'look', input: { at: 'x' } })
  })
})
