// The Messages format at both ends.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { messagesDialect } from '../../../src/dialects/anthropic/messages.ts'
import { GatewayError } from '../../../src/errors.ts'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import { encodeEvent } from '../../../src/bytes/sse.ts'

const { native } = messagesDialect
const data = (value: object) => Buffer.from(JSON.stringify(value))
const event = (value: { readonly type: string }) =>
  encodeEvent({ event: value.type, data: JSON.stringify(value) })
const delta = (index: number, members: object) => ({ type: 'content_block_delta', index, delta: members })

function read(body: object | string): ModelRequest {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const request = messagesDialect.readRequest({
    contentType: 'application/json',
    body: Buffer.from(text),
  })
  if (request instanceof GatewayError) throw request
  return request
}

function refusal(body: object): GatewayError {
  const received = { contentType: 'application/json', body: data(body) }
  const error = messagesDialect.readRequest(received)
  assert.ok(error instanceof GatewayError)
  return error
}

describe('requests', () => {
  test('only true streams, and null counts as absent', () => {
    const body = { model: 'm', max_tokens: 5, messages: [] }
    const streams = [undefined, null, false, true].map((stream) => read({ ...body, stream }).isStream)
    assert.deepEqual(streams, [false, false, false, true])
    for (const stream of ['true', 1, [], {}]) {
      assert.deepEqual(
        [refusal({ ...body, stream }).param, refusal({ ...body, stream }).status],
        ['stream', 400],
      )
    }
  })

  test('messages is a list', () => {
    assert.equal(refusal({ model: 'm' }).param, 'messages')
    assert.equal(refusal({ model: 'm', messages: 'hello' }).param, 'messages')
    assert.equal(refusal({ messages: [] }).param, 'model')
  })

  test('members that decide what a call costs stand once and as they are spelled', () => {
    for (const name of ['model', 'messages', 'system', 'tools', 'max_tokens', 'stream']) {
      const received = (text: string) => ({ contentType: 'application/json', body: Buffer.from(text) })
      const twice = messagesDialect.readRequest(
        received(`{"model":"m","messages":[],"${name}":1,"${name}":1}`),
      )
      assert.ok(twice instanceof GatewayError && twice.param === name, name)
    }
  })

  test('the size counts instructions, turns, tools and schemas, and images as media', () => {
    const image = {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(4_096) },
    }
    const { size } = read({
      model: 'm',
      max_tokens: 77,
      system: [{ type: 'text', text: 's'.repeat(1_000) }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'u'.repeat(2_000) }, image] }],
      tools: [{ name: 't', description: 'd'.repeat(500), input_schema: { type: 'object', properties: {} } }],
      output_config: { format: { type: 'json_schema', schema: { enum: ['e'.repeat(300)] } } },
    })
    assert.ok(size.textBytes >= 3_800 && size.textBytes < 4_200, String(size.textBytes))
    assert.deepEqual([size.mediaCount, size.messageCount, size.maxOutputTokens, size.choices], [1, 1, 77, 1])
  })

  test('the prompt is tools, instructions and turns, without the billing block and cache marks', () => {
    const promptOf = (body: object) => {
      const { bytes, spans } = read(body).promptPieces
      const parts = spans.filter((_, index) => index % 2 === 0)
      return parts.map((start, index) => bytes.toString('utf8', start, spans[2 * index + 1])).join('|')
    }
    const mark = { cache_control: { type: 'ephemeral' } }
    const prompt = (cch: string, marks: object, content = 'hi') =>
      promptOf({
        messages: [{ role: 'user', content: [{ type: 'text', text: content, ...marks }] }],
        model: 'm',
        system: [
          { type: 'text', text: `x-anthropic-billing-header: cc_version=2.1; cch=${cch};` },
          { type: 'text', text: 'be brief', ...marks },
        ],
        tools: [{ name: 't' }],
      })
    assert.equal(
      prompt('a', {}),
      '{"name":"t"}|{"type":"text","text":"be brief"}|{"role":"user","content":[{"type":"text","text":"hi"}]}',
    )
    assert.equal(
      prompt('bcd', mark).replaceAll('"|}', '"}').replaceAll('|', ''),
      prompt('a', {}).replaceAll('|', ''),
    )
    assert.equal(prompt('a', {}, ''), prompt('b', {}, ''))
  })

  test('the marks are found in pieces as in one', () => {
    const mark = { cache_control: { type: 'ephemeral', ttl: '5m' } }
    const content = Array.from({ length: 50 }, (_, index) => ({
      type: 'text',
      text: 'x'.repeat(index),
      ...mark,
    }))
    const body = { model: 'm', system: content, messages: [{ role: 'user', content }] }
    const { spans } = read(body).promptPieces
    assert.ok(spans.length >= 200)
    for (const maxBytes of [1, 7, 300, 2_000]) {
      const pieces = read(body).promptPieces
      let rounds = 1
      while (!pieces.findSpans(maxBytes)) rounds += 1
      assert.ok(rounds >= 5)
      assert.deepEqual(pieces.spans, spans)
    }
  })

  test('marks in any number, and blanks before one, take bounded work each', () => {
    const marks = '"cache_control":{},'.repeat(200_000)
    const { spans } = read(`{"model":"m","messages":[{${marks}"a":1}]}`).promptPieces
    assert.ok(spans.length <= 2_100, String(spans.length))
    const blanks = ' '.repeat(100_000)
    const { bytes, spans: parts } = read(
      `{"model":"m","messages":[{"a":1,${blanks}"cache_control":{}}]}`,
    ).promptPieces
    assert.ok(bytes.toString('latin1', parts[0], parts[1]).startsWith('{"a":1,'))
    assert.ok(parts[1]! - parts[0]! > 90_000)
    assert.equal(bytes.toString('latin1', parts[2], parts[3]), '}')
  })

  test('only the model is replaced', () => {
    const text = '{ "model" : "m", "messages":[], "max_tokens":1.0, "unknown":{"b":1,"a":[]} }'
    assert.equal((read(text).bodyFor('p', false) as Buffer).toString(), text.replace('"m"', '"p"'))
    const same = read(text)
    assert.equal(same.bodyFor('m', false), same.body)
  })
})

