// Responses that a model's provider stores are fetched there again.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { startGateway } from '../../support/app.ts'
import { exchange, rawRequest } from '../../support/raw-client.ts'
import { json, sse } from '../../support/upstream-script.ts'
import { ann, bob } from './rest.ts'

const response = { id: 'resp_1', object: 'response', status: 'completed', output: [], model: 'm' }
const completion = { id: 'chatcmpl-1', object: 'chat.completion', choices: [] }

/** A model at one provider, and all else at another. */
async function startTwo(t: TestContext, more: object = {}) {
  const started = await startGateway<'rest' | 'models'>(t, {
    providers: { rest: {}, models: {} },
    models: { plain: { provider: 'models' }, other: { provider: 'rest', model: 'renamed' } },
    routes: { rest: { provider: 'rest' } },
    ...more,
  })
  const { gateway, upstreams } = started
  upstreams.rest.respondAlways(json(404, { error: { message: 'not at rest' } }))
  const ask = (line: `${string} ${string}`, body?: string, headers: Record<string, string> = {}) =>
    exchange(t, gateway.url, rawRequest(line, headers, body))
  return { ...started, ask }
}

suite('a response of a model’s provider', () => {
  const kinds = [
    ['a whole one', json(200, response), '{"model":"plain","input":"x"}'],
    [
      'a streamed one',
      sse([
        JSON.stringify({ type: 'response.created', response: { ...response, status: 'in_progress' } }),
        JSON.stringify({ type: 'response.completed', response }),
      ]),
      '{"model":"plain","input":"x","stream":true}',
    ],
    ['a long one', json(200, { ...response, text: 'x'.repeat(20_000) }), '{"model":"plain","input":"x"}'],
  ] as const
  for (const [what, script, body] of kinds) {
    test(`is fetched, cancelled and deleted there: ${what}`, async (t) => {
      const { ask, upstreams } = await startTwo(t)
      upstreams.models.respond(script)
      assert.equal((await ask('POST /v1/responses', body)).status, 200)
      await upstreams.models.nextRequest()
      upstreams.models.respondAlways(json(200, response))
      for (const line of [
        'GET /v1/responses/resp_1?stream=false',
        'POST /v1/responses/resp_1/cancel',
        'GET /v1/responses/resp_1/input_items',
        'DELETE /v1/responses/resp_1',
      ] as const) {
        assert.equal((await ask(line)).status, 200, line)
        const request = await upstreams.models.nextRequest()
        assert.equal(`${request.method} ${request.target}`, line)
      }
      assert.equal(upstreams.rest.connections, 0)
    })
  }

  test('that it did not store is not remembered', async (t) => {
    const { ask, upstreams } = await startTwo(t)
    upstreams.models.respond(json(200, response))
    await ask('POST /v1/responses', '{"model":"plain","input":"x","store":false}')
    assert.equal((await ask('GET /v1/responses/resp_1')).status, 404)
    assert.equal(upstreams.rest.requests.length, 1)
  })

  test('is found by the client that has asked for it, and by no other', async (t) => {
    const { ask, upstreams } = await startTwo(t, { server: { trusted_proxies: [{ user: 'self' }] } })
    upstreams.models.respondAlways(json(200, response))
    assert.equal((await ask('POST /v1/responses', '{"model":"plain","input":"x"}', ann)).status, 200)
    assert.equal((await ask('GET /v1/responses/resp_1', undefined, ann)).status, 200)
    assert.equal((await ask('GET /v1/responses/resp_1', undefined, bob)).status, 404)
  })

  test('is remembered in every thread, before its client can ask for it', async (t) => {
    const { ask, upstreams } = await startTwo(t, { server: { workers: 2 } })
    upstreams.models.respondAlways(json(200, response))
    await ask('POST /v1/responses', '{"model":"plain","input":"x"}')
    for (let count = 0; count < 6; count += 1)
      assert.equal((await ask('GET /v1/responses/resp_1')).status, 200)
  })

  test('whose provider is no longer configured is not found', async (t) => {
    const { ask, gateway, upstreams } = await startTwo(t)
    upstreams.models.respond(json(200, response))
    await ask('POST /v1/responses', '{"model":"plain","input":"x"}')
    await gateway.reload({
      providers: { rest: { base_url: `${upstreams.rest.url}/v1` } },
      routes: { rest: { provider: 'rest' } },
    })
    const gone = await ask('GET /v1/responses/resp_1')
    assert.equal(gone.status, 404)
    assert.match(gone.body().toString(), /models/)
  })
})

