// Whole answers that are asked for as streams, and put together: a server that would not notice that a client has left
// notices it in a stream.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { connectRaw, exchange, rawRequest, type RawResponse } from '../support/raw-client.ts'
import { chunk, reset, hang, json, sse, streamHead, type Script } from '../support/upstream-script.ts'
import { type Running, startGateway } from '../support/app.ts'
import { used } from '../support/calls.ts'
import { until } from '../support/deadline.ts'
import type { Cleanup, ReceivedRequest, ScriptedUpstream } from '../support/scripted-upstream.ts'

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
const events = [
  start,
  delta({ content: 'é"' }),
  delta({ content: '\n1' }),
  delta({ content: '😀' }),
  ended,
  counted,
  '[DONE]',
]

const path = 'POST /v1/chat/completions'
const request = '{"model":"plain","messages":[{"role":"user","content":"Hi"}]}'

const llama = { kind: 'llama_cpp' } as const

function startLlama(t: Cleanup): Promise<Running> {
  return startGateway(t, { providers: { scripted: llama } })
}

function ask(
  t: Cleanup,
  { gateway }: Pick<Running, 'gateway'>,
  body = request,
  to: Parameters<typeof rawRequest>[0] = path,
): Promise<RawResponse> {
  return exchange(t, gateway.url, rawRequest(to, {}, body))
}

function listOf<T>(length: number, of: (at: number) => T): T[] {
  return Array.from({ length }, (_, at) => of(at))
}

/** Objects under names of their own. */
function membersOf(from: number, count: number): object {
  return Object.fromEntries(listOf(count, (at) => [`member${from + at}`, {}]))
}

/** Answers model calls so, one after the other, and the last of them again; a gateway also looks at the server otherwise. */
function answer(upstream: ScriptedUpstream, ...scripts: readonly Script[]): void {
  const left = [...scripts]
  upstream.respondAlways(({ method, target }) => {
    if (!isCall(method, target)) return json(404, {})
    return left.length > 1 ? left.shift()! : left[0]!
  })
}

function calls({ requests }: ScriptedUpstream): readonly ReceivedRequest[] {
  return requests.filter(({ method, target }) => isCall(method, target))
}

function isCall(method: string, target: string): boolean {
  return method === 'POST' && (target === '/v1/chat/completions' || target === '/v1/messages')
}

/** Waits until so many tokens of the open call have been counted. */
async function untilTokens({ gateway }: Running, tokens: number): Promise<void> {
  const seen = async () => (await gateway.app.openCallReports()).some((call) => call.tokens >= tokens)
  while (!(await seen())) await new Promise(setImmediate)
}

