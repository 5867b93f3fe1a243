// Clients of the Responses API in front of a provider that speaks only chat, on the wire.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { createTicker } from '../../src/call/ticker.ts'
import type { RawConfig } from '../../src/config/raw.ts'
import { readAsCodex, readEvents } from '../dialects/translate/codex-rules.ts'
import { roundTrips, SkippingClock, withoutConditions } from '../faults/fault.ts'
import { type Options, startGateway, type TestGateway } from '../support/app.ts'
import { post, used } from '../support/calls.ts'
import { callPiece, delta, finish, piece, usageEvent, whole } from '../support/chat-content.ts'
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
import { recordedClient } from './openai-client.ts'

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
const payloads = [
  piece({ role: 'assistant', content: '' }),
  delta('Hello'),
  delta(' you'),
  finish('stop'),
  usageEvent(usage),
  '[DONE]',
]
const onlyChat = { speaks: ['chat' as const] }

function start(t: TestContext, models: RawConfig['models'] = {}, options: Options = {}) {
  const limits = { small: { rpm: 20, tpm: 500_000 } }
  const setup = {
    providers: { scripted: onlyChat, native: { speaks: ['responses' as const] } },
    models: { small: { provider: 'scripted' }, ...models },
    rate_limit_settings: { limits },
  }
  return startGateway(t, setup, options)
}

async function respond(gateway: TestGateway, more: object = {}) {
  const response = await post(gateway, { model: 'small', input: 'hi', ...more }, { path: '/v1/responses' })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

function textOf(body: string): unknown {
  const { items } = readAsCodex(body)
  return items.map((item) => (item['content'] as { text: string }[])[0]!.text)
}

suite('a response is translated', () => {
  test('from a chat stream to events, and its usage is charged', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse(payloads))
    const { status, headers, body } = await respond(gateway, { stream: true, instructions: 'Be kind.' })
    assert.equal(status, 200, body)
    assert.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8')
    assert.equal(headers.get('x-llm-gateway-way'), 'responses_chat')
    const { items, end } = readAsCodex(body)
    assert.deepEqual(
      items.map(({ content }) => content),
      [[{ type: 'output_text', text: 'Hello you', annotations: [], logprobs: [] }]],
    )
    assert.equal(end.type, 'response.completed')
    assert.deepEqual([end.response!.usage!['input_tokens'], end.response!.usage!['output_tokens']], [7, 5])
    const [request] = upstream.requests
    assert.equal(request!.target, '/v1/chat/completions')
    assert.deepEqual(JSON.parse(request!.body.toString()), {
      model: 'small',
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'hi' },
      ],
      stream: true,
      stream_options: { include_usage: true },
    })
    assert.deepEqual(await used(gateway), { requests: 1, tokens: 12, parallel: 0 })
  })

  test('from a whole body to a whole body', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(whole())
    const { status, headers, body } = await respond(gateway)
    assert.equal(status, 200, body)
    assert.equal(headers.get('content-type'), 'application/json')
    const { object, model, output, usage: counted } = JSON.parse(body)
    assert.deepEqual([object, model, output[0].content[0].text], ['response', 'small', 'Hi!'])
    assert.equal(counted.total_tokens, 12)
    assert.equal(JSON.parse(upstream.requests[0]!.body.toString()).stream, undefined)
    assert.deepEqual(await used(gateway), { requests: 1, tokens: 12, parallel: 0 })
  })

  test('from a whole body to events, and from a stream to a whole body', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(whole())
    assert.deepEqual(textOf((await respond(gateway, { stream: true })).body), ['Hi!'])
    upstream.respond(sse(payloads))
    const { body } = await respond(gateway)
    assert.equal(JSON.parse(body).output[0].content[0].text, 'Hello you')
  })

  test('with parallel calls, wherever the stream is cut', async (t) => {
    const { gateway, upstream } = await start(t)
    const calls = [
      callPiece(0, '', { id: 'call_a', name: 'one' }),
      callPiece(0, '{"a":'),
      callPiece(1, '{"b"', { id: 'call_b', name: 'two' }),
      callPiece(0, '1}'),
      callPiece(1, ':2}'),
      finish('tool_calls'),
      '[DONE]',
    ]
    upstream.respond(sse(calls, { splitAt: 'every byte' }))
    const { items } = readAsCodex((await respond(gateway, { stream: true })).body)
    assert.deepEqual(
      items.map(({ type, call_id: id, name, arguments: args }) => [type, id, name, args]),
      [
        ['function_call', 'call_a', 'one', '{"a":1}'],
        ['function_call', 'call_b', 'two', '{"b":2}'],
      ],
    )
  })

  test('for the official SDK, whose custom tool gets its plain input', async (t) => {
    const { gateway, upstream } = await start(t)
    const patch = '*** Begin Patch\n+ "é"\n*** End Patch'
    const args = JSON.stringify({ input: patch })
    upstream.respond(
      sse([callPiece(0, args, { id: 'call_a', name: 'apply_patch' }), finish('tool_calls'), '[DONE]']),
    )
    const { openai } = recordedClient(gateway)
    const stream = openai.responses.stream({
      model: 'small',
      input: 'hi',
      tools: [{ type: 'custom', name: 'apply_patch' }],
    })
    const { output } = await stream.finalResponse()
    const [call] = output
    assert.ok(call?.type === 'custom_tool_call')
    assert.deepEqual([call.name, call.call_id, call.input], ['apply_patch', 'call_a', patch])
  })

  test('and its reasoning comes back to the provider in the next turn', async (t) => {
    const translation = { reasoning_field: 'reasoning_content' as const }
    const { gateway, upstream } = await start(t, { small: { provider: 'scripted', translation } })
    upstream.respond(
      sse([piece({ reasoning_content: 'Two and two.' }), delta('4'), finish('stop'), '[DONE]']),
    )
    const include = ['reasoning.encrypted_content']
    const { items } = readAsCodex((await respond(gateway, { stream: true, include })).body)
    // Some clients send the envelope alone.
    const history = items.map((item) => (item.type === 'reasoning' ? { ...item, summary: [] } : item))
    upstream.respond(whole())
    await respond(gateway, { include, input: history })
    const { messages } = JSON.parse(upstream.requests[1]!.body.toString())
    assert.deepEqual(messages, [{ role: 'assistant', content: '4', reasoning_content: 'Two and two.' }])
  })

  test('after a request that is too large to be copied', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(whole())
    const url = `data:image/png;base64,${'iVBOR'.repeat(400_000)}`
    const content = [{ type: 'input_image', image_url: url }]
    const { status, body } = await respond(gateway, {
      input: [{ role: 'user', content }],
      instructions: 'Look.',
    })
    assert.equal(status, 200, body)
    const sent = JSON.parse(upstream.requests[0]!.body.toString())
    assert.equal(sent.messages[1].content[0].image_url.url, url)
    assert.equal(JSON.parse(body).instructions, 'Look.')
  })
})

