// Members of a kind that no format has for them, which JSON allows all the same: the call ends as the format says, and never
// as a failure of the gateway.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { readErrorBody, readStream } from '../dialects/translate/client-rules.ts'
import { startGateway } from '../support/app.ts'
import { post } from '../support/calls.ts'
import { delta, whole } from '../support/chat-content.ts'
import { helloMessage } from '../support/message-events.ts'
import { json, sse } from '../support/upstream-script.ts'

/** What `Number` and `String` throw at. */
const unconvertible = { toString: 1, valueOf: 1 }

const turns = [{ role: 'user', content: 'hi' }]
const question = { model: 'small', max_tokens: 64, messages: turns }

function start(t: TestContext, speaks: 'chat' | 'messages') {
  return startGateway(t, {
    providers: { scripted: { speaks: [speaks] } },
    models: { small: { provider: 'scripted' } },
  })
}

suite('a member of another kind', () => {
  test('in a request counts as absent', async (t) => {
    const { gateway, upstream } = await start(t, 'chat')
    upstream.respond(whole())
    const thinking = { type: 'enabled', budget_tokens: unconvertible }
    const response = await post(gateway, { ...question, thinking }, { path: '/v1/messages' })

    assert.equal(response.status, 200, await response.text())
    const sent = JSON.parse((await upstream.nextRequest()).body.toString()) as Record<string, unknown>
    assert.equal(sent['reasoning_effort'], 'high')
  })

  for (const code of [unconvertible, [unconvertible]]) {
    test(`in an error event of a provider is no status: ${JSON.stringify(code)}`, async (t) => {
      const { gateway, upstream } = await start(t, 'chat')
      upstream.respond(sse([delta('Well'), JSON.stringify({ error: { message: 'gave up', code } })]))
      const response = await post(gateway, { ...question, stream: true }, { path: '/v1/messages' })

      const { text, end } = readStream('messages', await response.text())
      assert.deepEqual([text, end], ['Well', { message: 'gave up', code: undefined, type: 'api_error' }])
    })
  }

  test('in an error under a good status is no status', async (t) => {
    const { gateway, upstream } = await start(t, 'chat')
    upstream.respond(json(200, { error: { message: 'gave up', code: unconvertible } }))
    const response = await post(gateway, question, { path: '/v1/messages' })

    assert.equal(response.status, 500)
    const { message } = readErrorBody('messages', Buffer.from(await response.arrayBuffer()))
    assert.equal(message, 'gave up')
  })
})

suite('an empty text', () => {
  test('is no code of an error', async (t) => {
    const { gateway, upstream } = await start(t, 'chat')
    upstream.respond(sse([delta('Well'), '{"error":{"message":"gave up","type":"","code":""}}']))
    const input = { model: 'small', input: 'hi', stream: true }
    const response = await post(gateway, input, { path: '/v1/responses' })

    const { end } = readStream('response', await response.text())
    assert.deepEqual(end, { message: 'gave up', code: 'server_error', type: undefined })
  })

  test('is no id of a tool call', async (t) => {
    const { gateway, upstream } = await start(t, 'messages')
    const content = [{ type: 'tool_use', id: '', name: 'look', input: {} }]
    upstream.respond(json(200, { ...helloMessage, content, stop_reason: 'tool_use' }))
    const response = await post(gateway, { model: 'small', messages: turns })

    assert.equal(response.status, 502)
    const { code } = readErrorBody('chat', Buffer.from(await response.arrayBuffer()))
    assert.equal(code, 'provider_bad_response')
  })
})
