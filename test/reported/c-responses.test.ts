// What providers send under a good status, as it was reported: what the client gets, and whether another target answers.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { recordedClient } from '../flows/openai-client.ts'
import { chat, post } from '../support/calls.ts'
import { delta, messages, usageEvent, whole } from '../support/chat-content.ts'
import { type Running, startGateway } from '../support/app.ts'
import { content, json, type Script, sse, stream } from '../support/upstream-script.ts'

/** A gateway whose model `small` has the targets `a`, which responds so, and `b`, which is healthy. */
async function startPair(t: TestContext, a: Script): Promise<Running<'a' | 'b'>> {
  const running = await startGateway(t, {
    providers: { a: {}, b: {} },
    models: { small: { targets: [{ provider: 'a' }, { provider: 'b', tier: 2 }] }, alone: { provider: 'a' } },
  })
  running.upstreams.a.respondAlways(a)
  running.upstreams.b.respondAlways(whole())
  return running
}

const text = [delta('Hello'), finish('stop'), '[DONE]']
const events = eventsOf(text)

function finish(reason: string): string {
  return JSON.stringify({ id: 'c', choices: [{ index: 0, delta: {}, finish_reason: reason }] })
}

function role(): string {
  const first = { role: 'assistant', content: '', refusal: null }
  return JSON.stringify({ id: 'c', choices: [{ index: 0, delta: first, finish_reason: null }] })
}

function eventsOf(data: readonly string[]): string {
  return data.map((each) => `data: ${each}\n\n`).join('')
}

suite('events under another media type', () => {
  for (const contentType of ['application/json', 'text/plain; charset=utf-8']) {
    for (const splitAt of [[], 'every byte'] as const) {
      test(`${contentType} with events to a streamed call is forwarded as events (cut: ${splitAt.length})`, async (t) => {
        const { gateway, upstreams } = await startPair(t, stream(events, { contentType, splitAt }))
        const { status, headers, body } = await chat(gateway, 'small', { stream: true })
        assert.equal(status, 200)
        assert.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8')
        assert.equal(body, events)
        assert.equal(upstreams.b.requests.length, 0)
      })
    }
  }

  test('an error as the first of them is an error response', async (t) => {
    const error = JSON.stringify({ error: { message: 'too long', code: 400 } })
    const { gateway } = await startPair(t, stream(eventsOf([error]), { contentType: 'application/json' }))
    const { status, body } = await chat(gateway, 'small', { stream: true })
    assert.deepEqual([status, body], [400, error])
  })
})

suite('a stream that begins without output', () => {
  const error = JSON.stringify({ error: { message: 'out of memory', type: 'server_error' } })
  const responses = [
    JSON.stringify({ type: 'response.created', response: { id: 'r', object: 'response', output: [] } }),
    JSON.stringify({ type: 'response.in_progress', response: { id: 'r', object: 'response', output: [] } }),
  ]
  const failure = JSON.stringify({ type: 'error', code: 'server_error', message: 'no', param: null })
  const beginnings: readonly [string, string, readonly string[]][] = [
    ['a role chunk, then an error', '/v1/chat/completions', [role(), error, '[DONE]']],
    ['a role chunk, then nothing', '/v1/chat/completions', [role()]],
    ['a role chunk, then the end mark', '/v1/chat/completions', [role(), '[DONE]']],
    ['response.created, then an error', '/v1/responses', [...responses, failure]],
  ]
  for (const [what, path, data] of beginnings) {
    test(`${what}: another target answers`, async (t) => {
      const { gateway, upstreams } = await startPair(t, sse(data))
      upstreams.b.respondAlways(sse(['{"type":"response.completed","response":{}}', '[DONE]']))
      const body = { model: 'small', messages, input: 'hi', stream: true }
      const response = await post(gateway, body, { path })
      assert.equal(response.headers.get('x-llm-gateway-provider'), 'b')
      assert.match(await response.text(), /response\.completed/)
      assert.deepEqual([upstreams.a.requests.length, upstreams.b.requests.length], [1, 1])
    })
  }

  test('what was held back is forwarded byte for byte with the first output', async (t) => {
    const sent = `: hello\n\n${eventsOf([role()])}: ping\n\n${eventsOf([role(), ...text])}`
    const { gateway } = await startPair(t, stream(sent, { splitAt: 'every byte' }))
    assert.equal((await chat(gateway, 'small', { stream: true })).body, sent)
  })
})

