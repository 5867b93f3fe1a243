// What clients of streams met: usage that was asked for behind their backs, heartbeats and errors that their SDKs do not take.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { roundTrips } from '../faults/fault.ts'
import { post } from '../support/calls.ts'
import { delta, messages } from '../support/chat-content.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { connectRaw, exchange, rawRequest, type RawClient } from '../support/raw-client.ts'
import {
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
import { echo } from '../support/gateway-config.ts'
import { createTicker } from '../../src/call/ticker.ts'

const written = (payloads: readonly string[]) => payloads.map((payload) => `data: ${payload}\n\n`).join('')

suite('a stream whose usage only the gateway asked for comes as if it had not', () => {
  const usage = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 }
  const envelope = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' }
  const last = JSON.stringify({ ...envelope, choices: [], usage, obfuscation: '' })

  test("without OpenAI's null usage in every chunk, wherever it stands, in one write per chunk of the provider", async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const choices = (content: string) => [{ index: 0, delta: { content }, finish_reason: null }]
    const tool = [
      {
        index: 0,
        delta: { tool_calls: [{ index: 0, function: { name: 'usage', arguments: '{"usage":null}' } }] },
      },
    ]
    const asked = [
      JSON.stringify({ ...envelope, choices: choices('a'), usage: null }),
      JSON.stringify({ usage: null, ...envelope, choices: choices('b') }),
      JSON.stringify({ ...envelope, usage: null, choices: choices('"usage":null') }),
      JSON.stringify({ ...envelope, choices: tool, usage: null, obfuscation: 'x}' }),
      `{"choices": [{"index": 0, "delta": {"content": "c", "usage": null}}], "usage": null, "model": "m"}`,
    ]
    const plain = [
      JSON.stringify({ ...envelope, choices: choices('a') }),
      JSON.stringify({ ...envelope, choices: choices('b') }),
      JSON.stringify({ ...envelope, choices: choices('"usage":null') }),
      JSON.stringify({ ...envelope, choices: tool, obfuscation: 'x}' }),
      `{"choices": [{"index": 0, "delta": {"content": "c", "usage": null}}], "model": "m"}`,
    ]
    upstream.respond([streamHead(), chunk(written(asked)), chunk(written([last, '[DONE]'])), lastChunk])
    const { chunks } = await exchange(t, gateway.url, chatCall)
    assert.deepEqual(chunks.map(String), [written(plain), written(['[DONE]'])])

    for (const splitAt of ['every byte', [100, 300, 500]] as const) {
      upstream.respond(sse([...asked, last, '[DONE]'], { splitAt }))
      const again = await (await post(gateway, { model: 'plain', stream: true, messages })).text()
      assert.equal(again, written([...plain, '[DONE]']))
    }
  })

  test('and one whose client asked comes as it is', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const events = [delta('a', { usage: null }), last, '[DONE]']
    upstream.respond(sse(events))
    const asking = { model: 'plain', stream: true, messages, stream_options: { include_usage: true } }
    assert.equal(await (await post(gateway, asking)).text(), written(events))
  })
})

const created = {
  type: 'response.created',
  sequence_number: 0,
  response: {
    id: 'resp_68af4030',
    object: 'response',
    created_at: 1_763_769_600,
    status: 'in_progress',
    error: null,
    instructions: 'x'.repeat(5000),
    model: 'gpt-5',
  },
}
const textDelta = {
  type: 'response.output_text.delta',
  sequence_number: 7,
  item_id: 'msg_1',
  output_index: 0,
  content_index: 0,
  delta: 'Hi',
}
const named = (data: { readonly type: string; readonly [member: string]: unknown }) =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
const responseCall = rawRequest('POST /v1/responses', {}, '{"model":"plain","stream":true,"input":"a"}')
const chatCall = rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","stream":true,"messages":[]}')

interface EventData {
  readonly type: string
  readonly sequence_number: number
  readonly code: string
  readonly message: string
  readonly param: string | null
  readonly error: object
  readonly response: Readonly<Record<string, unknown>>
}

