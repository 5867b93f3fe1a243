// The official Anthropic client in front of a provider that speaks its format.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import Anthropic, {
  APIError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from '@anthropic-ai/sdk'
import { createTicker } from '../../src/call/ticker.ts'
import { startGateway, type TestGateway } from '../support/app.ts'
import { SkippingClock, withoutConditions } from '../faults/fault.ts'
import {
  eventText,
  helloMessage,
  helloStream,
  type MessageEvent,
  messageEnd,
  messageStart,
  ping,
  textBlock,
} from '../support/message-events.ts'
import {
  chunk,
  content,
  json,
  lastChunk,
  type Script,
  stream,
  streamHead,
  wait,
} from '../support/upstream-script.ts'
import { startLimited } from './limited.ts'

const question: Anthropic.MessageCreateParamsNonStreaming = {
  model: 'plain',
  max_tokens: 64,
  messages: [{ role: 'user', content: 'hello' }],
}

/** Pointed at the gateway as a user would, without its own retries. */
function clientOf({ url }: TestGateway, authToken?: string): Anthropic {
  const credential = authToken === undefined ? { apiKey: 'none' } : { apiKey: null, authToken }
  return new Anthropic({ ...credential, baseURL: url, maxRetries: 0 })
}

async function start(t: Parameters<typeof startGateway>[0], script: Script, authToken?: string) {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(script)
  return { client: clientOf(gateway, authToken), gateway, upstream }
}

/** Blocks of every kind that a stream builds up, the second one with an input that numbers of JavaScript cannot hold. */
const thinking = { type: 'thinking', thinking: 'Let me look.', signature: 'EqQBCgIYAhIk' }
const input = '{"path":"a/b.txt","line":12345678901234567890,"ratio":1.0}'
const richEvents: readonly MessageEvent[] = [
  messageStart,
  { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Let me ' } },
  ping,
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'look.' } },
  {
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'signature_delta', signature: thinking.signature },
  },
  { type: 'content_block_stop', index: 0 },
  ...textBlock(1, 'Reading', ' it.'),
  {
    type: 'content_block_start',
    index: 2,
    content_block: { type: 'tool_use', id: 'toolu_1', name: 'read', input: {} },
  },
  { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '' } },
  {
    type: 'content_block_delta',
    index: 2,
    delta: { type: 'input_json_delta', partial_json: input.slice(0, 20) },
  },
  {
    type: 'content_block_delta',
    index: 2,
    delta: { type: 'input_json_delta', partial_json: input.slice(20) },
  },
  { type: 'content_block_stop', index: 2 },
  {
    type: 'message_delta',
    delta: { stop_reason: 'tool_use', stop_sequence: null },
    usage: { output_tokens: 31 },
  },
  { type: 'message_stop' },
]
const richStream = richEvents.map(eventText).join('')
const richMessage = JSON.stringify({
  ...helloMessage,
  content: [
    thinking,
    { type: 'text', text: 'Reading it.' },
    { type: 'tool_use', id: 'toolu_1', name: 'read', input: 'INPUT' },
  ],
  stop_reason: 'tool_use',
  usage: { ...helloMessage.usage, output_tokens: 31 },
}).replace('"INPUT"', input)

const partsOf = ({ content: blocks, stop_reason: reason, usage }: Anthropic.Message) => ({
  blocks: JSON.parse(JSON.stringify(blocks)) as unknown,
  reason,
  tokens: [usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens],
})

describe('messages', () => {
  test('whole, with the id of the request', async (t) => {
    const headers = { 'request-id': 'req_1' }
    const { client } = await start(t, json(200, helloMessage, headers), 'a-token')
    const { data, request_id: id } = await client.messages.create(question).withResponse()
    assert.deepEqual([data.content, id], [helloMessage.content, 'req_1'])
  })

  test('as a stream, which the accumulator reads to the same message', async (t) => {
    const whole = await start(t, content(200, 'application/json', richMessage))
    const streamed = await start(t, stream(richStream, { splitAt: 'every byte' }))
    const message = await streamed.client.messages.stream(question).finalMessage()
    assert.deepEqual(partsOf(message), partsOf(await whole.client.messages.create(question)))
    assert.equal(message.stop_reason, 'tool_use')
  })

  test('counted', async (t) => {
    const { client } = await start(t, json(200, { input_tokens: 9 }))
    const { model, messages } = question
    assert.equal((await client.messages.countTokens({ model, messages })).input_tokens, 9)
  })
})

describe('a provider that ignores how it was asked', () => {
  test('and sends a whole message: its client gets the events that lead to it', async (t) => {
    const { client, upstream } = await start(t, content(200, 'application/json', richMessage))
    const { response, data } = await client.messages.create({ ...question, stream: true }).withResponse()
    assert.equal(response.headers.get('x-llm-gateway-way'), 'split')
    const seen: string[] = []
    for await (const event of data) seen.push(event.type)
    assert.deepEqual(
      seen.filter((type) => !type.startsWith('content_block')),
      ['message_start', 'message_delta', 'message_stop'],
    )
    const message = await client.messages.stream(question).finalMessage()
    const whole = await client.messages.create(question)
    assert.deepEqual(partsOf(message), partsOf(whole))
    assert.equal(upstream.requests.length, 3)
  })

  test('and streams: its client gets one message, with inputs as they were written', async (t) => {
    const { client } = await start(t, stream(richStream))
    const response = await client.messages.create(question).asResponse()
    assert.equal(response.headers.get('x-llm-gateway-way'), 'assembled')
    assert.equal(response.headers.get('content-type'), 'application/json')
    const text = await response.text()
    assert.ok(text.includes(input), text)
    assert.deepEqual(
      partsOf(JSON.parse(text) as Anthropic.Message),
      partsOf(JSON.parse(richMessage) as Anthropic.Message),
    )
  })

  test('and streams an input that is none: that is an error of the provider, not an empty input', async (t) => {
    const { client } = await start(t, stream(richStream.replaceAll('1.0}', '1.')))
    await assert.rejects(client.messages.create(question), (error) => {
      assert.ok(error instanceof InternalServerError)
      assert.equal(error.status, 502)
      assert.equal(error.type, 'api_error')
      return true
    })
  })
})

