// Clients of Ollama's own API in front of a provider that speaks only chat, and of Ollama itself, on the wire.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { Ollama } from 'ollama'

import { createTicker } from '../../src/call/ticker.ts'
import type { RawConfig } from '../../src/config/raw.ts'
import { readLines } from '../dialects/translate/ollama-rules.ts'
import { roundTrips, SkippingClock, withoutConditions } from '../faults/fault.ts'
import { type Options, startGateway, type TestGateway } from '../support/app.ts'
import { post, used } from '../support/calls.ts'
import { delta, usageEvent } from '../support/chat-content.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'
import {
  after,
  chunk,
  hang,
  json,
  lastChunk,
  type Script,
  sse,
  type Step,
  stream,
  streamHead,
  wait,
} from '../support/upstream-script.ts'

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
const piece = (content: object, more: object = {}) =>
  delta('', { choices: [{ index: 0, delta: content, finish_reason: null, ...more }] })
const finish = (reason: string) => piece({}, { finish_reason: reason })
const payloads = [
  piece({ role: 'assistant', content: '' }),
  piece({ reasoning_content: 'Hm.' }),
  delta('Hello'),
  delta(' you'),
  finish('stop'),
  usageEvent(usage),
  '[DONE]',
]
const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":' } }
const callPayloads = [
  delta('Looking.'),
  piece({ tool_calls: [call] }),
  piece({ tool_calls: [{ index: 0, function: { arguments: '"x",\n"n":1.0}' } }] }),
  finish('tool_calls'),
  usageEvent(usage),
  '[DONE]',
]
const messages = [{ role: 'user', content: 'hi' }]
const tools = [
  {
    type: 'function',
    function: { name: 'look', description: '', parameters: { type: 'object', properties: {} } },
  },
]
const ndjson = { contentType: 'application/x-ndjson' }

function line(more: object): string {
  return `${JSON.stringify({ model: 'local', created_at: '2026-01-01T00:00:00.5Z', ...more })}\n`
}

const lines = [
  line({ message: { role: 'assistant', content: 'Hel' }, done: false }),
  line({ message: { role: 'assistant', content: 'lo' }, done: false }),
  line({
    message: { role: 'assistant', content: '' },
    done: true,
    done_reason: 'stop',
    prompt_eval_count: 11,
    eval_count: 2,
  }),
]

function linesOf(each: readonly string[]): Script {
  return [streamHead({ 'content-type': 'application/x-ndjson' }), ...each.map(chunk), lastChunk]
}

function start(t: TestContext, models: RawConfig['models'] = {}, options: Options = {}) {
  return startGateway(
    t,
    {
      ...withoutConditions,
      providers: {
        scripted: { speaks: ['chat' as const] },
        ollama: { kind: 'ollama' as const },
        claude: { speaks: ['messages' as const] },
      },
      models: {
        small: { provider: 'scripted' },
        local: { provider: 'ollama' },
        cloud: { provider: 'claude' },
        ...models,
      },
      rate_limit_settings: { limits: { small: { rpm: 20, tpm: 500_000 }, local: { tpm: 500_000 } } },
    },
    options,
  )
}

function clientOf(gateway: TestGateway): Ollama {
  return new Ollama({ host: gateway.url })
}

async function ask(gateway: TestGateway, path: string, body: object) {
  const response = await post(gateway, body, { path })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

const wholeChat = {
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'Hello you', reasoning_content: 'Hm.' },
      finish_reason: 'stop',
    },
  ],
  usage,
}

