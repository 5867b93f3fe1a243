// Whole answers of llama.cpp for clients of other formats: asked for as streams of chat, of which the translation makes them.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { connectRaw, exchange, rawRequest, type RawResponse } from '../support/raw-client.ts'
import { chunk, hang, json, sse, streamHead, type Script } from '../support/upstream-script.ts'
import { type Running, startGateway } from '../support/app.ts'
import type { Cleanup, ReceivedRequest, ScriptedUpstream } from '../support/scripted-upstream.ts'

const envelope = { created: 7, id: 'chatcmpl-1', model: 'm', system_fingerprint: 'b1' }
const usage = {
  completion_tokens: 5,
  prompt_tokens: 40,
  total_tokens: 45,
  prompt_tokens_details: { cached_tokens: 8 },
}
const timings = { cache_n: 8, prompt_n: 32, predicted_n: 5 }

function delta(content: object, finish: string | null = null, more: object = {}): string {
  const choices = [{ finish_reason: finish, index: 0, delta: content }]
  return JSON.stringify({ choices, ...envelope, object: 'chat.completion.chunk', ...more })
}

function called(more: object): object {
  return { tool_calls: [{ index: 0, ...more }] }
}

const role = { role: 'assistant', content: null }
const progress = { prompt_progress: { total: 40, cache: 8, processed: 8, time_ms: 0 } }
const counted = JSON.stringify({ choices: [], ...envelope, usage, timings })
const textEvents = [
  delta(role, null, progress),
  delta(role),
  delta({ reasoning_content: 'Hm' }),
  delta({ content: 'é"' }),
  delta({ content: '\n1😀' }),
  delta({}, 'stop'),
  counted,
  '[DONE]',
]
const callEvents = [
  delta(role, null, progress),
  delta(called({ id: 'c1', type: 'function', function: { name: 'w', arguments: '' } })),
  delta(called({ function: { arguments: '{"a":' } })),
  delta(called({ function: { arguments: '3.50}' } })),
  delta({}, 'tool_calls'),
  counted,
  '[DONE]',
]

function whole(message: object, finish: string): Script {
  const choices = [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }]
  return json(200, { choices, ...envelope, object: 'chat.completion', usage, timings })
}

const textWhole = whole({ content: 'é"\n1😀', reasoning_content: 'Hm' }, 'stop')
const call = { id: 'c1', type: 'function', function: { name: 'w', arguments: '{"a":3.50}' } }
const callWhole = whole({ content: null, tool_calls: [call] }, 'tool_calls')

const user = [{ role: 'user', content: 'Hi' }]
const routes = [
  ['ollama_chat', 'POST /api/chat', { model: 'plain', stream: false, messages: user }],
  ['ollama_generate_chat', 'POST /api/generate', { model: 'plain', stream: false, prompt: 'Hi' }],
  ['messages_chat', 'POST /v1/messages', { model: 'plain', max_tokens: 50, messages: user }],
  ['responses_chat', 'POST /v1/responses', { model: 'plain', input: 'Hi' }],
] as const

const llama = { kind: 'llama_cpp' as const, speaks: ['chat' as const] }

function start(t: Cleanup, provider: object = {}): Promise<Running> {
  return startGateway(t, { providers: { scripted: { ...llama, ...provider } } })
}

function ask(
  t: Cleanup,
  { gateway }: Running,
  to: Parameters<typeof rawRequest>[0],
  body: object,
): Promise<RawResponse> {
  return exchange(t, gateway.url, rawRequest(to, {}, JSON.stringify(body)))
}

function isCall({ method, target }: Pick<ReceivedRequest, 'method' | 'target'>): boolean {
  return method === 'POST' && target === '/v1/chat/completions'
}

function answer(upstream: ScriptedUpstream, script: Script): void {
  upstream.respondAlways((received) => (isCall(received) ? script : json(404, {})))
}

function received({ requests }: ScriptedUpstream): ReceivedRequest {
  return requests.find(isCall)!
}