suite('a whole call to llama.cpp', () => {
  test('is asked for as a stream, and answered whole', async (t) => {
    const running = await startLlama(t)
    answer(running.upstream, sse(events))
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
    const sent = calls(running.upstream)[0]!.body.toString()
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

  test('leaves the slot to the server, which its client has no say in', async (t) => {
    const running = await startLlama(t)
    answer(running.upstream, sse(events))
    const response = await ask(t, running, request.replace('{', '{"id_slot":3,'))
    assert.equal(response.header('x-llm-gateway-way'), 'assembled')
    const { id_slot, stream } = JSON.parse(calls(running.upstream)[0]!.body.toString())
    assert.deepEqual([id_slot, stream], [-1, true])
    assert.deepEqual((await running.gateway.logged({ event: 'call' }))['dropped'], ['id_slot'])
  })

  for (const [what, member, value] of [
    ['several choices', 'n', 2],
    ['logprobs', 'logprobs', true],
    ['progress', 'return_progress', true],
    ['few tokens', 'max_tokens', 8],
    ['several prompts', 'prompt', ['a', 'b']],
    ['an odd stream', 'stream', 'no'],
    ['odd options', 'stream_options', 1],
  ] as const) {
    test(`passes as it is if it asks for ${what}`, async (t) => {
      const running = await startLlama(t)
      answer(running.upstream, json(200, { choices: [{}] }))
      const body = JSON.stringify({ model: 'plain', [member]: value })
      const response = await ask(t, running, body)
      assert.equal(response.header('x-llm-gateway-way'), 'pass')
      assert.equal(calls(running.upstream)[0]!.body.toString(), body)
    })
  }

  test('passes as it is where whole_as_stream is never, or the server of another kind', async (t) => {
    for (const provider of [{ ...llama, whole_as_stream: 'never' }, { kind: 'vllm' }, {}] as const) {
      const running = await startGateway(t, { providers: { scripted: provider } })
      answer(running.upstream, json(200, { choices: [{}] }))
      const response = await ask(t, running)
      assert.equal(response.header('x-llm-gateway-way'), 'pass')
      assert.equal(calls(running.upstream)[0]!.body.toString(), request)
    }
  })

  test('is put together of any server where whole_as_stream is always, without what only llama.cpp has', async (t) => {
    const running = await startGateway(t, { providers: { scripted: { whole_as_stream: 'always' } } })
    answer(running.upstream, sse(events))
    assert.equal((await ask(t, running)).header('x-llm-gateway-way'), 'assembled')
    const sent = calls(running.upstream)[0]!.body.toString()
    assert.equal(sent, `{"stream":true,"stream_options":{"include_usage":true},${request.slice(1)}`)
  })

  test('keeps its own options, and its false becomes true', async (t) => {
    const running = await startLlama(t)
    answer(running.upstream, sse(events))
    const body =
      '{"model":"plain","stream": false,"stream_options":{"x":1,"include_usage":false},"logprobs":null}'
    assert.equal((await ask(t, running, body)).header('x-llm-gateway-way'), 'assembled')
    const sent = calls(running.upstream)[0]!.body.toString()
    const expected = body.replace('"include_usage":false', '"include_usage":true').replace('false', 'true')
    assert.equal(sent, `{"return_progress":true,${expected.slice(1)}`)
  })

  test('that is left frees the connection at once, and is charged what was seen of it, and two tokens that were under way', async (t) => {
    const running = await startLlama(t)
    answer(running.upstream, [
      streamHead(),
      ...events.slice(0, 3).map((data) => chunk(`data: ${data}\n\n`)),
      hang,
    ])
    const client = await connectRaw(t, running.gateway.url)
    client.send(rawRequest(path, {}, request))
    await untilTokens(running, 2)
    const received = calls(running.upstream)[0]!
    client.leave()
    assert.equal((await received.outcome).kind, 'aborted')
    const line = await running.gateway.logged({ event: 'call', status: 499 })
    assert.deepEqual(
      [line['prompt_tokens'], line['completion_tokens'], line['estimated'], line['way']],
      [40, 4, true, 'assembled'],
    )
  })

  const overloaded = '{"error":{"code":503,"message":"Out of memory","type":"unavailable_error"}}'
  const broken: Readonly<Record<string, Script>> = {
    'reports an error': sse([...events.slice(0, 3), overloaded]),
    'ends too early': sse(events.slice(0, 3)),
    'breaks off': [streamHead(), ...events.slice(0, 3).map((data) => chunk(`data: ${data}\n\n`)), reset],
  }
  for (const [what, script] of Object.entries(broken)) {
    test(`is answered by another server if its stream ${what} in the middle`, async (t) => {
      const running = await startGateway(t, {
        providers: { one: llama, other: llama },
        models: { plain: { targets: [{ provider: 'one' }, { provider: 'other', tier: 2 }] } },
      })
      answer(running.upstreams.one, script)
      answer(running.upstreams.other, sse(events))
      const response = await ask(t, running)
      assert.equal(response.status, 200)
      assert.equal(response.header('x-llm-gateway-provider'), 'other')
      assert.match(response.body().toString(), /"content":"é\\"\\n1😀"/)
    })
  }

  test('that is left while another server is asked is charged for the stream that broke off', async (t) => {
    const running = await startGateway(t, {
      providers: { one: llama, other: llama },
      models: { plain: { targets: [{ provider: 'one' }, { provider: 'other', tier: 2 }] } },
      rate_limit_settings: { limits: { plain: { rpm: 10, tpm: 5_000 } } },
    })
    const { one, other } = running.upstreams
    answer(one, broken['breaks off']!)
    answer(other, [hang])
    const client = await connectRaw(t, running.gateway.url)
    client.send(rawRequest(path, {}, request))
    await until(() => calls(other).length > 0, 'the attempt at the other server')
    client.leave()
    const line = await running.gateway.logged({ event: 'call', status: 499 })
    assert.equal(line['attempts'], 2)
    // 40 of the prompt, and the two that had come; the other prompt is estimated to be shorter.
    assert.deepEqual(await used(running.gateway, 'plain'), { requests: 1, tokens: 42, parallel: 0 })
  })

  test('gets the status of an error in the middle of its stream, or 502 if the stream is cut', async (t) => {
    const running = await startLlama(t)
    answer(running.upstream, broken['reports an error']!)
    const refused = await ask(t, running)
    assert.equal(refused.status, 503)
    assert.equal(refused.body().toString(), overloaded)
    const second = await startLlama(t)
    answer(second.upstream, broken['ends too early']!)
    const cut = await ask(t, second)
    assert.equal(cut.status, 502)
    assert.equal(cut.header('x-llm-gateway-error'), 'provider_bad_response')
  })

  test('passes a whole answer on that came in spite of it, and a refusal of the stream is not the end', async (t) => {
    const running = await startLlama(t)
    answer(running.upstream, json(200, { choices: [{ index: 0 }] }))
    const same = await ask(t, running)
    assert.equal(same.body().toString(), '{"choices":[{"index":0}]}')
    answer(
      running.upstream,
      json(400, { error: { message: 'stream_options is unknown' } }),
      json(200, { choices: [{ index: 1 }] }),
    )
    const plain = await ask(t, running)
    assert.equal(plain.body().toString(), '{"choices":[{"index":1}]}')
    assert.equal(calls(running.upstream)[2]!.body.toString(), request)
  })

  test('goes out once as it is to a server that has refused to report the usage of a stream', async (t) => {
    const running = await startLlama(t)
    answer(
      running.upstream,
      json(400, { error: { message: 'stream_options is unknown' } }),
      json(200, { choices: [{ index: 1 }] }),
    )
    await ask(t, running)
    const later = await ask(t, running)
    assert.equal(later.header('x-llm-gateway-way'), 'pass')
    const bodies = calls(running.upstream).map(({ body }) => body.toString())
    assert.deepEqual(bodies.slice(1), [request, request])
  })

  test('is asked for as a stream of a server that reports usage unasked', async (t) => {
    const running = await startLlama(t)
    answer(running.upstream, sse(events))
    await ask(t, running, request.replace('{', '{"stream":true,"stream_options":{"include_usage":false},'))
    assert.equal((await ask(t, running)).header('x-llm-gateway-way'), 'assembled')
  })

  test('of Messages has the input of a tool as llama.cpp writes it, empty where it is cut', async (t) => {
    for (const [json, input] of [
      [
        String.raw`{"a": "x y", "n": 3.50, "m": 2.0, "o": -0.0, "p": 1E3, "q": 12e14, "k": 1e-7, "z": [1, 20]}`,
        '{"a":"x y","n":3.5,"m":2.0,"o":-0.0,"p":1000.0,"q":1.2e+15,"k":1e-07,"z":[1,20]}',
      ],
      ['{"a": "x', '{}'],
    ] as const) {
      const running = await startLlama(t)
      const written = [
        {
          type: 'message_start',
          message: {
            id: 'm',
            type: 'message',
            role: 'assistant',
            content: [],
            model: 'm',
            usage: { input_tokens: 9, output_tokens: 0 },
          },
        },
        {
          type: 'content_block_start',
          index: 0,
          content_block: { type: 'tool_use', id: 't', name: 'w', input: {} },
        },
        { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: json } },
        { type: 'content_block_stop', index: 0 },
        {
          type: 'message_delta',
          delta: { stop_reason: 'tool_use', stop_sequence: null },
          usage: { output_tokens: 4 },
        },
        { type: 'message_stop' },
      ]
      answer(running.upstream, sse(written.map((event) => JSON.stringify(event))))
      const body = '{"model":"plain","max_tokens":50,"messages":[{"role":"user","content":"Hi"}]}'
      const response = await ask(t, running, body, 'POST /v1/messages')
      assert.equal(response.header('x-llm-gateway-way'), 'assembled')
      assert.equal(calls(running.upstream)[0]!.body.toString(), `{"stream":true,${body.slice(1)}`)
      assert.ok(response.body().toString().includes(`"input":${input}`), response.body().toString())
    }
  })

  /** Events of a message whose start, end and blocks are these. */
  const message = (...more: readonly object[]) => {
    const usage = { input_tokens: 9, output_tokens: 0 }
    const begun = { id: 'm', type: 'message', role: 'assistant', content: [], model: 'm', usage }
    const stop = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 4 } }
    const written = [{ type: 'message_start', message: begun }, ...more, stop, { type: 'message_stop' }]
    return written.map((event) => JSON.stringify(event))
  }
  const choices = (count: number, content = 'x') =>
    JSON.stringify({ choices: listOf(count, (index) => ({ index, delta: { content } })) })
  const toolCalls = (from: number, count: number) =>
    delta({ tool_calls: listOf(count, (at) => ({ index: from + at, function: { arguments: '' } })) })
  const blockStart = (index: number) => ({
    type: 'content_block_start',
    index,
    content_block: { type: 'text', text: '' },
  })
  const chatPath = 'POST /v1/chat/completions'
  const messagesPath = 'POST /v1/messages'
  const megabyte = 'x'.repeat(1_000_000)
  const excessive = [
    ['members in one event', chatPath, [delta({}, membersOf(0, 2_000)), ended, '[DONE]']],
    ['members in many events', chatPath, [...listOf(5, (at) => delta({}, membersOf(at * 100, 100))), ended]],
    ['choices', chatPath, [choices(5_000), ended, '[DONE]']],
    ['tool calls', chatPath, [toolCalls(0, 2_500), toolCalls(2_500, 2_500), ended, '[DONE]']],
    ['tool calls at once', chatPath, [toolCalls(0, 5_000), ended, '[DONE]']],
    ['text', chatPath, [...listOf(20, () => delta({ content: megabyte })), ended, '[DONE]']],
    ['small values', chatPath, [...listOf(3, () => delta({ x: listOf(200_000, () => ({})) })), ended]],
    ['blocks', messagesPath, message(...listOf(5_000, blockStart))],
    ['members at its end', messagesPath, message({ type: 'message_delta', delta: membersOf(0, 2_000) })],
    [
      'input of a tool',
      messagesPath,
      message(
        blockStart(0),
        ...listOf(5, () => ({
          type: 'content_block_delta',
          index: 0,
          delta: { type: 'input_json_delta', partial_json: megabyte },
        })),
      ),
    ],
    [
      'text in a block',
      messagesPath,
      message(
        blockStart(0),
        ...listOf(20, () => ({
          type: 'content_block_delta',
          index: 0,
          delta: { type: 'text_delta', text: megabyte },
        })),
      ),
    ],
  ] as const
  for (const [what, to, written] of excessive) {
    test(`is a bad response if its stream has too many or too long ${what}`, async (t) => {
      const running = await startLlama(t)
      answer(running.upstream, sse(written))
      const response = await ask(t, running, request.replace('}]', '}],"max_tokens":50'), to)
      assert.equal(response.status, 502)
      assert.equal(response.header('x-llm-gateway-error'), 'provider_bad_response')
      assert.match(response.body().toString(), /than are put together\."/)
    })
  }

  test('keeps what a usual answer has many of', async (t) => {
    const running = await startLlama(t)
    const many = delta({}, membersOf(0, 200))
    answer(running.upstream, sse([choices(1_000, 'y'), toolCalls(0, 500), many, many, ended, '[DONE]']))
    const body = JSON.parse((await ask(t, running)).body().toString()) as {
      choices: { message: { content: string; tool_calls?: unknown[] } }[]
    }
    assert.equal(body.choices.length, 1_000)
    assert.ok(body.choices.every(({ message: { content } }) => content === 'y'))
    assert.equal(body.choices[0]!.message.tool_calls!.length, 500)
    assert.equal(Object.keys(body).filter((name) => name.startsWith('member')).length, 200)
  })

  for (const workers of [1, 2]) {
    test(`is cut by a budget while it is put together, with ${workers} threads`, async (t) => {
      const running = await startGateway(t, {
        providers: { scripted: { ...llama, price: 'free' } },
        server: { workers },
        budgets: { when_exhausted: 'cut', total: [{ tokens: 400, per: 'day' }] },
      })
      const long = `data: ${delta({ content: 'word '.repeat(2_000) })}\n\n`
      answer(running.upstream, [streamHead(), chunk(`data: ${start}\n\n`), chunk(long), hang])
      const response = await ask(t, running)
      assert.equal(response.status, 429)
      assert.equal(response.header('x-llm-gateway-error'), 'budget_exceeded')
      assert.equal((await calls(running.upstream)[0]!.outcome).kind, 'aborted')
      const line = await running.gateway.logged({ event: 'call' })
      assert.deepEqual(
        [line['code'], line['prompt_tokens'], line['way']],
        ['budget_exceeded', 40, 'assembled'],
      )
      assert.ok(Number(line['completion_tokens']) > 400)
    })
  }
})