suite('a chat response for a client of Ollama', () => {
  test('the official client accumulates from a stream what a whole response has', async (t) => {
    const { gateway, upstreams } = await start(t)
    const client = clientOf(gateway)
    upstreams.scripted.respond(sse(payloads, { splitAt: 'every byte' }))
    upstreams.scripted.respond(json(200, wholeChat))
    const parts = await Array.fromAsync(await client.chat({ model: 'small', messages, stream: true }))
    const complete = await client.chat({ model: 'small', messages, think: true })
    const joined = (name: 'content' | 'thinking') => parts.map(({ message }) => message[name] ?? '').join('')
    assert.deepEqual([joined('content'), joined('thinking')], ['Hello you', 'Hm.'])
    assert.deepEqual([complete.message.content, complete.message.thinking], ['Hello you', 'Hm.'])
    const last = parts.at(-1)!
    for (const { model, done, done_reason, prompt_eval_count, eval_count } of [last, complete]) {
      assert.deepEqual(
        [model, done, done_reason, prompt_eval_count, eval_count],
        ['small', true, 'stop', 7, 5],
      )
    }
    assert.ok(last.total_duration >= last.eval_duration && last.eval_duration >= 0)
    const sent = upstreams.scripted.requests.map(({ body }) => JSON.parse(body.toString()))
    assert.deepEqual(sent, [
      { model: 'small', messages, stream: true, stream_options: { include_usage: true } },
      { model: 'small', messages, reasoning_effort: 'medium' },
    ])
    assert.equal((await used(gateway)).tokens, 24)
  })

  test('without "stream" it is streamed as lines, with the way and the provider in its head', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.scripted.respond(sse(payloads))
    const { status, headers, body } = await ask(gateway, '/api/chat', { model: 'small:latest', messages })
    assert.equal(status, 200)
    assert.equal(headers.get('content-type'), 'application/x-ndjson')
    assert.equal(headers.get('x-llm-gateway-way'), 'ollama_chat')
    const sent = body.trimEnd().split('\n')
    assert.deepEqual(
      sent.map((each) => JSON.parse(each).message),
      [
        { role: 'assistant', content: '', thinking: 'Hm.' },
        { role: 'assistant', content: 'Hello' },
        { role: 'assistant', content: ' you' },
        { role: 'assistant', content: '' },
      ],
    )
    const { way, model } = await gateway.logged({ dialect: 'ollama_chat' })
    assert.deepEqual([way, model], ['ollama_chat', 'small'])
  })

  test('calls of tools come whole, with their arguments as they were written', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.scripted.respondAlways(sse(callPayloads))
    const { body } = await ask(gateway, '/api/chat', { model: 'small', messages, tools })
    assert.ok(
      body.includes('"id":"call_1","function":{"index":0,"name":"look","arguments":{"at":"x", "n":1.0}}'),
      body,
    )
    const parts = await Array.fromAsync(
      await clientOf(gateway).chat({ model: 'small', messages, tools, stream: true }),
    )
    const calls = parts.flatMap(({ message }) => message.tool_calls ?? [])
    assert.deepEqual(calls[0]!.function.arguments, { at: 'x', n: 1 })
    const history = [
      ...messages,
      {
        role: 'assistant',
        content: '',
        tool_calls: calls.map(({ function: called }) => ({ function: called })),
      },
      { role: 'tool', content: 'a wall', tool_name: 'look' },
    ]
    await Array.fromAsync(await clientOf(gateway).chat({ model: 'small', messages: history, stream: true }))
    const sent = JSON.parse(upstreams.scripted.requests.at(-1)!.body.toString())
    assert.deepEqual(sent.messages.slice(1), [
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'call_0', type: 'function', function: { name: 'look', arguments: '{"at":"x","n":1}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_0', content: 'a wall' },
    ])
  })

  test('images, a schema and options reach the provider in its form', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.scripted.respondAlways(json(200, wholeChat))
    const png = `iVBORw0KGgo${'A'.repeat(300)}`
    const format = { type: 'object', properties: { a: { type: 'number' } } }
    const generated = await clientOf(gateway).generate({
      model: 'small',
      system: 'Be brief.',
      prompt: 'What is it?',
      images: [png],
      format,
      options: { num_predict: 50, temperature: 0.5, seed: 1, stop: ['x'], num_ctx: 4096 },
    })
    assert.equal(generated.response, 'Hello you')
    const sent = JSON.parse(upstreams.scripted.requests[0]!.body.toString())
    assert.deepEqual(sent, {
      model: 'small',
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is it?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } },
          ],
        },
      ],
      max_tokens: 50,
      temperature: 0.5,
      seed: 1,
      stop: ['x'],
      response_format: { type: 'json_schema', json_schema: { name: 'output', schema: format } },
    })
    const { dropped } = await gateway.logged({ dialect: 'ollama_generate' })
    assert.deepEqual(dropped, ['options.num_ctx'])
  })

  test('errors have the form that clients print, before the stream and in it', async (t) => {
    const { gateway, upstreams } = await start(t)
    const client = clientOf(gateway)
    upstreams.scripted.respond(json(429, { error: { message: 'Slow down.' } }))
    const refused = await ask(gateway, '/api/chat', { model: 'small', messages })
    assert.deepEqual([refused.status, refused.body], [429, '{"error":"Slow down."}'])
    const failing: Script = sse([delta('Hel'), JSON.stringify({ error: { message: 'It broke.' } })])
    upstreams.scripted.respond(failing)
    const reading = Array.fromAsync(await client.chat({ model: 'small', messages, stream: true }))
    await assert.rejects(reading, /It broke\./)
    await assert.rejects(client.chat({ model: 'unknown', messages }), { status_code: 404 })
    const suffixed = client.generate({ model: 'small', prompt: 'a', suffix: 'b' })
    await assert.rejects(suffixed, { status_code: 400, message: /suffix/ })
    upstreams.scripted.respond([streamHead(), chunk(`data: ${delta('Hel')}\n\n`), { kind: 'end' }])
    const cut = Array.fromAsync(await client.chat({ model: 'small', messages, stream: true }))
    await assert.rejects(cut, /provider/i)
  })

  test('a client that aborts ends the request to the provider', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.scripted.respond([streamHead(), chunk(`data: ${delta('Hel')}\n\n`), hang])
    const client = clientOf(gateway)
    const reading = async () => {
      for await (const _ of await client.chat({ model: 'small', messages, stream: true })) client.abort()
    }
    await assert.rejects(reading(), { name: 'AbortError' })
    const { outcome } = await upstreams.scripted.nextRequest()
    assert.equal((await outcome).kind, 'aborted')
  })

  test('a request without a prompt is answered without asking a server that loads by itself', async (t) => {
    const { gateway, upstreams } = await start(t)
    const loaded = await ask(gateway, '/api/generate', { model: 'small', keep_alive: '5m' })
    const { created_at: at, ...rest } = JSON.parse(loaded.body)
    assert.ok(Date.parse(at) > 0)
    assert.deepEqual(rest, { model: 'small', response: '', done: true, done_reason: 'load' })
    const unloaded = await ask(gateway, '/api/chat', { model: 'small', messages: [], keep_alive: 0 })
    assert.equal(JSON.parse(unloaded.body).done_reason, 'unload')
    assert.equal(upstreams.scripted.requests.length, 0)
  })

  test('a provider of Messages is reached through chat', async (t) => {
    const { gateway, upstreams } = await start(t)
    const content = [{ type: 'text', text: 'Hello' }]
    const message = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'c',
      content,
      stop_reason: 'max_tokens',
    }
    upstreams.claude.respond(json(200, { ...message, usage: { input_tokens: 3, output_tokens: 4 } }))
    const answer = await clientOf(gateway).chat({ model: 'cloud', messages, options: { num_predict: 9 } })
    const { done_reason, prompt_eval_count, eval_count } = answer
    assert.deepEqual(
      [answer.message.content, done_reason, prompt_eval_count, eval_count],
      ['Hello', 'length', 3, 4],
    )
    assert.equal(JSON.parse(upstreams.claude.requests[0]!.body.toString()).max_tokens, 9)
  })
})