suite('an error in a form that readers of events pass over', () => {
  const error =
    '{"code":400,"message":"the request has a field that is not known","type":"invalid_request_error"}'
  const forms: readonly [string, string][] = [
    ['a field named error', `error: ${error}\n\n`],
    ['JSON without a field', `{"error":${error}}`],
  ]
  for (const [what, sent] of forms) {
    test(`${what} in place of a stream is a 400 with its message`, async (t) => {
      const { gateway, upstreams } = await startPair(t, stream(sent))
      const { status, body } = await chat(gateway, 'small', { stream: true })
      assert.equal(status, 400)
      assert.equal(JSON.parse(body).error.message, 'the request has a field that is not known')
      assert.equal(upstreams.b.requests.length, 0)
    })

    test(`${what} in mid-stream becomes an error event`, async (t) => {
      const { gateway } = await startPair(t, stream(eventsOf([delta('Hello')]) + sent))
      const { body } = await chat(gateway, 'small', { stream: true })
      assert.equal(body, eventsOf([delta('Hello'), `{"error":${sent.startsWith('{') ? '' : ' '}${error}}`]))
      assert.equal((await gateway.logged({ event: 'call' }))['code'], 'provider_bad_response')
    })
  }
})

suite('the end of a stream', () => {
  test('an empty finish_reason in every chunk ends nothing', async (t) => {
    const chunk = JSON.stringify({
      id: 'c',
      choices: [{ index: 0, delta: { content: 'a' }, finish_reason: '' }],
    })
    const { gateway } = await startPair(t, sse([chunk, chunk]))
    const { body } = await chat(gateway, 'small', { stream: true })
    assert.match(body, /"code":"provider_bad_response"/)
  })

  const segments: readonly [string, readonly string[], boolean][] = [
    ['of segments without a type ends as it does', ['{"text":"Guten"}', '{"text":" Tag"}'], true],
    ['of text alone ends as it does', ['Guten', ' Tag'], true],
    ['of typed events ends with the final one', ['{"type":"transcript.text.delta","delta":"Guten"}'], false],
  ]
  for (const [what, data, isWhole] of segments) {
    test(`a transcription ${what}`, async (t) => {
      const { gateway } = await startPair(t, sse(data))
      const form = new FormData()
      form.set('model', 'small')
      form.set('stream', 'true')
      form.set('file', new Blob(['RIFF']), 'a.wav')
      const response = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: 'POST', body: form })
      const body = await response.text()
      if (isWhole) assert.equal(body, eventsOf(data))
      else assert.match(body, /"code":"provider_bad_response"/)
    })
  }
})

suite('a whole response without output', () => {
  const bodies: readonly [string, string][] = [
    ['/v1/chat/completions', '{"id":"c","choices":null}'],
    ['/v1/completions', '{"id":"c","choices":"none"}'],
    ['/v1/embeddings', '{"object":"list","data":null}'],
    ['/v1/responses', '{"object":"response","status":"completed","error":null,"output":null}'],
  ]
  for (const [path, sent] of bodies) {
    test(`${sent} is a bad response of the provider, and another target answers`, async (t) => {
      const { gateway } = await startPair(t, content(200, 'application/json', sent))
      const body = { messages, prompt: 'hi', input: 'hi' }
      const alone = await post(gateway, { ...body, model: 'alone' }, { path })
      assert.equal(alone.status, 502)
      assert.equal(alone.headers.get('x-llm-gateway-error'), 'provider_bad_response')
      const response = await post(gateway, { ...body, model: 'small' }, { path })
      assert.deepEqual([response.status, response.headers.get('x-llm-gateway-provider')], [200, 'b'])
    })
  }
})

