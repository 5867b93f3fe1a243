// Streams at llama.cpp: it is asked how far it is with the prompt, which only the charge of a call that is left depends on.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { connectRaw, exchange, rawRequest, type RawResponse } from '../support/raw-client.ts'
import { chunk, hang, json, sse, streamHead, type Script } from '../support/upstream-script.ts'
import { type Running, startGateway } from '../support/app.ts'
import type { Cleanup, ReceivedRequest, ScriptedUpstream } from '../support/scripted-upstream.ts'

const envelope = { created: 7, id: 'chatcmpl-1', model: 'm', system_fingerprint: 'b1' }

function delta(content: object, more: object = {}): string {
  const choices = [{ finish_reason: null, index: 0, delta: content }]
  return JSON.stringify({ choices, ...envelope, object: 'chat.completion.chunk', ...more })
}

function text(piece: string, more: object = {}): string {
  const choices = [{ text: piece, index: 0, logprobs: null, finish_reason: null }]
  return JSON.stringify({ choices, ...envelope, object: 'text_completion', ...more })
}

function progress(processed: number, total = 643): object {
  return { prompt_progress: { total, cache: 20, processed, time_ms: processed } }
}

const role = { role: 'assistant', content: null }
const usage = { completion_tokens: 3, prompt_tokens: 643, total_tokens: 646 }
const timings = { cache_n: 20, prompt_n: 623, predicted_n: 3 }
const ended = JSON.stringify({ choices: [{ finish_reason: 'stop', index: 0, delta: {} }], ...envelope })
const counted = JSON.stringify({ choices: [], ...envelope, usage, timings })
const textEnded = JSON.stringify({
  choices: [{ text: '', index: 0, finish_reason: 'stop' }],
  ...envelope,
  usage,
  timings,
})

const chatAnswer = [delta(role), delta({ content: 'a' }), delta({ content: 'b' }), ended, counted, '[DONE]']
const chatProgress = [delta(role, progress(0)), delta(role, progress(127)), delta(role, progress(643))]
const begun = [...chatAnswer.slice(0, 3), delta({ content: ' extraordinary' })]
const textAnswer = [text('a'), text('b'), textEnded, '[DONE]']
const textProgress = [text('', progress(0)), text('', progress(643))]

const chat = 'POST /v1/chat/completions'
const completions = 'POST /v1/completions'
const messages = '"messages":[{"role":"user","content":"Hi"}]'
const request = `{"model":"plain","stream":true,${messages}}`

const llama = { kind: 'llama_cpp' as const, speaks: ['chat' as const] }

function ask(
  t: Cleanup,
  { gateway }: Running,
  body = request,
  to: Parameters<typeof rawRequest>[0] = chat,
): Promise<RawResponse> {
  return exchange(t, gateway.url, rawRequest(to, {}, body))
}

function isCall({ method, target }: Pick<ReceivedRequest, 'method' | 'target'>): boolean {
  return method === 'POST' && ['/v1/chat/completions', '/v1/completions'].includes(target)
}

function answer(upstream: ScriptedUpstream, script: Script): void {
  upstream.respondAlways((received) => (isCall(received) ? script : json(404, {})))
}

function call({ requests }: ScriptedUpstream): ReceivedRequest {
  return requests.find(isCall)!
}

/** A stream that goes on. */
function open(events: readonly string[]): Script {
  return [streamHead(), ...events.map((data) => chunk(`data: ${data}\n\n`)), hang]
}

/** Waits until so many tokens of the open call have been counted. */
async function untilTokens({ gateway }: Running, prompt: number, output: number): Promise<void> {
  for (;;) {
    const [open] = await gateway.app.openCallReports()
    if (open?.prompt_tokens === prompt && open.tokens >= output) return
    await new Promise(setImmediate)
  }
}