/** The data of each event of a stream. */
function dataOf(text: string): EventData[] {
  const data = text.split('\n').filter((line) => line.startsWith('data: '))
  return data.map((line) => JSON.parse(line.slice('data: '.length)) as EventData)
}

/** A call at a provider that does this; time passes as the test says, by minutes if need be. */
async function startSilence(t: TestContext, request: Buffer, script: Script) {
  const clock = new FakeClock()
  const timeouts = { first_byte_ms: 0, idle_ms: 0 }
  const { gateway, upstream } = await startGateway(
    t,
    { providers: { scripted: { timeouts } } },
    { clock, ticker: createTicker(clock) },
  )
  upstream.respond(script)
  const client = await connectRaw(t, gateway.url)
  client.send(request)
  await upstream.nextRequest()
  await roundTrips(t, { gateway })
  return { gateway, client, clock }
}

suite('an error within a streamed response', () => {
  for (const [what, script] of [
    ['breaks', [streamHead(), chunk(named(created)), chunk(named(textDelta)), reset]],
    ['ends without its final event', [streamHead(), chunk(named(created) + named(textDelta)), lastChunk]],
  ] satisfies [string, Script][]) {
    test(`whose provider ${what}: a numbered error, then the response as failed`, async (t) => {
      const { gateway, upstream } = await startGateway(t)
      upstream.respond(script)
      const client = await connectRaw(t, gateway.url)
      client.send(responseCall)
      const body = (await client.response()).body().toString()
      const before = named(created) + named(textDelta)
      assert.equal(body.slice(0, before.length), before)
      const names = body
        .slice(before.length)
        .split('\n')
        .filter((line) => line.startsWith('event: '))
      assert.deepEqual(names, ['event: error', 'event: response.failed'])
      const [error, failed] = dataOf(body.slice(before.length)) as [EventData, EventData]
      assert.deepEqual(
        [error.type, error.code, error.param, error.sequence_number],
        ['error', 'provider_bad_response', null, 8],
      )
      // Where OpenAI's own server has them.
      const { code, message, param } = error
      assert.deepEqual(error.error, { type: 'api_error', code, message, param })
      const { type, sequence_number, response } = failed
      assert.deepEqual([type, sequence_number], ['response.failed', 9])
      assert.deepEqual(response['error'], { code: error.code, message: error.message })
      const { id, object, created_at, status, output } = response
      assert.deepEqual(
        [id, object, created_at, status, output],
        ['resp_68af4030', 'response', 1_763_769_600, 'failed', []],
      )
    })
  }

  test('before its first event, after heartbeats: numbered from 0, in the words of the provider, with the time to retry', async (t) => {
    const gate = Promise.withResolvers<void>()
    const error = {
      message: 'Slow down. Please try again in 20s.',
      type: 'requests',
      param: null,
      code: 'rate_limit_exceeded',
    }
    const refusal = json(429, { error }, { 'retry-after': '20', 'x-should-retry': 'false' })
    const { client, clock } = await startSilence(t, responseCall, [wait(gate.promise), ...(refusal as [])])
    clock.advance(15_100)
    await client.seen(': ping')
    gate.resolve()
    const body = (await client.response()).body().toString()
    const [event, failed] = dataOf(body) as [EventData, EventData]
    assert.deepEqual(event, {
      type: 'error',
      sequence_number: 0,
      code: error.code,
      message: error.message,
      param: null,
      error,
      retry_after_ms: 20_000,
    })
    assert.equal(failed.sequence_number, 1)
    assert.match(String(failed.response['id']), /^resp_./)
    assert.deepEqual(failed.response['error'], { code: error.code, message: error.message })
  })

  test('an error event that the provider sends itself stays as it is, and none is added', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const body =
      named(created) +
      named({ type: 'response.output_text.delta', sequence_number: 1, delta: 'a' }) +
      named({ type: 'error', sequence_number: 2, code: 'server_error', message: 'no', param: null })
    upstream.respond([streamHead(), chunk(body), lastChunk])
    const client = await connectRaw(t, gateway.url)
    client.send(responseCall)
    assert.equal((await client.response()).body().toString(), body)
  })
})

