// The official `openai` client with its own retries against a limit: it waits as it is told, and gives up when told so.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import OpenAI, { APIError } from 'openai'
import { type Clock, systemClock } from '../../src/platform/clock.ts'
import { startLimited } from './limited.ts'
import { recordedClient } from './openai-client.ts'
import { messages, whole } from '../support/chat-content.ts'

test('with its default retries it waits until the window has room, and succeeds', async (t) => {
  let leapMs = 0
  // Real time, because the client waits in it; the test leaps over most of the window.
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + leapMs }
  const { gateway, upstream } = await startLimited(t, { limits: { small: { rpm: 1 } } }, {}, { clock })
  const { openai, sent } = recordedClient(gateway, { maxRetries: 2 })
  await openai.chat.completions.create({ model: 'small', messages })
  leapMs = 59_300

  const answer = await openai.chat.completions.create({ model: 'small', messages })

  assert.equal(answer.choices[0]?.message.content, 'Hi!')
  assert.equal(upstream.requests.length, 2)
  const refused = await gateway.logged({ event: 'rate_limit_exceeded' })
  assert.equal(refused['status'], 429)
  // A timer may fire within the millisecond before; the client is told to wait for that one too.
  assert.ok(sent.length === 3 || sent.length === 4, `${sent.length} requests`)
})

test('what can never fit is sent once, whatever retries are allowed', async (t) => {
  const { gateway, upstream } = await startLimited(t, { limits: { small: { tpm: 500 } } })
  const { openai, sent } = recordedClient(gateway, { maxRetries: 2 })
  const large = [{ role: 'user' as const, content: 'word '.repeat(2000) }]

  const error = await openai.chat.completions
    .create({ model: 'small', messages: large })
    .catch((caught: unknown) => caught)

  assert.ok(error instanceof OpenAI.RateLimitError)
  assert.equal(error.type, 'tokens')
  assert.equal(error.code, 'rate_limit_exceeded')
  assert.match(error.message, /Request too large for small/)
  assert.equal(sent.length, 1)
  assert.equal(upstream.requests.length, 0)
})

test('a refusal is a RateLimitError of the kind that ran out, with the times in its headers', async (t) => {
  const { gateway, upstream } = await startLimited(t, { limits: { small: { tpm: 500 }, other: { rpm: 1 } } })
  const { openai } = recordedClient(gateway)
  upstream.respond(whole({ prompt_tokens: 9, completion_tokens: 490, total_tokens: 499 }))
  for (const model of ['small', 'other']) await openai.chat.completions.create({ model, messages })

  for (const [model, type] of [
    ['small', 'tokens'],
    ['other', 'requests'],
  ] as const) {
    const error = await openai.chat.completions.create({ model, messages }).catch((caught: unknown) => caught)
    assert.ok(error instanceof APIError)
    assert.equal(error.status, 429)
    assert.equal(error.type, type)
    assert.equal(error.headers?.get('retry-after'), '60')
    assert.equal(error.headers?.get('retry-after-ms'), '60000')
  }
})