describe('streams', () => {
  test('what brings nothing of an answer is a preamble', () => {
    const block = (content_block: object) => ({ type: 'content_block_start', index: 0, content_block })
    const preambles = [
      { type: 'message_start', message: { id: 'm', content: [], usage: { input_tokens: 3 } } },
      { type: 'ping' },
      block({ type: 'text', text: '' }),
      block({ type: 'thinking', thinking: '', signature: '' }),
    ]
    const answers = [
      block({ type: 'text', text: 'a' }),
      block({ type: 'tool_use', id: 't', name: 'n', input: {} }),
      block({ type: 'redacted_thinking', data: 'x' }),
      delta(0, { type: 'text_delta', text: '' }),
      { type: 'message_delta', delta: { stop_reason: 'end_turn' } },
      { type: 'error', error: { type: 'overloaded_error', message: 'm' } },
    ]
    assert.ok(preambles.every((each) => native.isPreamble(data(each))))
    assert.ok(!answers.some((each) => native.isPreamble(data(each))))
  })

  test('text, thinking and arguments are metered, and nothing else', () => {
    const bytes = (members: object) => native.usage.textBytes(event(delta(0, members)))
    assert.equal(bytes({ type: 'text_delta', text: 'four' }), 4)
    assert.equal(bytes({ type: 'thinking_delta', thinking: 'sixsix' }), 6)
    assert.equal(bytes({ type: 'input_json_delta', partial_json: '{' }), 1)
    assert.equal(bytes({ type: 'signature_delta', signature: 'EqQBCgIYAhIk' }), 0)
    assert.equal(native.usage.textBytes(event({ type: 'ping' })), 0)
  })

  test('usage comes first with the prompt, cache included, and last with the output', () => {
    const usage = {
      input_tokens: 10,
      cache_creation_input_tokens: 10,
      cache_read_input_tokens: 80,
      output_tokens: 1,
    }
    const start = { type: 'message_start', message: { usage } }
    assert.equal(native.usage.readEvent(event(start))?.usage?.promptTokens, 100)
    const last = { type: 'message_delta', delta: {}, usage: { output_tokens: 5 } }
    assert.equal(native.usage.readEvent(event(last))?.usage?.completionTokens, 5)
  })

  test('a stream is whole with message_stop only', () => {
    const last = event({ type: 'message_delta' })
    const stop = event({ type: 'message_stop' })
    const error = event({ type: 'error' })
    assert.equal(native.ending([last]), 'cut')
    assert.equal(native.ending([last, stop]), 'over')
    assert.equal(native.ending([stop, encodeEvent({ data: '[DONE]' })]), 'over')
    assert.equal(native.ending([last, error]), 'error')
    assert.equal(native.ending([Buffer.from('data: {"error":{"message":"m"}}\n\n')]), 'error')
    assert.ok(native.isEndMark(Buffer.from('[DONE]')) && native.isEndMark(data({ type: 'message_stop' })))
  })

  test('an error without a name becomes one that SDKs see; every other event stays as it is', () => {
    const plain = Buffer.from('data: {"type":"error","error":{"type":"overloaded_error","message":"m"}}\n\n')
    const named = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"m"}}\n\n'
    assert.equal(native.standardEvent(plain).toString(), named)
    const short = Buffer.from('data: {"error":{"message":"m"}}\n\n')
    assert.match(native.standardEvent(short).toString(), /^event: error\n.*"type":"api_error","message":"m"/)
    for (const text of [
      named,
      'data: {"type":"ping"}\n\n',
      'data: {"text":"\\"error\\""}\n\n',
      ': ping\n\n',
    ]) {
      const bytes = Buffer.from(text)
      assert.equal(native.standardEvent(bytes), bytes)
    }
  })
})