/** Without ids and times. */
function comparable(response: RawResponse): unknown {
  const text = response.body().toString()
  return JSON.parse(
    text
      .replaceAll(/"(?:msg|resp|rs|fc|call)_[\w-]*"/g, '"id"')
      .replaceAll(/"created_at":("[^"]*"|\d+)/g, '"created_at":0')
      .replaceAll(/"(completed_at|\w+_duration)":\d+/g, '"$1":0'),
  )
}

/** Waits until so many tokens of the open call have been counted. */
async function untilTokens({ gateway }: Running, prompt: number, output: number): Promise<void> {
  for (;;) {
    const [open] = await gateway.app.openCallReports()
    if (open?.prompt_tokens === prompt && open.tokens >= output) return
    await new Promise(setImmediate)
  }
}

suite('a whole call that is translated for llama.cpp', () => {
  for (const [way, to, body] of routes) {
    for (const [what, events, same] of [
      ['a text', textEvents, textWhole],
      ['a call of a tool', callEvents, callWhole],
    ] as const) {
      test(`${way}: ${what} is asked for as a stream, and the same as whole`, async (t) => {
        const running = await start(t)
        answer(running.upstream, sse(events))
        const response = await ask(t, running, to, body)
        assert.equal(response.status, 200)
        assert.equal(response.header('x-llm-gateway-way'), 'assembled')
        const sent = JSON.parse(received(running.upstream).body.toString())
        assert.deepEqual(
          [sent.stream, sent.stream_options, sent.return_progress],
          [true, { include_usage: true }, true],
        )
        const line = await running.gateway.logged({ event: 'call' })
        assert.deepEqual(
          [line['way'], line['prompt_tokens'], line['completion_tokens'], line['cached_tokens']],
          [way, 40, 5, 8],
        )
        assert.deepEqual([line['estimated'], line['stream']], [false, false])
        const other = await start(t, { whole_as_stream: 'never' })
        answer(other.upstream, same)
        const plain = await ask(t, other, to, body)
        assert.equal(plain.header('x-llm-gateway-way'), way)
        assert.equal(JSON.parse(received(other.upstream).body.toString()).stream, undefined)
        assert.deepEqual(comparable(response), comparable(plain))
        assert.equal(response.header('content-type'), plain.header('content-type'))
      })
    }

    test(`${way}: leaving ends the stream, and is charged what was seen of it, and two tokens that were under way`, async (t) => {
      const running = await start(t)
      const begun = textEvents.slice(0, 4)
      answer(running.upstream, [streamHead(), ...begun.map((data) => chunk(`data: ${data}\n\n`)), hang])
      const client = await connectRaw(t, running.gateway.url)
      client.send(rawRequest(to, {}, JSON.stringify(body)))
      await untilTokens(running, 40, 2)
      client.leave()
      assert.equal((await received(running.upstream).outcome).kind, 'aborted')
      const line = await running.gateway.logged({ event: 'call', status: 499 })
      assert.deepEqual(
        [line['way'], line['prompt_tokens'], line['completion_tokens'], line['cached_tokens']],
        [way, 40, 4, 8],
      )
    })

    test(`${way}: an error in the middle has its status, and a cut stream is 502`, async (t) => {
      const error = '{"error":{"code":503,"message":"Out of memory","type":"unavailable_error"}}'
      for (const [events, status, words] of [
        [[...textEvents.slice(0, 4), error], 503, /Out of memory/],
        [textEvents.slice(0, 4), 502, /stream/],
      ] as const) {
        const running = await startGateway(t, { providers: { scripted: llama }, routing: { retries: 0 } })
        answer(running.upstream, sse(events))
        const response = await ask(t, running, to, body)
        assert.equal(response.status, status)
        assert.match(response.body().toString(), words)
      }
    })
  }

  for (const [what, to, body] of [
    ['few tokens', 'POST /v1/messages', { model: 'plain', max_tokens: 8, messages: user }],
    [
      'few tokens of Ollama',
      'POST /api/chat',
      { model: 'plain', stream: false, options: { num_predict: 4 }, messages: user },
    ],
    ['logprobs', 'POST /v1/responses', { model: 'plain', input: 'Hi', top_logprobs: 2 }],
  ] as const) {
    test(`stays whole if it asks for ${what}`, async (t) => {
      const running = await start(t)
      answer(running.upstream, textWhole)
      const response = await ask(t, running, to, body)
      assert.equal(response.status, 200)
      assert.notEqual(response.header('x-llm-gateway-way'), 'assembled')
      assert.equal(JSON.parse(received(running.upstream).body.toString()).stream, undefined)
    })
  }

  test('asks other kinds only where whole_as_stream is always, and not for progress', async (t) => {
    for (const [provider, stream] of [
      [{ kind: 'vllm' }, undefined],
      [{ kind: 'openai', whole_as_stream: 'always' }, true],
    ] as const) {
      const running = await start(t, provider)
      answer(running.upstream, stream === true ? sse(textEvents) : textWhole)
      const response = await ask(t, running, ...([routes[2][1], routes[2][2]] as const))
      assert.equal(response.status, 200)
      const sent = JSON.parse(received(running.upstream).body.toString())
      assert.deepEqual([sent.stream, sent.return_progress], [stream, undefined])
    }
  })

  test('passes on a whole answer that came in spite of it', async (t) => {
    const running = await start(t)
    answer(running.upstream, textWhole)
    const response = await ask(t, running, routes[2][1], routes[2][2])
    assert.equal(response.status, 200)
    assert.match(response.body().toString(), /"output_tokens":5/)
  })
})