suite('a silent stream', () => {
  for (const [model, way] of [
    ['small', 'translated'],
    ['local', 'passed'],
  ] as const) {
    test(`gets white space before its next line: ${way}`, async (t) => {
      const clock = new SkippingClock()
      const { gateway, upstreams } = await start(t, {}, { clock, ticker: createTicker(clock.fake) })
      const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const
      const script = model === 'small' ? sse(payloads) : linesOf(lines)
      const upstream = model === 'small' ? upstreams.scripted : upstreams.ollama
      const [head, ...events] = [...(script as readonly Step[])]
      const begun = events.slice(0, model === 'small' ? 3 : 1)
      const rest = events.slice(begun.length)
      upstream.respond([head!, wait(gates[0].promise), ...begun, wait(gates[1].promise), ...rest])
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest('POST /api/chat', {}, JSON.stringify({ model, messages })))
      await upstream.nextRequest()
      await roundTrips(t, { gateway })
      clock.fake.advance(15_100)
      await client.seen(' ')
      gates[0].resolve()
      await client.seen('"Hel')
      clock.fake.advance(100)
      for (let beats = 1; beats <= 2; beats += 1) {
        clock.fake.advance(15_100)
        await client.seen(`"done":false}\n${' '.repeat(beats)}`)
      }
      gates[1].resolve()
      const response = await client.response()
      assert.equal(response.header('content-type'), 'application/x-ndjson')
      const body = response.body().toString()
      assert.ok(body.startsWith(' {') && body.includes('}\n  {'), body)
      const { text, hasEnd } = readLines('ollama_chat', body)
      assert.deepEqual([text, hasEnd], [model === 'small' ? 'Hello you' : 'Hello', true])
    })
  }

  test('that fails after that ends with a line of the error', async (t) => {
    const clock = new SkippingClock()
    const { gateway, upstreams } = await start(t, {}, { clock, ticker: createTicker(clock.fake) })
    const gate = Promise.withResolvers<void>()
    upstreams.scripted.respond(after(gate.promise, json(400, { error: { message: 'Too long.' } })))
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('POST /api/chat', {}, JSON.stringify({ model: 'small', messages })))
    await upstreams.scripted.nextRequest()
    await roundTrips(t, { gateway })
    clock.fake.advance(15_100)
    await client.seen(' ')
    gate.resolve()
    const response = await client.response()
    assert.equal(response.body().toString(), ' {"error":"Too long."}\n')
  })

  test('of a model that loads for long ends with the line that says so', async (t) => {
    const clock = new SkippingClock()
    const { gateway, upstreams } = await start(t, {}, { clock, ticker: createTicker(clock.fake) })
    const gate = Promise.withResolvers<void>()
    const loaded = { model: 'local', created_at: 'x', response: '', done: true, done_reason: 'load' }
    upstreams.ollama.respond(after(gate.promise, json(200, loaded)))
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('POST /api/generate', {}, '{"model":"local"}'))
    await upstreams.ollama.nextRequest()
    await roundTrips(t, { gateway })
    clock.fake.advance(15_100)
    await client.seen(' ')
    gate.resolve()
    const response = await client.response()
    assert.equal(response.body().toString(), ` ${JSON.stringify(loaded)}\n`)
  })
})

