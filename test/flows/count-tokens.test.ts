// Counting tokens for clients of Anthropic's API and of Responses: a provider's count, or an estimate; never an error of ours.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import OpenAI from 'openai'
import { startGateway } from '../support/app.ts'
import { providerModel } from '../support/gateway-config.ts'
import { connectRaw, exchange, rawRequest, type RawResponse } from '../support/raw-client.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'
import { content, hang, json, type Script, sse } from '../support/upstream-script.ts'

const path = 'POST /v1/messages/count_tokens'
const prompt = { model: 'plain', messages: [{ role: 'user', content: 'x'.repeat(4_000) }], tools: [] }
const body = JSON.stringify(prompt)
const version = { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'token-counting-2024-11-01' }

const tokensIn = (response: RawResponse) =>
  (JSON.parse(response.body().toString()) as { input_tokens: number }).input_tokens

test("a provider's count passes, and so do its headers and those of the client", async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const text = '{ "input_tokens": 1234 }'
  upstream.respond(content(200, 'application/json', text, { 'request-id': 'req_9' }))

  const asked = JSON.stringify({ ...prompt, model: 'renamed' })
  const response = await exchange(t, gateway.url, rawRequest(`${path}?beta=true`, version, asked))

  assert.deepEqual([response.status, response.body().toString()], [200, text])
  assert.equal(response.header('request-id'), 'req_9')
  assert.equal(response.header('x-llm-gateway-provider'), 'scripted')
  assert.equal(response.header('x-llm-gateway-provider-request-id'), 'req_9')
  const request = await upstream.nextRequest()
  assert.equal(request.target, '/v1/messages/count_tokens?beta=true')
  assert.equal(request.header('anthropic-beta'), 'token-counting-2024-11-01')
  assert.equal(request.body.toString(), asked.replace('renamed', providerModel))
  const line = await gateway.logged({ event: 'call', dialect: 'other', model: 'renamed', attempts: 1 })
  assert.equal(line['prompt_tokens'], undefined)
})

const elsewhere: readonly (readonly [what: string, script: Script])[] = [
  ['no such route', content(404, 'text/plain', '404 page not found')],
  ['no such method', json(405, { detail: 'Method Not Allowed' })],
  ['a failure', json(500, { error: { message: 'nested results' } }, { 'x-request-id': 'req_9' })],
  ['a page', content(200, 'text/html', '<html></html>')],
  ['another answer', json(200, { error: 'Unexpected endpoint or method. (POST /v1/messages/count_tokens)' })],
  ['less than none', json(200, { input_tokens: -5 })],
  ['a stream', sse(['{"input_tokens":1}'])],
  ['too many calls', json(429, { type: 'error', error: { type: 'rate_limit_error', message: 'slow' } })],
  ['a key of ours that it refuses', json(401, { type: 'error', error: { message: 'no' } })],
]
for (const [what, script] of elsewhere) {
  test(`an estimate is the answer where a provider has ${what}`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(script)
    const response = await exchange(t, gateway.url, rawRequest(path, version, body))
    assert.equal(response.status, 200)
    const tokens = tokensIn(response)
    assert.ok(tokens > 900 && tokens < 1_500, String(tokens))
    assert.ok(response.header('request-id'))
    assert.equal(response.header('x-llm-gateway-provider'), undefined)
    assert.equal(response.header('x-llm-gateway-provider-request-id'), undefined)
  })
}

test('an estimate is the answer where a provider speaks no Messages, and where it is away', async (t) => {
  const { gateway, upstreams } = await startGateway(t, {
    providers: { chat: { speaks: ['chat'] }, away: { base_url: await refusingUrl(t), speaks: ['messages'] } },
    models: { chat: { provider: 'chat' }, away: { provider: 'away' } },
  })
  for (const model of ['chat', 'away']) {
    const asked = JSON.stringify({ ...prompt, model })
    const response = await exchange(t, gateway.url, rawRequest(path, version, asked))
    assert.ok(tokensIn(response) > 900)
  }
  assert.equal(upstreams.chat.requests.length, 0)
})

test('counts take nothing of the limits of a model', async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    rate_limit_settings: { per_client: {}, limits: { plain: { rpm: 1, tpm: 10 } } },
  })
  upstream.respondAlways(json(200, { input_tokens: 7 }))
  for (let count = 0; count < 3; count += 1) {
    assert.equal(tokensIn(await exchange(t, gateway.url, rawRequest(path, version, body))), 7)
  }
})

test("a provider's word on the request passes as it is", async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const error = { type: 'error', error: { type: 'invalid_request_error', message: 'messages: too odd' } }
  upstream.respond(json(400, error))
  const response = await exchange(t, gateway.url, rawRequest(path, version, body))
  assert.deepEqual([response.status, JSON.parse(response.body().toString())], [400, error])
})

test('a model that is unknown, and a body that is none, are errors in the form of the client', async (t) => {
  const { gateway } = await startGateway(t)
  const typeOf = async (asked: string) => {
    const response = await exchange(t, gateway.url, rawRequest(path, {}, asked))
    const { error } = JSON.parse(response.body().toString()) as { error: { type: string } }
    return [response.status, error.type]
  }
  assert.deepEqual(await typeOf('{"model":"nowhere","messages":[]}'), [404, 'not_found_error'])
  assert.deepEqual(await typeOf('{"model":'), [400, 'invalid_request_error'])
})

test('a client that leaves ends the request to the provider', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond([hang])
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest(path, version, body))
  const request = await upstream.nextRequest()
  client.leave()
  assert.equal((await request.outcome).kind, 'aborted')
  await gateway.logged({ dialect: 'other', status: 499 })
})

test('a Responses client gets the count of a provider that speaks the format, and else an estimate', async (t) => {
  const { gateway, upstream, upstreams } = await startGateway(t, {
    providers: { scripted: { speaks: ['responses'] }, chat: { speaks: ['chat'] } },
    models: { counted: { provider: 'scripted' }, estimated: { provider: 'chat' } },
  })
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 })
  const input = 'x'.repeat(4_000)
  upstream.respond(json(200, { object: 'response.input_tokens', input_tokens: 1234 }))

  const counted = await client.responses.inputTokens.count({ model: 'counted', input })
  assert.deepEqual(counted, { object: 'response.input_tokens', input_tokens: 1234 })
  const request = await upstream.nextRequest()
  assert.equal(request.target, '/v1/responses/input_tokens')
  assert.deepEqual(JSON.parse(request.body.toString()), { model: 'counted', input })

  upstream.respond(content(404, 'text/plain', '404 page not found'))
  for (const model of ['counted', 'estimated']) {
    const { object, input_tokens: tokens } = await client.responses.inputTokens.count({ model, input })
    assert.equal(object, 'response.input_tokens')
    assert.ok(tokens > 900 && tokens < 1_500, String(tokens))
  }
  assert.equal(upstreams.chat.requests.length, 0)
})