suite('what cannot be translated', () => {
  test('is refused by the name of the member, and costs nothing', async (t) => {
    const { gateway, upstream } = await start(t)
    const { status, headers, body } = await respond(gateway, { previous_response_id: 'resp_1' })
    assert.deepEqual([status, headers.get('x-llm-gateway-error')], [400, 'not_translatable'])
    const { code, param, message } = JSON.parse(body).error
    assert.deepEqual([code, param], ['not_translatable', 'previous_response_id'])
    assert.match(message, /state is not kept; send the whole input/)
    assert.equal(upstream.requests.length, 0)
    assert.deepEqual(await used(gateway), { requests: 0, tokens: 0, parallel: 0 })
  })

  test('passes to a provider that speaks the format', async (t) => {
    const targets = [{ provider: 'scripted' }, { provider: 'native', tier: 2 }]
    const { gateway, upstreams } = await start(t, { small: { targets } })
    const response = { id: 'resp_2', object: 'response', status: 'completed', output: [] }
    upstreams.native.respond(json(200, response))
    const { status, body } = await respond(gateway, { previous_response_id: 'resp_1' })
    assert.deepEqual([status, JSON.parse(body)], [200, response])
  })
})

suite('a provider’s error', () => {
  const overflow = {
    message: 'the request exceeds the available context size',
    type: 'exceed_context_size_error',
    code: 400,
  }

  test('keeps its status and its words, and gets the code that clients know', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(json(400, { error: overflow }))
    const { status, body } = await respond(gateway, { stream: true })
    assert.equal(status, 400)
    assert.deepEqual(JSON.parse(body).error, { ...overflow, param: null, code: 'context_length_exceeded' })
  })

  test('does so as the first event of a stream', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse([piece({ role: 'assistant' }), JSON.stringify({ error: overflow })]))
    const { status, body } = await respond(gateway, { stream: true })
    assert.deepEqual([status, JSON.parse(body).error.code], [400, 'context_length_exceeded'])
  })

  test('in mid-stream is a failed response, and what follows it becomes nothing', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse([delta('Hel'), JSON.stringify({ error: overflow }), '[DONE]']))
    const { status, body } = await respond(gateway, { stream: true })
    assert.equal(status, 200)
    const { end } = readAsCodex(body)
    const { code, message } = end.response!.error!
    assert.deepEqual(
      [end.type, code, message],
      ['response.failed', 'context_length_exceeded', overflow.message],
    )
    assert.equal((await gateway.logged({ event: 'call' }))['code'], 'provider_bad_response')
  })

  test('in mid-stream is a 502 for a client that wants a whole body', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse([delta('Hel'), JSON.stringify({ error: overflow }), '[DONE]']))
    const { status, body } = await respond(gateway)
    assert.deepEqual([status, JSON.parse(body).error.code], [502, 'provider_bad_response'])
  })

  test('before any output lets another target answer, natively or translated', async (t) => {
    const targets = [{ provider: 'native' }, { provider: 'scripted', tier: 2 }]
    const { gateway, upstream, upstreams } = await start(t, { small: { targets } })
    upstreams.native.respond(json(529, { error: { message: 'busy' } }))
    upstream.respond(sse(payloads))
    const { status, headers, body } = await respond(gateway, { stream: true })
    assert.deepEqual([status, headers.get('x-llm-gateway-provider')], [200, 'scripted'])
    assert.deepEqual(textOf(body), ['Hello you'])
  })

  const cuts: [string, Script][] = [
    ['cut', [streamHead(), chunk(`data: ${delta('Hel')}\n\n`), lastChunk]],
    ['without a reason of its end', sse([delta('Hel'), '[DONE]'])],
  ]
  for (const [what, script] of cuts) {
    test(`a stream that is ${what} ends as a failed response`, async (t) => {
      const { gateway, upstream } = await start(t)
      upstream.respond(script)
      const { body } = await respond(gateway, { stream: true })
      const { end } = readAsCodex(body)
      assert.deepEqual([end.type, end.response!.error!.code], ['response.failed', 'provider_bad_response'])
    })
  }
})