describe('errors', () => {
  const providers: readonly (readonly [number, string, abstract new (...args: never) => APIError])[] = [
    [400, 'invalid_request_error', BadRequestError],
    [404, 'not_found_error', NotFoundError],
    [413, 'request_too_large', APIError],
    [429, 'rate_limit_error', RateLimitError],
    [500, 'api_error', InternalServerError],
    [529, 'overloaded_error', InternalServerError],
  ]
  for (const [status, type, kind] of providers) {
    test(`of the provider with ${status} are its own class, whole and as a first event`, async (t) => {
      const error = { type: 'error', error: { type, message: `words of ${type} about the model` } }
      const { client, upstream } = await start(t, json(status, error, { 'request-id': 'req_2' }))
      const check = (found: unknown) => {
        assert.ok(found instanceof kind)
        assert.deepEqual([found.status, found.type, found.error], [status, type, error])
        return true
      }
      await assert.rejects(client.messages.create(question), check)
      await assert.rejects(client.messages.stream(question).finalMessage(), check)
      upstream.respondAlways(stream([messageStart, error].map(eventText).join('')))
      await assert.rejects(client.messages.stream(question).finalMessage(), check)
    })
  }

  test('of the provider in the middle of a stream reach the client in its words', async (t) => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
    const { client } = await start(
      t,
      stream([messageStart, ...textBlock(0, 'a'), error].map(eventText).join('')),
    )
    await assert.rejects(client.messages.stream(question).finalMessage(), (found) => {
      assert.ok(found instanceof APIError)
      assert.deepEqual(found.error, error)
      return true
    })
  })

  test('a stream that is cut is an error', async (t) => {
    const { client } = await start(
      t,
      stream(helloStream.slice(0, helloStream.indexOf('event: message_delta'))),
    )
    await assert.rejects(client.messages.stream(question).finalMessage(), /without its final event/)
  })

  test('of the gateway: a model that does not exist, a page of a foreign origin', async (t) => {
    const { client, gateway } = await start(t, json(200, helloMessage))
    await assert.rejects(client.messages.create({ ...question, model: 'nowhere' }), (found) => {
      assert.ok(found instanceof NotFoundError)
      assert.equal(found.requestID, found.headers.get('x-request-id'))
      return true
    })
    const page = new Anthropic({
      apiKey: 'none',
      baseURL: gateway.url,
      maxRetries: 0,
      defaultHeaders: { origin: 'http://evil.example' },
    })
    await assert.rejects(page.messages.create(question), PermissionDeniedError)
  })

  test('of the gateway: a limit, which the client waits for as long as it is told', async (t) => {
    const { gateway, upstream } = await startLimited(t, { limits: { small: { rpm: 1 } } })
    upstream.respondAlways(json(200, helloMessage))
    const client = clientOf(gateway)
    await client.messages.create({ ...question, model: 'small' })
    await assert.rejects(client.messages.create({ ...question, model: 'small' }), (found) => {
      assert.ok(found instanceof RateLimitError)
      assert.equal(found.headers.get('retry-after'), '60')
      assert.equal(found.headers.get('anthropic-ratelimit-requests-remaining'), '0')
      return true
    })
  })
})

test('heartbeats before the response, between its blocks and within one change nothing of the message', async (t) => {
  const clock = new SkippingClock()
  const { gateway, upstream } = await startGateway(
    t,
    {
      ...withoutConditions,
      providers: { scripted: { timeouts: { first_byte_ms: 600_000, idle_ms: 600_000 } } },
    },
    { clock, ticker: createTicker(clock.fake) },
  )
  const events = [messageStart, ...textBlock(0, 'Hello', ' there'), ...messageEnd].map(eventText)
  const gates = events.map(() => Promise.withResolvers<void>())
  upstream.respond([
    streamHead(),
    ...events.flatMap((event, index) => [wait(gates[index]!.promise), chunk(event)]),
    lastChunk,
  ])
  const raw: string[] = []
  const client = new Anthropic({
    apiKey: 'none',
    baseURL: gateway.url,
    maxRetries: 0,
    async fetch(url, init) {
      const response = await fetch(url, init)
      const [seen, passed] = response.body!.pipeThrough(new TextDecoderStream()).tee()
      void (async () => {
        for await (const text of seen) raw.push(text)
      })()
      return new Response(passed.pipeThrough(new TextEncoderStream()), response)
    },
  })
  const beats = () => raw.join('').split('event: ping').length - 1
  const read = client.messages.stream(question).finalMessage()
  await upstream.nextRequest()
  for (const [index, { resolve }] of gates.entries()) {
    const before = beats()
    for (let turn = 0; beats() === before; turn += 1) {
      assert.ok(turn < 10_000, `a heartbeat before event ${index}`)
      clock.fake.advance(100)
      await new Promise((done) => void setImmediate(done))
    }
    resolve()
  }
  const message = await read
  assert.deepEqual(message.content, [{ type: 'text', text: 'Hello there' }])
  assert.match(
    raw.join(''),
    /event: ping\ndata: \{"type":"ping"\}\n\nevent: content_block_delta\ndata: .*"text":""/,
  )
})