suite('a response in another form than requested', () => {
  const calls = [{ index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a"' } }]
  const more = [{ index: 0, function: { arguments: ':1}' } }]
  const streamed = [
    role(),
    delta('Hel'),
    delta('lo', {
      choices: [{ index: 0, delta: { content: 'lo', tool_calls: calls }, finish_reason: null }],
    }),
    delta('', { choices: [{ index: 0, delta: { tool_calls: more }, finish_reason: 'tool_calls' }] }),
    usageEvent({ prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }),
    '[DONE]',
  ]

  test('events to a whole chat call become one body, and are charged as reported', async (t) => {
    const { gateway } = await startPair(t, sse(streamed))
    const { status, headers, body } = await chat(gateway, 'small')
    assert.equal(status, 200)
    assert.equal(headers.get('content-type'), 'application/json')
    assert.equal(headers.get('x-llm-gateway-way'), 'assembled')
    const { choices, object, usage, id } = JSON.parse(body)
    assert.deepEqual([object, id, usage.total_tokens], ['chat.completion', 'c', 12])
    const tool_calls = [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }]
    const message = { role: 'assistant', content: 'Hello', refusal: null, tool_calls }
    assert.deepEqual(choices, [{ index: 0, message, finish_reason: 'tool_calls' }])
    const line = await gateway.logged({ event: 'call' })
    assert.deepEqual([line['prompt_tokens'], line['completion_tokens']], [7, 5])
  })

  test('events of a whole call that are cut are a bad response of the provider', async (t) => {
    const { gateway } = await startPair(t, sse([role(), delta('Hello')]))
    const { status, headers } = await chat(gateway, 'small')
    assert.deepEqual([status, headers.get('x-llm-gateway-error')], [502, 'provider_bad_response'])
  })

  test('JSON to a streamed chat call becomes events', async (t) => {
    const { gateway } = await startPair(t, whole())
    for (const isUsageWanted of [true, false]) {
      const wish = isUsageWanted ? { stream_options: { include_usage: true } } : {}
      const { status, headers, body } = await chat(gateway, 'small', { stream: true, ...wish })
      assert.equal(status, 200)
      assert.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8')
      assert.equal(headers.get('x-llm-gateway-way'), 'split')
      const data = dataOf(body)
      assert.equal(data.pop(), '[DONE]')
      const chunks = data.map((each) => JSON.parse(each))
      assert.ok(chunks.every(({ object }) => object === 'chat.completion.chunk'))
      assert.deepEqual(chunks[0].choices[0].delta, { role: 'assistant', content: 'Hi!' })
      assert.equal(chunks[1].choices[0].finish_reason, 'stop')
      assert.deepEqual(
        chunks.slice(2).map(({ usage }) => usage.total_tokens),
        isUsageWanted ? [12] : [],
      )
    }
  })

  test('a text completion changes its form both ways', async (t) => {
    const { gateway, upstreams } = await startPair(
      t,
      sse([
        '{"choices":[{"index":0,"text":"a"}]}',
        '{"choices":[{"index":0,"text":"b","finish_reason":"stop"}]}',
      ]),
    )
    const path = '/v1/completions'
    const assembled = await post(gateway, { model: 'small', prompt: 'hi' }, { path })
    const choice = { index: 0, text: 'ab', finish_reason: 'stop' }
    assert.deepEqual(await assembled.json(), { object: 'text_completion', choices: [choice] })
    upstreams.a.respondAlways(content(200, 'application/json', JSON.stringify({ choices: [choice] })))
    const events = await post(gateway, { model: 'small', prompt: 'hi', stream: true }, { path })
    const texts = dataOf(await events.text())
      .slice(0, -1)
      .map((each) => JSON.parse(each).choices[0].text)
    assert.deepEqual(texts, ['ab', ''])
  })

  test('a response changes its form both ways', async (t) => {
    const content = [{ type: 'output_text', text: 'Hi!', annotations: [] }]
    const output = [
      { id: 'm', type: 'message', role: 'assistant', status: 'completed', content },
      { id: 'f', type: 'function_call', call_id: 'c', name: 'f', arguments: '{}', status: 'completed' },
    ]
    const response = { id: 'r', object: 'response', status: 'completed', output, usage: { total_tokens: 3 } }
    const raw = JSON.stringify(response)
    const { gateway, upstreams } = await startPair(
      t,
      sse([`{"type":"response.created","response":{}}`, `{"type":"response.completed","response":${raw}}`]),
    )
    const path = '/v1/responses'
    const assembled = await post(gateway, { model: 'small', input: 'hi' }, { path })
    assert.equal(await assembled.text(), raw)
    upstreams.a.respondAlways(json(200, response))
    const { openai } = recordedClient(gateway)
    const seen: string[] = []
    for await (const event of openai.responses.stream({ model: 'small', input: 'hi' })) seen.push(event.type)
    assert.deepEqual(
      seen.map((type) => type.replace('response.', '')),
      [
        'created',
        'in_progress',
        'output_item.added',
        'content_part.added',
        'output_text.delta',
        'output_text.done',
        'content_part.done',
        'output_item.done',
        'output_item.added',
        'function_call_arguments.delta',
        'function_call_arguments.done',
        'output_item.done',
        'completed',
      ],
    )
  })

  for (const sent of ['{"fine":true}', '[]', 'Hello']) {
    test(`${sent} to a streamed call is a bad response, and another target answers`, async (t) => {
      const { gateway, upstreams } = await startPair(t, content(200, 'text/plain', sent))
      upstreams.b.respondAlways(sse(text))
      const { status, headers } = await chat(gateway, 'small', { stream: true })
      assert.deepEqual([status, headers.get('x-llm-gateway-provider')], [200, 'b'])
    })
  }
})

function dataOf(body: string): string[] {
  return [...body.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => data)
}