suite('a model call of one of several clients', () => {
  const several = { server: { trusted_proxies: [{ user: 'self' }] } }
  const uses: readonly (readonly [line: `${string} ${string}`, body: string])[] = [
    ['POST /v1/responses', '{"model":"plain","input":"x","previous_response_id":"resp_1"}'],
    ['POST /v1/responses', '{"model":"plain","input":"x","conversation":"resp_1"}'],
    [
      'POST /v1/responses',
      '{"model":"plain","input":[{"content":[{"type":"input_file","file_id":"resp_1"}]}]}',
    ],
    [
      'POST /v1/chat/completions',
      '{"model":"plain","messages":[{"content":[{"file":{"file_id":"resp_1"}}]}]}',
    ],
  ]
  for (const [line, body] of uses) {
    test(`may use its own objects, and no others: ${body}`, async (t) => {
      const { ask, upstreams } = await startTwo(t, several)
      upstreams.models.respondAlways(json(200, { ...response, choices: [] }))
      await ask('POST /v1/responses', '{"model":"plain","input":"x"}', ann)
      const before = upstreams.models.requests.length
      assert.equal((await ask(line, body, bob)).status, 404)
      assert.equal(upstreams.models.requests.length, before)
      assert.equal((await ask(line, body, ann)).status, 200)
    })
  }

  test('sends back what a response held', async (t) => {
    const { ask, upstreams } = await startTwo(t, several)
    upstreams.models.respondAlways(json(200, response))
    const items = [
      { type: 'reasoning', id: 'rs_0123456789abcdef0123' },
      { type: 'code_interpreter_call', id: 'ci_0123456789abcdef', container_id: 'cntr_0123456789abcdef' },
      { type: 'function_call_output', call_id: 'call_0123456789abcdef', output: '{"file_id":"file-x"}' },
    ]
    const body = JSON.stringify({ model: 'plain', input: items, store: false })
    assert.equal((await ask('POST /v1/responses', body, ann)).status, 200)
  })
})

test('a chat completion is fetched from its model’s provider if the client had it stored', async (t) => {
  const { ask, upstreams } = await startTwo(t)
  upstreams.models.respondAlways(json(200, completion))
  await ask('POST /v1/chat/completions', '{"model":"plain","messages":[],"store":true}')
  assert.equal((await ask('GET /v1/chat/completions/chatcmpl-1')).status, 200)
  assert.equal((await ask('GET /v1/chat/completions/chatcmpl-1/messages')).status, 200)
  assert.equal(upstreams.rest.connections, 0)
})

test('a chat completion is not remembered otherwise', async (t) => {
  const { ask, upstreams } = await startTwo(t)
  upstreams.models.respondAlways(json(200, completion))
  await ask('POST /v1/chat/completions', '{"model":"plain","messages":[]}')
  assert.equal((await ask('GET /v1/chat/completions/chatcmpl-1')).status, 404)
  assert.equal(upstreams.rest.requests.length, 1)
})

suite('the size of a prompt', () => {
  test('is asked of the model’s provider, under its name for the model', async (t) => {
    const { ask, upstreams } = await startTwo(t)
    const size = json(200, { object: 'response.input_tokens', input_tokens: 3 })
    upstreams.models.respond(size)
    const sized = await ask('POST /v1/responses/input_tokens', '{"model":"plain", "input":"x"}')
    assert.equal(sized.status, 200)
    assert.equal((await upstreams.models.nextRequest()).body.toString(), '{"model":"plain", "input":"x"}')
    upstreams.rest.respond(size)
    await ask('POST /v1/responses/input_tokens', '{"input":"x", "model" : "other"}')
    const { body } = await upstreams.rest.nextRequest()
    assert.equal(body.toString(), '{"input":"x", "model" : "renamed"}')
  })

  test('of a model that does not exist is 404', async (t) => {
    const { ask, upstreams } = await startTwo(t)
    const sized = await ask('POST /v1/responses/input_tokens', '{"model":"nowhere","input":"x"}')
    assert.equal(sized.status, 404)
    assert.equal(sized.header('x-llm-gateway-error'), 'model_not_found')
    assert.equal(upstreams.rest.connections, 0)
  })

  test('of a conversation of another client is 404', async (t) => {
    const { ask, upstreams } = await startTwo(t, { server: { trusted_proxies: [{ user: 'self' }] } })
    const body = '{"model":"plain","input":"x","previous_response_id":"resp_0123456789abcdef"}'
    const sized = await ask('POST /v1/responses/input_tokens', body, bob)
    assert.equal(sized.header('x-llm-gateway-error'), 'object_not_found')
    assert.equal(upstreams.models.connections, 0)
  })

  test('without a model is the default model’s', async (t) => {
    const routes = { rest: { provider: 'rest' }, default_model: { responses: 'plain' } }
    const { ask, upstreams } = await startTwo(t, { routes })
    upstreams.models.respond(json(200, { input_tokens: 3 }))
    assert.equal((await ask('POST /v1/responses/input_tokens', '{"input":"x"}')).status, 200)
    const { body } = await upstreams.models.nextRequest()
    assert.deepEqual(JSON.parse(body.toString()), { model: 'plain', input: 'x' })
  })
})
