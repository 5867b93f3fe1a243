// Clients of OpenAI's formats in front of a provider that speaks Anthropic's Messages, on the wire.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import type OpenAI from 'openai'

import type { RawConfig } from '../../src/config/raw.ts'
import { startGateway } from '../support/app.ts'
import { post, used } from '../support/calls.ts'
import { messages } from '../support/chat-content.ts'
import { providerKey } from '../support/gateway-config.ts'
import {
  endFor,
  errorEvent,
  eventText,
  helloMessage,
  messageEnd,
  messageStart,
  type MessageEvent,
  ping,
  textBlock,
  thinkingBlock,
  toolBlock,
} from '../support/message-events.ts'
import { chunk, json, reset, type Script, stream, streamHead } from '../support/upstream-script.ts'
import { recordedClient } from './openai-client.ts'

const limits = { sonnet: { rpm: 10, tpm: 100_000 } }

function start(t: TestContext, models: RawConfig['models'] = { sonnet: { provider: 'claude' } }) {
  const providers = { claude: { kind: 'anthropic' as const }, second: { kind: 'anthropic' as const } }
  return startGateway(t, { providers, models, rate_limit_settings: { limits } })
}

function events(...all: readonly MessageEvent[]): Script {
  return stream(all.map(eventText).join(''))
}

const weather = {
  type: 'function' as const,
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
}

const answer = [
  messageStart,
  ping,
  ...thinkingBlock(0, 'They want the weather.', 'c2lnbmF0dXJl'),
  ...textBlock(1, 'I ', 'look.'),
  ...toolBlock(2, { id: 'toolu_1', name: 'weather' }, '', '{"city":', ' "Oslo"}'),
  ...toolBlock(3, { id: 'toolu_2', name: 'weather' }),
  ...endFor('tool_use'),
]