suite('a heartbeat', () => {
  test('of a chat stream dispatches nothing, after events with ids too', async (t) => {
    const event = `id: 7\ndata: ${delta('a')}\n\n`
    const gate = Promise.withResolvers<void>()
    const last = [chunk('data: [DONE]\n\n'), lastChunk]
    const { client, clock } = await startSilence(t, chatCall, [
      streamHead(),
      chunk(event),
      wait(gate.promise),
      ...last,
    ])
    await beat(client, clock, 'ping')
    gate.resolve()
    const body = (await client.response()).body().toString()
    assert.equal(body, `${event}: ping\ndata: [DONE]\n\n`)
    assert.deepEqual(dispatched(body), [delta('a'), '[DONE]'])
  })

  test('of a response between events is an event of its own kind, with the number of the last one', async (t) => {
    const gate = Promise.withResolvers<void>()
    const next = [chunk(named({ type: 'response.completed' })), lastChunk]
    const { client, clock } = await startSilence(t, responseCall, [
      streamHead(),
      chunk(named(created) + named(textDelta)),
      chunk(': busy\n\n'),
      wait(gate.promise),
      ...next,
    ])
    await beat(client, clock, 'keepalive')
    gate.resolve()
    const beats = 'event: keepalive\ndata: {"type":"keepalive","sequence_number":7}\n\n'
    const body = (await client.response()).body().toString()
    assert.equal(
      body,
      `${named(created)}${named(textDelta)}: busy\n\n${beats}${named({ type: 'response.completed' })}`,
    )
  })

  test('of a response before its first event is a comment, but in 240 s one is an event, because Codex waits 300 s for one', async (t) => {
    const { client, clock } = await startSilence(t, responseCall, [hang])
    clock.advance(239_000)
    await client.seen(': ping\n'.repeat(15))
    assert.ok(!client.received().includes('keepalive'))
    clock.advance(16_000)
    await client.seen('event: keepalive\ndata: {"type":"keepalive","sequence_number":0}\n\n')
    clock.advance(15_100)
    await client.seen('}\n\n: ping\n')
    client.leave()
  })
})

/** Lets a heartbeat's time pass. */
async function beat(client: RawClient, clock: FakeClock, seen: string): Promise<void> {
  clock.advance(100)
  clock.advance(15_100)
  await client.seen(seen)
}

/** What a reader dispatches that takes an event for one as soon as any field was set. */
function dispatched(stream: string): string[] {
  const events: string[] = []
  let fields = new Map<string, string>()
  let lastId = ''
  for (const line of stream.split('\n')) {
    if (line === '' && (fields.size > 0 || lastId !== '')) {
      events.push(fields.get('data') ?? '')
      fields = new Map()
    } else if (line !== '' && !line.startsWith(':')) {
      const [name, value] = line.split(/: (.*)/) as [string, string]
      if (name === 'id') lastId = value
      else fields.set(name, value)
    }
  }
  // After the last blank line comes nothing.
  return lastId === '' ? events : events.slice(0, -1)
}

test('the echo streams a whole response: item and part begin and end, each event numbered', async (t) => {
  const { gateway } = await startGateway(t, { ...echo, models: { echo: { provider: 'echo' } } })
  const response = await post(
    gateway,
    { model: 'echo', input: 'Hello there', stream: true },
    { path: '/v1/responses' },
  )
  const events = dataOf(await response.text()) as (EventData & Readonly<Record<string, unknown>>)[]
  assert.deepEqual(
    events.map(({ type }) => type.replace('response.', '')),
    [
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'completed',
    ],
  )
  assert.deepEqual(
    events.map((event) => event.sequence_number),
    events.map((_, index) => index),
  )
  const { output, usage } = events.at(-1)!.response
  assert.deepEqual(output, [events[8]!['item']])
  assert.deepEqual(usage, { input_tokens: 2, output_tokens: 2, total_tokens: 4 })
  const [created, added, part, first] = [events[0]!, events[2]!, events[3]!, events[4]!]
  assert.deepEqual([created.response['status'], created.response['output']], ['in_progress', []])
  const { id, content } = added['item'] as { readonly id: string; readonly content: unknown }
  assert.deepEqual(content, [])
  assert.deepEqual([part['item_id'], first['item_id']], [id, id])
})