test('a client that leaves while the provider reads the prompt ends its request', async (t) => {
  const { gateway, upstream } = await start(t)
  upstream.respond([hang])
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest('POST /v1/responses', {}, '{"model":"small","input":"hi","stream":true}'))
  const request = await upstream.nextRequest()
  client.leave()
  assert.equal((await request.outcome).kind, 'aborted')
  assert.equal((await gateway.logged({ event: 'call' }))['status'], 499)
})

suite('six minutes of silence', () => {
  const timeouts = { first_byte_ms: 900_000, idle_ms: 900_000, total_ms: 0 }
  /** Codex gives a stream up after so long without an event. */
  const codexIdleMs = 300_000

  async function startSilent(t: TestContext) {
    const clock = new SkippingClock()
    const started = await startGateway(
      t,
      {
        ...withoutConditions,
        providers: { scripted: { ...onlyChat, timeouts } },
        models: { small: { provider: 'scripted' } },
      },
      { clock, ticker: createTicker(clock.fake) },
    )
    const client = await connectRaw(t, started.gateway.url)
    const send = () =>
      client.send(rawRequest('POST /v1/responses', {}, '{"model":"small","input":"hi","stream":true}'))
    return { ...started, clock, client, send }
  }

  test('within a stream bring an event every 15 s, and the numbers go on', async (t) => {
    const { gateway, upstream, clock, client, send } = await startSilent(t)
    const gate = Promise.withResolvers<void>()
    const [first, ...rest] = [...(sse(payloads.slice(1)) as Iterable<Step>)].slice(1)
    upstream.respond([streamHead(), first!, wait(gate.promise), ...rest])
    send()
    await client.seen('"delta":"Hello"')
    await roundTrips(t, { gateway })
    clock.fake.advance(100)
    for (let beat = 1; beat <= 24; beat += 1) {
      clock.fake.advance(15_100)
      await client.seen(`"sequence_number":${4 + beat}`)
    }
    gate.resolve()
    const body = (await client.response()).body().toString()
    assert.ok(!body.includes(': ping'))
    assert.equal(readEvents(body).filter(({ type }) => type === 'response.in_progress').length, 25)
    assert.deepEqual(textOf(body), ['Hello you'])
  })

  test('and an error after them goes on with the numbers', async (t) => {
    const { gateway, upstream, clock, client, send } = await startSilent(t)
    const gate = Promise.withResolvers<void>()
    const [first] = [...(sse(payloads.slice(1)) as Iterable<Step>)].slice(1)
    upstream.respond([streamHead(), first!, wait(gate.promise), lastChunk])
    send()
    await client.seen('"delta":"Hello"')
    await roundTrips(t, { gateway })
    clock.fake.advance(15_100)
    await client.seen('"sequence_number":5')
    gate.resolve()
    const { end } = readAsCodex((await client.response()).body().toString())
    assert.equal(end.type, 'response.failed')
  })

  test('before a stream bring an event before Codex gives up', async (t) => {
    const { gateway, upstream, clock, client, send } = await startSilent(t)
    const gate = Promise.withResolvers<void>()
    upstream.respond([wait(gate.promise), ...(sse(payloads) as Iterable<Step>)])
    send()
    await upstream.nextRequest()
    await roundTrips(t, { gateway })
    let silentMs = 0
    while (!client.received().includes('keepalive')) {
      assert.ok(silentMs < codexIdleMs)
      silentMs += 15_100
      clock.fake.advance(15_100)
      await client.seen(silentMs > 240_000 ? 'keepalive' : ': ping\n'.repeat(silentMs / 15_100))
    }
    gate.resolve()
    const body = (await client.response()).body().toString()
    const events = body.slice(body.indexOf('event: response.created'))
    assert.deepEqual(textOf(events), ['Hello you'])
  })
})
