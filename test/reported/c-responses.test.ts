// What providers send under a good status, as it was reported: what the client gets, and whether another target answers.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { chat, post } from '../support/calls.ts'
import { delta, messages, whole } from '../support/chat-content.ts'
import { type Running, startGateway } from '../support/app.ts'
import { content, type Script, sse, stream } from '../support/upstream-script.ts'

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
  const error = '{"code":400,"message":"the request exceeds the context size","type":"invalid_request_error"}'
  const forms: readonly [string, string][] = [
    ['a field named error', `error: ${error}\n\n`],
    ['JSON without a field', `{"error":${error}}`],
  ]
  for (const [what, sent] of forms) {
    test(`${what} in place of a stream is a 400 with its message`, async (t) => {
      const { gateway, upstreams } = await startPair(t, stream(sent))
      const { status, body } = await chat(gateway, 'small', { stream: true })
      assert.equal(status, 400)
      assert.equal(JSON.parse(body).error.message, 'the request exceeds the context size')
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
