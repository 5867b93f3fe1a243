// Compaction of a conversation, a route beside the Responses API that few servers have.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startGateway, type TestGateway } from '../support/app.ts'
import { post, used } from '../support/calls.ts'
import { content, json } from '../support/upstream-script.ts'

function start(t: TestContext) {
  return startGateway(t, {
    providers: { scripted: { speaks: ['responses'] }, chat: { speaks: ['chat'] } },
    models: { small: { provider: 'scripted' }, chat: { provider: 'chat' } },
    rate_limit_settings: { limits: { small: { rpm: 9, tpm: 5000 } } },
  })
}

async function compact(gateway: TestGateway, body: object) {
  const response = await post(gateway, body, { path: '/v1/responses/compact' })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

const conversation = { input: [{ role: 'user', content: 'x'.repeat(4000) }], instructions: 'Be brief.' }

test('a compaction passes to a provider that speaks the format, byte for byte, and is charged', async (t) => {
  const { gateway, upstream } = await start(t)
  const usage = { input_tokens: 100, output_tokens: 20, total_tokens: 120 }
  const answer = JSON.stringify({ output: [{ type: 'compaction', encrypted_content: 'x' }], usage }, null, 1)
  upstream.respond(content(200, 'application/json', answer))
  const sent = { model: 'small', ...conversation }
  const { status, body } = await compact(gateway, sent)
  assert.deepEqual([status, body], [200, answer])
  const [request] = upstream.requests
  assert.equal(request!.target, '/v1/responses/compact')
  assert.equal(request!.body.toString(), JSON.stringify(sent))
  assert.deepEqual(await used(gateway), { requests: 1, tokens: 120, parallel: 0 })
  assert.equal((await gateway.logged({ event: 'call' }))['dialect'], 'compaction')
})

test('a compaction is 404 with a way out where the provider speaks only chat, and costs nothing', async (t) => {
  const { gateway, upstreams } = await start(t)
  const { status, headers, body } = await compact(gateway, { model: 'chat', ...conversation })
  assert.deepEqual([status, headers.get('x-llm-gateway-error')], [404, 'unknown_url'])
  assert.match(JSON.parse(body).error.message, /has no \/responses\/compact\. Ask for a summary/)
  assert.equal(upstreams.chat.requests.length, 0)
})

for (const [what, script] of [
  ['a page', content(404, 'text/plain', '404 page not found')],
  ['JSON', json(404, { detail: 'Not Found' })],
] as const) {
  test(`a compaction is 404 where the provider says so by ${what}`, async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(script)
    const { status, body } = await compact(gateway, { model: 'small', ...conversation })
    assert.equal(status, 404)
    assert.match(JSON.parse(body).error.message, /"scripted" has no \/responses\/compact \(404\)/)
  })
}

test('a compaction keeps the error of a provider whose model is unknown', async (t) => {
  const { gateway, upstream } = await start(t)
  const error = { error: { message: 'The model does not exist', code: 'model_not_found' } }
  upstream.respond(json(404, error))
  const { status, body } = await compact(gateway, { model: 'small', ...conversation })
  assert.deepEqual([status, JSON.parse(body)], [404, error])
})
