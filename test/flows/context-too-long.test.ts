// A prompt that is too long for one model: another one is asked, and in the end clients recognize the error.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startGateway } from '../support/app.ts'
import { chat, post } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { json, type Script } from '../support/upstream-script.ts'

/** As llama.cpp writes it. */
const overflow = (needed: number, had: number): Script =>
  json(400, {
    error: {
      code: 400,
      message: `request (${needed} tokens) exceeds the available context size (${had} tokens), try increasing it`,
      type: 'exceed_context_size_error',
      n_prompt_tokens: needed,
      n_ctx: had,
    },
  })

const start = (t: Cleanup) =>
  startGateway(t, {
    providers: { small: {}, large: {} },
    models: {
      both: { targets: [{ provider: 'small' }, { provider: 'large', tier: 2 }] },
      small: { provider: 'small', fallbacks: ['large'] },
      large: { provider: 'large' },
      alone: { provider: 'small' },
    },
  })

describe('a server that refuses a prompt as too long', () => {
  test('is followed by the next target, and nothing is held against it', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.small.respondAlways(overflow(900, 512))
    upstreams.large.respondAlways(whole())
    for (let calls = 1; calls <= 2; calls++) {
      const { status, headers } = await chat(gateway, 'both')
      assert.deepEqual([status, headers.get('x-llm-gateway-provider')], [200, 'large'])
      assert.deepEqual([upstreams.small.requests.length, upstreams.large.requests.length], [calls, calls])
    }
    const line = await gateway.logged({ event: 'call' })
    assert.deepEqual([line['attempts'], line['placement'], line['status']], [2, 'failover', 200])
  })

  test('is followed by a fallback', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.small.respond(overflow(900, 512))
    upstreams.large.respond(whole())
    const { status } = await chat(gateway, 'small')
    assert.equal(status, 200)
    await gateway.logged({ model: 'small', fallback_model: 'large', status: 200 })
  })

  test('is not asked again', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.small.respondAlways(overflow(900, 512))
    await chat(gateway, 'alone')
    assert.equal(upstreams.small.requests.length, 1)
  })
})

describe('a prompt that is too long for all', () => {
  test('is refused with the numbers of the largest, and the code that clients of OpenAI know', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.small.respond(overflow(900, 512))
    upstreams.large.respond(overflow(901, 768))
    const { status, headers, body } = await chat(gateway, 'both')
    assert.deepEqual([status, headers.get('x-llm-gateway-error')], [400, 'context_too_long'])
    const { message, ...error } = JSON.parse(body).error
    assert.deepEqual(error, {
      type: 'invalid_request_error',
      param: null,
      code: 'context_length_exceeded',
      n_prompt_tokens: 901,
      n_ctx: 768,
    })
    assert.match(message, /901 tokens > 768 maximum.*maximum context length is 768 tokens/)
    await gateway.logged({ event: 'call', code: 'context_too_long', provider: 'large', provider_status: 400 })
  })

  test('is refused in the words that Claude Code knows', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.small.respond(overflow(900, 512))
    const messages = [{ role: 'user', content: 'hello' }]
    const response = await post(
      gateway,
      { model: 'alone', max_tokens: 9, messages },
      { path: '/v1/messages' },
    )
    const { error } = (await response.json()) as { error: { type: string; message: string } }
    assert.deepEqual([response.status, error.type], [400, 'invalid_request_error'])
    assert.match(error.message, /^prompt is too long: 900 tokens > 512 maximum/)
  })

  test('is refused with the code that Codex knows, whole or streamed', async (t) => {
    const { gateway, upstreams } = await start(t)
    for (const stream of [false, true]) {
      upstreams.small.respond(overflow(900, 512))
      const response = await post(
        gateway,
        { model: 'alone', input: 'hello', stream },
        { path: '/v1/responses' },
      )
      const { error } = (await response.json()) as { error: { code: string } }
      assert.deepEqual([response.status, error.code], [400, 'context_length_exceeded'])
    }
  })

  test('is refused with the server’s own bytes where clients recognize them', async (t) => {
    const { gateway, upstreams } = await start(t)
    const own = {
      error: { message: 'Your input exceeds the context window.', code: 'context_length_exceeded' },
    }
    upstreams.small.respond(json(400, own))
    const { status, headers, body } = await chat(gateway, 'alone')
    assert.deepEqual([status, headers.get('x-llm-gateway-error'), body], [400, null, JSON.stringify(own)])

    const anthropic = {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'prompt is too long: 9 tokens > 8 maximum' },
    }
    upstreams.small.respond(json(400, anthropic))
    const messages = [{ role: 'user', content: 'hello' }]
    const response = await post(
      gateway,
      { model: 'alone', max_tokens: 9, messages },
      { path: '/v1/messages' },
    )
    assert.deepEqual([response.status, await response.text()], [400, JSON.stringify(anthropic)])
  })

  test('is not reported where a larger model might have answered', async (t) => {
    const { gateway, upstreams } = await start(t)
    upstreams.small.respond(overflow(900, 512))
    upstreams.large.respond(json(500, { error: { message: 'no' } }))
    const { status, body } = await chat(gateway, 'both')
    assert.equal(status, 503)
    assert.match(
      body,
      /small \(both\): the prompt is too long \(900 tokens > 512\); large \(both\): broken, status 500/,
    )
  })
})
