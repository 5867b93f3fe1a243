// Providers of kind anthropic behind clients of every format, and the built-in echo behind clients of Messages, on the wire.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import type { RawModel, RawProvider } from '../../src/config/raw.ts'
import { startGateway } from '../support/app.ts'
import { chat, post } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { echo, providerKey } from '../support/gateway-config.ts'
import { helloMessage, helloStream } from '../support/message-events.ts'
import { json, stream } from '../support/upstream-script.ts'

async function start(t: TestContext, provider: RawProvider = {}, model: Partial<RawModel> = {}) {
  return startGateway(t, {
    providers: { claude: { kind: 'anthropic', ...provider }, other: {} },
    models: {
      m: { provider: 'claude', model: 'claude-haiku-4-5', ...model },
      pair: { targets: [{ provider: 'claude' }, { provider: 'other', tier: 2 }] },
    },
  })
}

const sonnetBody = { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'hello' }] }

suite('a provider of kind anthropic', () => {
  test('receives a call in chat as Messages, with its key, its version and a cap of the output', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.claude.respond(json(200, helloMessage))
    const { status, headers, body } = await chat(gateway, 'm')
    assert.deepEqual([status, headers.get('x-llm-gateway-way')], [200, 'chat_messages'])
    assert.equal(JSON.parse(body).choices[0].message.content, 'Hello there')
    const request = await upstreams.claude.nextRequest()
    assert.equal(request.target, '/v1/messages')
    assert.deepEqual(
      ['x-api-key', 'anthropic-version', 'authorization'].map((name) => request.header(name)),
      [providerKey, '2023-06-01', undefined],
    )
    const { model, max_tokens: cap } = JSON.parse(request.body.toString())
    assert.deepEqual([model, cap], ['claude-haiku-4-5', 32_000])
  })

  test('counts its usage in parts, which the log keeps apart', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.claude.respond(stream(helloStream))
    await chat(gateway, 'm', { stream: true })
    const line = await gateway.logged({ event: 'call' })
    const counts = ['prompt_tokens', 'completion_tokens', 'cached_tokens', 'cache_write_tokens', 'estimated']
    assert.deepEqual(
      counts.map((name) => line[name]),
      [100, 5, 80, 10, false],
    )
  })

  test('is asked with the version that a client of its format names, once', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.claude.respondAlways(json(200, helloMessage))
    for (const [version, expected] of [
      ['2024-01-01', '2024-01-01'],
      [undefined, '2023-06-01'],
    ] as const) {
      await fetch(`${gateway.url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(version && { 'anthropic-version': version }) },
        body: JSON.stringify(sonnetBody),
      })
      // An error if it is repeated.
      assert.equal((await upstreams.claude.nextRequest()).header('anthropic-version'), expected)
    }
  })

  test('may take its key as a bearer token', async (t) => {
    const { gateway, upstreams } = await start(t, { auth: 'bearer' })
    upstreams.claude.respond(json(200, helloMessage))
    await chat(gateway, 'm')
    const request = await upstreams.claude.nextRequest()
    assert.equal(request.header('authorization'), `Bearer ${providerKey}`)
    assert.equal(request.header('x-api-key'), undefined)
  })

  test('goes by the settings of the provider, and before them by those of the model', async (t) => {
    const provider = { translation: { default_max_tokens: 100, max_temperature: 0.5 } }
    const { gateway, upstreams } = await start(t, provider, { translation: { default_max_tokens: 200 } })
    upstreams.claude.respond(json(200, helloMessage))
    await chat(gateway, 'm', { temperature: 0.9 })
    const { max_tokens: cap, temperature } = JSON.parse(
      (await upstreams.claude.nextRequest()).body.toString(),
    )
    assert.deepEqual([cap, temperature], [200, 0.5])
  })

  test('receives no call in a format that it lacks', async (t) => {
    const { gateway, upstreams } = await start(t)
    const response = await post(gateway, { model: 'm', input: 'hello' }, { path: '/v1/embeddings' })
    const { error } = (await response.json()) as { error: { code: string } }
    assert.deepEqual([response.status, error.code], [400, 'not_translatable'])
    assert.equal(upstreams.claude.requests.length, 0)
  })

  const faults = [
    [
      'has no money left',
      400,
      'invalid_request_error',
      'Your credit balance is too low to access the Anthropic API.',
    ],
    ['has no money left, and says so by its status', 402, 'billing_error', 'Pay your bill.'],
    ['is overloaded', 529, 'overloaded_error', 'Overloaded'],
    ['refuses the key', 401, 'authentication_error', 'invalid x-api-key'],
    ['lacks the model', 404, 'not_found_error', 'model: pair'],
    ['is at its limit', 429, 'rate_limit_error', 'Slow down.'],
  ] as const
  for (const [what, status, type, message] of faults) {
    test(`that ${what} leaves the call to another target`, async (t) => {
      const { gateway, upstreams } = await start(t)
      upstreams.claude.respond(json(status, { type: 'error', error: { type, message } }))
      upstreams.other.respond(whole())
      const { headers } = await chat(gateway, 'pair')
      assert.equal(headers.get('x-llm-gateway-provider'), 'other')
      const line = await gateway.logged({ event: 'call' })
      assert.deepEqual([line['way'], line['earlier_ways']], ['pass', ['chat_messages']])
    })
  }

  test('whose refusal only quotes such words is not out of money', async (t) => {
    const { gateway, upstreams } = await start(t)
    const message = 'messages.0: unexpected "message":"Your credit balance is too low"'
    const error = { type: 'error', error: { type: 'invalid_request_error', message } }
    upstreams.claude.respond(json(400, error))
    assert.equal((await chat(gateway, 'pair')).status, 400)
    assert.equal(upstreams.other.requests.length, 0)
  })
})

suite('the built-in echo', () => {
  for (const isStream of [false, true]) {
    test(`answers clients of Messages, ${isStream ? 'streamed' : 'whole'}`, async (t) => {
      const { gateway } = await startGateway(t, { ...echo, models: { echo: { provider: 'echo' } } })
      const body = { ...sonnetBody, model: 'echo', stream: isStream }
      const response = await post(gateway, body, { path: '/v1/messages' })
      assert.deepEqual([response.status, response.headers.get('x-llm-gateway-way')], [200, 'messages_chat'])
      const text = await response.text()
      if (isStream) assert.match(text, /text_delta.*hello[^]*event: message_stop/)
      else assert.deepEqual(JSON.parse(text).content, [{ type: 'text', text: 'hello' }])
    })
  }
})