suite('a chat client of a provider that speaks Messages', () => {
  test('gets its stream, and the provider a request of its own format with its own key', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(events(...answer))
    const body = { model: 'sonnet', messages, stream: true, tools: [weather] }
    const response = await post(gateway, { ...body, stream_options: { include_usage: true } })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
    assert.equal(response.headers.get('x-llm-gateway-way'), 'chat_messages')
    const text = await response.text()
    assert.ok(text.endsWith('data: [DONE]\n\n'), text)
    assert.ok(text.includes('"prompt_tokens":100'), text)
    const [request] = upstream.requests
    assert.equal(request!.target, '/v1/messages')
    assert.equal(request!.header('x-api-key'), providerKey)
    assert.equal(request!.header('anthropic-version'), '2023-06-01')
    assert.equal(request!.header('authorization'), undefined)
    assert.deepEqual(JSON.parse(request!.body.toString()), {
      model: 'sonnet',
      max_tokens: 32_000,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      tools: [{ name: 'weather', input_schema: weather.function.parameters }],
      stream: true,
    })
    assert.deepEqual(await used(gateway, 'sonnet'), { requests: 1, tokens: 105, parallel: 0 })
  })

  test("reads streams and whole answers alike with OpenAI's SDK", async (t) => {
    const { gateway, upstream } = await start(t)
    const { openai } = recordedClient(gateway)
    const whole = {
      ...helloMessage,
      content: [
        { type: 'thinking', thinking: 'They want the weather.', signature: 'c2lnbmF0dXJl' },
        { type: 'text', text: 'I look.' },
        { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Oslo' } },
        { type: 'tool_use', id: 'toolu_2', name: 'weather', input: {} },
      ],
      stop_reason: 'tool_use',
    }
    upstream.respond(events(...answer))
    upstream.respond(json(200, whole))
    const body = { model: 'sonnet', messages, tools: [weather] }
    const streamed = await openai.chat.completions
      .stream({ ...body, stream_options: { include_usage: true } })
      .finalChatCompletion()
    const once = await openai.chat.completions.create(body)
    for (const { choices, usage } of [streamed, once]) {
      const [{ message: said, finish_reason: reason }] = choices as [(typeof choices)[0]]
      assert.equal(reason, 'tool_calls')
      assert.equal(said.content, 'I look.')
      assert.deepEqual(
        said.tool_calls?.map(
          (call) => call.type === 'function' && [call.id, JSON.parse(call.function.arguments)],
        ),
        [
          ['toolu_1', { city: 'Oslo' }],
          ['toolu_2', {}],
        ],
      )
      assert.deepEqual(usage, {
        prompt_tokens: 100,
        completion_tokens: 5,
        total_tokens: 105,
        prompt_tokens_details: { cached_tokens: 80, cache_write_tokens: 10 },
      })
    }
  })

  test('sends signed reasoning back as the SDK has kept it', async (t) => {
    const { gateway, upstream } = await start(t)
    const { openai } = recordedClient(gateway)
    upstream.respond(events(...answer))
    upstream.respond(json(200, helloMessage))
    const body = { model: 'sonnet', tools: [weather] }
    const { choices } = await openai.chat.completions.stream({ ...body, messages }).finalChatCompletion()
    const results = ['toolu_1', 'toolu_2'].map((id) => ({
      role: 'tool' as const,
      tool_call_id: id,
      content: '4 °C',
    }))
    await openai.chat.completions.create({
      ...body,
      messages: [...messages, choices[0]!.message, ...results],
    })
    const { messages: turns } = JSON.parse(upstream.requests[1]!.body.toString())
    assert.deepEqual(turns[1].content[0], {
      type: 'thinking',
      thinking: 'They want the weather.',
      signature: 'c2lnbmF0dXJl',
    })
  })

  const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded – later' } }
  const ownWords = {
    error: { message: 'Overloaded – later', type: 'server_error', param: null, code: 'overloaded_error' },
  }

  test("gets a provider's error in the words of its own format, with a status that it has", async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(json(529, overloaded, { 'x-should-retry': 'false' }))
    const response = await post(gateway, { model: 'sonnet', messages })
    assert.equal(response.status, 503)
    assert.equal(response.headers.get('content-type'), 'application/json')
    assert.deepEqual(await response.json(), ownWords)
  })

  test('gets a status for an error before the first piece, and an error event after it', async (t) => {
    const { gateway, upstream } = await start(t)
    const limited = errorEvent('rate_limit_error', 'Slow down')
    upstream.respond(events(messageStart, limited))
    const early = await post(gateway, { model: 'sonnet', messages, stream: true })
    assert.equal(early.status, 429)
    const { error } = (await early.json()) as { error: object }
    assert.deepEqual(error, {
      message: 'Slow down',
      type: 'rate_limit_error',
      param: null,
      code: 'rate_limit_exceeded',
    })
    upstream.respond(events(messageStart, ...textBlock(0, 'So')))
    upstream.respond(
      events(
        messageStart,
        ...textBlock(0, 'So').slice(0, 2),
        errorEvent('overloaded_error', 'Overloaded – later'),
      ),
    )
    const cut = await (await post(gateway, { model: 'sonnet', messages, stream: true })).text()
    assert.match(cut, /"content":"So"/)
    assert.match(cut, /"error":\{"message":"[^"]*ended without its final event/)
    assert.doesNotMatch(cut, /\[DONE\]|"finish_reason":"/)
    const late = await (await post(gateway, { model: 'sonnet', messages, stream: true })).text()
    assert.ok(late.endsWith(`data: ${JSON.stringify(ownWords)}\n\n`), late)
  })

  test('does not notice a target that is overloaded, or breaks off after a beginning without output', async (t) => {
    const targets = [{ provider: 'claude' }, { provider: 'second', model: 'claude-haiku', tier: 2 }]
    const { gateway, upstreams } = await start(t, { sonnet: { targets } })
    const broken: Script = [streamHead(), chunk(eventText(messageStart)), reset]
    for (const failure of [json(529, overloaded), broken]) {
      upstreams.claude.respond(failure)
      upstreams.second.respond(events(messageStart, ...textBlock(0, 'Hi!'), ...messageEnd))
      const response = await post(gateway, { model: 'sonnet', messages, stream: true })
      assert.equal(response.status, 200)
      const text = await response.text()
      assert.match(text, /"content":"Hi!"/)
      assert.ok(text.endsWith('data: [DONE]\n\n'))
    }
  })

  test('is told by name what the provider cannot do', async (t) => {
    const { gateway, upstream } = await start(t)
    const refusals = [
      ['/v1/chat/completions', { messages, n: 2 }, 'n', /"n" is not supported/],
      ['/v1/embeddings', { input: 'hi' }, null, /neither \/v1\/embeddings nor a format/],
      ['/v1/completions', { prompt: 'hi' }, null, /neither \/v1\/completions nor a format/],
    ] as const
    for (const [path, body, param, words] of refusals) {
      const response = await post(gateway, { model: 'sonnet', ...body }, { path })
      assert.deepEqual(
        [response.status, response.headers.get('x-llm-gateway-error')],
        [400, 'not_translatable'],
      )
      const { error } = (await response.json()) as { error: { param: string | null; message: string } }
      assert.equal(error.param, param)
      assert.match(error.message, words)
    }
    assert.equal(upstream.requests.length, 0)
  })
})