suite('Ollama itself', () => {
  test('receives the bytes, and its lines pass as they are', async (t) => {
    const { gateway, upstreams } = await start(t)
    const body =
      '{"model": "local", "messages":[{"role":"user","content":"hi"}],"options":{"top_k":1.0}, "x":1}'
    for (const splitAt of [[], 'every byte'] as const) {
      upstreams.ollama.respond(stream(lines.join(''), { ...ndjson, splitAt }))
      const response = await post(gateway, body, { path: '/api/chat' })
      assert.equal(await response.text(), lines.join(''))
      assert.equal(response.headers.get('content-type'), 'application/x-ndjson')
      const { target, body: sent } = await upstreams.ollama.nextRequest()
      assert.deepEqual([target, sent.toString()], ['/api/chat', body])
    }
    assert.equal((await used(gateway, 'local')).tokens, 26)
    await gateway.logged({ way: 'pass', prompt_tokens: 11, completion_tokens: 2 })
  })

  test('a stream that ends without its last line, or with an error, is reported as an error', async (t) => {
    const { gateway, upstreams } = await start(t)
    const client = clientOf(gateway)
    upstreams.ollama.respond(stream(lines[0]!, ndjson))
    const cut = Array.fromAsync(await client.chat({ model: 'local', messages, stream: true }))
    await assert.rejects(cut, /ended without its final event/)
    upstreams.ollama.respond(stream(`${lines[0]}{"error":"no memory"}\n`, ndjson))
    const failed = Array.fromAsync(await client.chat({ model: 'local', messages, stream: true }))
    await assert.rejects(failed, /no memory/)
    upstreams.ollama.respond(stream('{"error":"cannot load"}\n', ndjson))
    await assert.rejects(client.chat({ model: 'local', messages, stream: true }), { status_code: 500 })
  })

  test('loads a model, and says so on a line', async (t) => {
    const { gateway, upstreams } = await start(t)
    const loaded = { model: 'local', created_at: 'x', response: '', done: true, done_reason: 'load' }
    upstreams.ollama.respond(json(200, loaded))
    const { headers, body } = await ask(gateway, '/api/generate', { model: 'local' })
    assert.equal(body, `${JSON.stringify(loaded)}\n`)
    assert.equal(headers.get('content-type'), 'application/x-ndjson')
  })

  test('is managed where its entry allows it', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      providers: { ollama: { kind: 'ollama', allow_management: true } },
      models: { local: { provider: 'ollama' } },
    })
    upstream.respond(json(200, { model: 'local', response: '', done: true, done_reason: 'unload' }))
    const body = { model: 'local', keep_alive: 0, stream: false }
    const { status } = await ask(gateway, '/api/generate', body)
    assert.equal(status, 200)
    assert.deepEqual(JSON.parse((await upstream.nextRequest()).body.toString()), body)
  })

  test('is not managed by those who only use it', async (t) => {
    const { gateway, upstreams } = await start(t)
    const managing = [
      { keep_alive: 0 },
      { keep_alive: '-1m' },
      { keep_alive: '0s' },
      { options: { num_ctx: 8192 } },
      { options: { num_gpu: 0 } },
    ]
    for (const more of managing) {
      const { status, headers, body } = await ask(gateway, '/api/chat', { model: 'local', messages, ...more })
      assert.deepEqual([status, headers.get('x-llm-gateway-error')], [403, 'management_not_allowed'], body)
    }
    assert.equal(upstreams.ollama.requests.length, 0)
    upstreams.ollama.respond(stream(lines.join(''), ndjson))
    const allowed = { keep_alive: '5m', options: { num_predict: 5, num_keep: 2 } }
    const { status } = await ask(gateway, '/api/chat', { model: 'local', messages, ...allowed })
    assert.equal(status, 200)
  })
})
