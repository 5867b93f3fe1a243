// Whole answers that are asked for as streams, and put together: a server that would not notice that a client has left
// notices it in a stream.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { exchange, rawRequest, type RawResponse } from '../support/raw-client.ts'
import { sse } from '../support/upstream-script.ts'
import { type Running, startGateway } from '../support/app.ts'
import type { Setup } from '../support/gateway-config.ts'

const envelope = {
  created: 7,
  id: 'chatcmpl-1',
  model: 'm',
  system_fingerprint: 'b1',
  object: 'chat.completion.chunk',
}
const usage =
  '{"completion_tokens":3,"prompt_tokens":40,"total_tokens":43,"prompt_tokens_details":{"cached_tokens":0}}'
const timings = '{"cache_n":0,"prompt_n":40,"prompt_ms":14.10,"predicted_n":3,"predicted_ms":0.0}'

function delta(content: object, more: object = {}): string {
  return JSON.stringify({
    choices: [{ finish_reason: null, index: 0, delta: content }],
    ...envelope,
    ...more,
  })
}

const progress = { prompt_progress: { total: 40, cache: 0, processed: 0, time_ms: 0 } }
const start = delta({ role: 'assistant', content: null }, progress)
const ended = JSON.stringify({ choices: [{ finish_reason: 'stop', index: 0, delta: {} }], ...envelope })
const counted = `{"choices":[],${JSON.stringify(envelope).slice(1, -1)},"usage":${usage},"timings":${timings}}`
const answer = [
  start,
  delta({ content: 'é"' }),
  delta({ content: '\n1' }),
  delta({ content: '😀' }),
  ended,
  counted,
  '[DONE]',
]

const path = 'POST /v1/chat/completions' as const
const request = '{"model":"plain","messages":[{"role":"user","content":"Hi"}]}'

const llama = { kind: 'llama_cpp' } as const

function start1(t: Parameters<typeof startGateway>[0], more: Setup = {}): Promise<Running> {
  return startGateway(t, { providers: { scripted: llama }, ...more }) as Promise<Running>
}

async function ask(
  t: Parameters<typeof startGateway>[0],
  { gateway }: Running,
  body = request,
): Promise<RawResponse> {
  return exchange(t, gateway.url, rawRequest(path, {}, body))
}

suite('a whole call to llama.cpp', () => {
  test('is asked for as a stream, and answered whole', async (t) => {
    const running = await start1(t)
    running.upstream.respond(sse(answer))
    const response = await ask(t, running)
    assert.equal(response.status, 200)
    assert.equal(response.header('content-type'), 'application/json; charset=utf-8')
    assert.equal(response.header('x-llm-gateway-way'), 'assembled')
    const body = response.body().toString()
    assert.equal(
      body,
      `{"created":7,"id":"chatcmpl-1","model":"m","system_fingerprint":"b1","usage":${usage},"timings":${timings},` +
        '"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"é\\"\\n1😀"},"finish_reason":"stop"}]}',
    )
    const sent = running.upstream.requests[0]!.body.toString()
    assert.equal(
      sent,
      `{"stream":true,"return_progress":true,"stream_options":{"include_usage":true},${request.slice(1)}`,
    )
    const line = await running.gateway.logged({ event: 'call' })
    assert.equal(line['way'], 'assembled')
    assert.deepEqual(
      [line['prompt_tokens'], line['completion_tokens'], line['estimated'], line['stream']],
      [40, 3, false, false],
    )
  })
})