suite('a Responses client of a provider that speaks Messages', () => {
  test('sends signed reasoning back without reading it', async (t) => {
    const { gateway, upstream } = await start(t)
    const { openai } = recordedClient(gateway)
    upstream.respond(events(...answer))
    upstream.respond(events(messageStart, ...textBlock(0, 'Cold.'), ...messageEnd))
    const body = {
      model: 'sonnet',
      store: false,
      include: ['reasoning.encrypted_content' as const],
      tools: [{ type: 'function' as const, strict: null, ...weather.function }],
    }
    const first = await openai.responses.stream({ ...body, input: messages }).finalResponse()
    assert.deepEqual(
      first.output.map(({ type }) => type),
      ['reasoning', 'message', 'function_call', 'function_call'],
    )
    assert.deepEqual([first.usage?.input_tokens, first.usage?.output_tokens], [100, 5])
    const results = first.output
      .filter((item) => item.type === 'function_call')
      .map(({ call_id }) => ({ type: 'function_call_output' as const, call_id, output: '4 °C' }))
    const input = [...messages, ...first.output, ...results] as OpenAI.Responses.ResponseInput
    const second = await openai.responses.stream({ ...body, input }).finalResponse()
    assert.equal(second.output_text, 'Cold.')
    const [, request] = upstream.requests
    assert.equal(request!.target, '/v1/messages')
    assert.deepEqual(JSON.parse(request!.body.toString()).messages, [
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'They want the weather.', signature: 'c2lnbmF0dXJl' },
          { type: 'text', text: 'I look.' },
          { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Oslo' } },
          { type: 'tool_use', id: 'toolu_2', name: 'weather', input: {} },
        ],
      },
      {
        role: 'user',
        content: ['toolu_1', 'toolu_2'].map((id) => ({
          type: 'tool_result',
          tool_use_id: id,
          content: '4 °C',
        })),
      },
    ])
  })

  test('is told in its own names what the provider cannot do', async (t) => {
    const { gateway } = await start(t)
    const body = { model: 'sonnet', input: 'hi', top_logprobs: 3 }
    const response = await post(gateway, body, { path: '/v1/responses' })
    assert.equal(response.status, 400)
    const { error } = (await response.json()) as { error: { code: string; param: string } }
    assert.deepEqual([error.code, error.param], ['not_translatable', 'top_logprobs'])
  })

  test('gets a body of megabytes through', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(json(200, helloMessage))
    const data = 'iVBORw0KGgo'.repeat(200_000)
    const part = { type: 'input_image', image_url: `data:image/png;base64,${data}` }
    const input = [{ role: 'user', content: [part] }]
    const response = await post(gateway, { model: 'sonnet', input }, { path: '/v1/responses' })
    assert.equal(response.status, 200)
    const { output } = (await response.json()) as { output: { content: { text: string }[] }[] }
    assert.equal(output[0]!.content[0]!.text, 'Hello there')
    const { messages: turns } = JSON.parse(upstream.requests[0]!.body.toString())
    assert.deepEqual(turns[0].content[0].source, { type: 'base64', media_type: 'image/png', data })
  })
})