suite('a stream at llama.cpp', () => {
  for (const [what, to, body, before, events] of [
    ['chat', chat, request, chatProgress, chatAnswer],
    ['a completion', completions, '{"model":"plain","stream":true,"prompt":"Hi"}', textProgress, textAnswer],
  ] as const) {
    test(`of ${what} is asked for its progress, and has the bytes of one that is not`, async (t) => {
      const running = await startGateway(t, { providers: { scripted: llama } })
      answer(running.upstream, sse([...before, ...events]))
      const response = await ask(t, running, body, to)
      const sent = call(running.upstream).body.toString()
      assert.equal(sent, `{"return_progress":true,"stream_options":{"include_usage":true},${body.slice(1)}`)
      const other = await startGateway(t, {
        providers: { scripted: { ...llama, whole_as_stream: 'never' } },
      })
      answer(other.upstream, sse(events))
      const plain = await ask(t, other, body, to)
      const sentPlain = call(other.upstream).body.toString()
      assert.equal(sentPlain, `{"stream_options":{"include_usage":true},${body.slice(1)}`)
      assert.equal(response.status, 200)
      assert.equal(response.header('x-llm-gateway-way'), 'pass')
      assert.equal(response.body().toString(), plain.body().toString())
      const line = await running.gateway.logged({ event: 'call' })
      assert.deepEqual([line['prompt_tokens'], line['completion_tokens'], line['estimated']], [643, 3, false])
    })
  }

  for (const value of ['true', 'false']) {
    test(`whose client sets return_progress to ${value} passes as it is`, async (t) => {
      const running = await startGateway(t, { providers: { scripted: llama } })
      const events = [...chatProgress, ...chatAnswer]
      answer(running.upstream, sse(events))
      const options = '"stream_options":{"include_usage":true}'
      const body = `{"model":"plain","stream":true,"return_progress":${value},${options},${messages}}`
      const response = await ask(t, running, body)
      assert.equal(call(running.upstream).body.toString(), body)
      assert.equal(response.body().toString(), events.map((data) => `data: ${data}\n\n`).join(''))
    })
  }

  test('is not asked where a server of another kind gets it, or for several answers', async (t) => {
    for (const [provider, body] of [
      [{}, request],
      [{ kind: 'vllm' }, request],
      [{ whole_as_stream: 'always' }, request],
      [{ ...llama, include_usage: 'never' }, request],
      [llama, `{"model":"plain","stream":true,"n":2,${messages}}`],
    ] as const) {
      const running = await startGateway(t, { providers: { scripted: provider } })
      answer(running.upstream, sse(chatAnswer))
      await ask(t, running, body)
      assert.equal(call(running.upstream).body.includes('return_progress'), false)
    }
  })

  test('has the wish of a rule of its model, and no other', async (t) => {
    const running = await startGateway(t, {
      providers: { scripted: llama },
      models: { plain: { provider: 'scripted', request: { set: { return_progress: false } } } },
    })
    answer(running.upstream, sse(chatAnswer))
    await ask(t, running)
    const sent = call(running.upstream).body.toString()
    assert.deepEqual(sent.match(/"return_progress": ?\w+/g), ['"return_progress":false'])
  })

  for (const [what, events, prompt, seen, output] of [
    ['in its prompt is charged the batch that has begun', [delta(role, progress(1))], 127, 0, 0],
    [
      'in the last batch but one is charged all of it, and the first token of the answer',
      [delta(role, progress(127))],
      643,
      0,
      1,
    ],
    ['in the last batch is charged the same', [delta(role, progress(639))], 643, 0, 1],
    [
      'in its answer is charged its prompt, a token for each piece, the one under way and the next',
      [...chatProgress, ...begun],
      643,
      3,
      5,
    ],
  ] as const) {
    test(`that is left ${what}`, async (t) => {
      const running = await startGateway(t, { providers: { scripted: llama } })
      answer(running.upstream, open(events))
      const client = await connectRaw(t, running.gateway.url)
      client.send(rawRequest(chat, {}, request))
      await untilTokens(running, 643, seen)
      const received = call(running.upstream)
      client.leave()
      assert.equal((await received.outcome).kind, 'aborted')
      const line = await running.gateway.logged({ event: 'call', status: 499 })
      assert.deepEqual(
        [line['prompt_tokens'], line['completion_tokens'], line['cached_tokens'], line['estimated']],
        [prompt, output, 20, true],
      )
    })
  }

  test('has until first_byte_ms to begin its answer, whatever it reports before', async (t) => {
    const running = await startGateway(t, {
      providers: { scripted: { ...llama, timeouts: { first_byte_ms: 200 } } },
      routing: { retries: 0 },
    })
    answer(running.upstream, open([delta(role, progress(1))]))
    const response = await ask(t, running)
    assert.equal(response.status, 504)
    assert.match(response.body().toString(), /timeouts\.first_byte_ms/)
  })

  test('of Messages that is translated is asked, too, and does not show it', async (t) => {
    const providers = { scripted: llama }
    const body = `{"model":"plain","stream":true,"max_tokens":50,${messages}}`
    const bodies = []
    for (const before of [chatProgress, []]) {
      const running = await startGateway(t, { providers })
      answer(running.upstream, sse([...before, ...chatAnswer]))
      const response = await ask(t, running, body, 'POST /v1/messages')
      assert.equal(response.header('x-llm-gateway-way'), 'messages_chat')
      assert.match(call(running.upstream).body.toString(), /"return_progress":true/)
      bodies.push(
        response
          .body()
          .toString()
          .replace(/msg_\w+/, 'msg'),
      )
    }
    assert.match(bodies[0]!, /"text":"a"/)
    assert.equal(bodies[0], bodies[1])
  })
})