describe('own events', () => {
  test('a heartbeat is a ping, and an empty delta for an open block', () => {
    const own = messagesDialect.ownEvents('req_1')
    const ping = 'event: ping\ndata: {"type":"ping"}\n\n'
    assert.equal(own.heartbeat(15_000).toString(), ping)
    const after = (...events: readonly { readonly type: string }[]) => {
      own.sent(Buffer.concat(events.map(event)))
      return own.heartbeat(15_000).toString().slice(ping.length)
    }
    assert.equal(after({ type: 'message_start' }), '')
    const text = after(delta(1, { type: 'text_delta', text: 'a' }))
    assert.match(
      text,
      /^event: content_block_delta\ndata: \{.*"index":1,"delta":\{"type":"text_delta","text":""\}\}\n\n$/,
    )
    assert.equal(after({ type: 'ping' }), text)
    assert.match(
      after(delta(2, { type: 'input_json_delta', partial_json: '{' })),
      /"index":2.*"partial_json":""/,
    )
    assert.match(after(delta(0, { type: 'signature_delta', signature: 'x' })), /"thinking":""/)
    assert.equal(after(delta(0, { type: 'text_delta', text: 'a' }), { type: 'content_block_stop' }), '')
  })

  test('an error is one event in the form of Anthropic', () => {
    const own = messagesDialect.ownEvents('req_1')
    const error = own.error(new GatewayError('provider_timeout', 'm')).toString()
    assert.equal(
      error,
      'event: error\ndata: {"type":"error","error":{"type":"timeout_error","message":"m"}}\n\n',
    )
  })
})

describe('errors', () => {
  const about = { requestId: 'req_1', wallNowMs: Date.UTC(2026, 0, 1) }
  const typeOf = (code: ConstructorParameters<typeof GatewayError>[0]) => {
    const { body } = messagesDialect.renderError(new GatewayError(code, 'm'), about)
    return (JSON.parse(body.toString()) as { error: { type: string } }).error.type
  }

  test("types are Anthropic's", () => {
    assert.equal(typeOf('invalid_request'), 'invalid_request_error')
    assert.equal(typeOf('model_not_found'), 'not_found_error')
    assert.equal(typeOf('origin_not_allowed'), 'permission_error')
    assert.equal(typeOf('request_too_large'), 'request_too_large')
    assert.equal(typeOf('unsupported_media_type'), 'invalid_request_error')
    assert.equal(typeOf('provider_unreachable'), 'api_error')
    assert.equal(typeOf('provider_timeout'), 'timeout_error')
    assert.equal(typeOf('overloaded'), 'overloaded_error')
    assert.equal(typeOf('shutting_down'), 'api_error')
  })

  test('carry the id of the request, and at a limit the time of its reset as an instant', () => {
    const quota = { limit: 5, remaining: 0, resetMs: 30_500 }
    const limit = {
      counts: 'requests',
      status: { requests: quota, tokens: undefined },
      retryAfterMs: 2_500,
    } as const
    const { headers, body } = messagesDialect.renderError(
      new GatewayError('rate_limit_exceeded', 'slow', { limit }),
      about,
    )
    assert.deepEqual(JSON.parse(body.toString()), {
      type: 'error',
      error: { type: 'rate_limit_error', message: 'slow' },
      request_id: 'req_1',
    })
    const pairs = Object.fromEntries(
      headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]]] : [])),
    )
    assert.equal(pairs['request-id'], 'req_1')
    assert.equal(pairs['anthropic-ratelimit-requests-remaining'], '0')
    assert.equal(pairs['anthropic-ratelimit-requests-reset'], '2026-01-01T00:00:31Z')
    assert.equal(pairs['retry-after'], '3')
    assert.equal(pairs['retry-after-ms'], '2500')
  })

  test("a provider's error that hides in an event has its type's status", () => {
    const status = (error: object) => native.errorHeadOf(data({ type: 'error', error }))?.status
    const types = ['overloaded_error', 'rate_limit_error', 'api_error', 'invalid_request_error', 'odd_error']
    assert.deepEqual(
      types.map((type) => status({ type, message: 'm' })),
      [529, 429, 500, 400, 500],
    )
    assert.equal(native.errorHeadOf(data({ type: 'message_start', message: { error: null } })), undefined)
  })
})
