// The limits as clients meet them: who is refused, in which words, and when exactly to come back.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { FakeClock } from '../support/fake-clock.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { hang, json, sse } from '../support/upstream-script.ts'
import { startLimited } from './limited.ts'
import { startGateway } from '../support/app.ts'
import { parse } from 'yaml'

import { chat, post, report, used } from '../support/calls.ts'
import type { Setup } from '../support/gateway-config.ts'
import { delta, messages, usageEvent, whole } from '../support/chat-content.ts'

const shippedYaml = readFileSync(join(import.meta.dirname, '../../config/llm-gateway.yaml'), 'utf8')

describe('the limits that are shipped', () => {
  for (const [model, rpm, tpm] of [
    ['llama3.1:8b', 100, 50_000],
    ['qwen-coder', 80, 40_000],
    ['llama2-13b-vllm', 50, 100_000],
    ['llama-cpp-native', 150, 75_000],
  ] as const) {
    test(`${model}: ${rpm} calls a minute pass, the next does not, and the others do not notice`, async (t) => {
      const upstream = await startUpstream(t)
      upstream.respondAlways(whole())
      const yaml = shippedYaml.replaceAll(/http:\/\/127\.0\.0\.1:(11434|8000|8080)/g, upstream.url)
      const setup = { ...(parse(yaml) as Setup), server: {}, logging: { format: 'json' as const } }
      const { gateway } = await startGateway(t, setup, { clock: new FakeClock() })

      for (let call = 1; call <= rpm; call++) {
        const { status, headers } = await chat(gateway, model)
        assert.equal(status, 200, `call ${call}`)
        assert.equal(headers.get('x-ratelimit-remaining-requests'), String(rpm - call))
        assert.equal(headers.get('x-ratelimit-limit-tokens'), String(tpm))
      }
      assert.equal((await chat(gateway, model)).status, 429)
      for (const other of ['llama3.1:8b', 'qwen-coder', 'llama2-13b-vllm', 'llama-cpp-native']) {
        if (other !== model) assert.equal((await chat(gateway, other)).status, 200, other)
      }
    })
  }
})

test('the names of a model share its limiter', async (t) => {
  const { gateway } = await startLimited(t, { limits: { small: { rpm: 2 } } })

  const statuses = []
  for (const name of ['small', 'short', 'short', 'small', 'other']) {
    statuses.push((await chat(gateway, name)).status)
  }

  assert.deepEqual(statuses, [200, 200, 429, 429, 200])
})

test('an unknown model is 404 and leaves no limiter behind', async (t) => {
  const { gateway } = await startLimited(t, { default: { rpm: 1 } })

  for (let call = 0; call < 3; call++) assert.equal((await chat(gateway, 'nope')).status, 404)

  const response = await fetch(`${gateway.url}/v1/limits`)
  const { data } = (await response.json()) as { data: { model: string }[] }
  assert.deepEqual(
    data.map(({ model }) => model),
    ['small', 'other'],
  )
})

test('too many requests: the answer is as from OpenAI, byte for byte', async (t) => {
  const { gateway, clock } = await startLimited(t, { limits: { small: { rpm: 1, tpm: 5000 } } })
  await chat(gateway, 'small')
  clock.advance(40_500.25)

  const refused = await chat(gateway, 'short')

  assert.equal(refused.status, 429)
  assert.equal(
    refused.body,
    '{"error":{"message":"Rate limit reached for small on requests per min (RPM): Limit 1, Used 1, Requested 1. ' +
      'Please try again in 19.5s. rate_limit_settings.limits.small.rpm is 1 too low for this call.","type":"requests","param":null,"code":"rate_limit_exceeded"}}',
  )
  assert.deepEqual(limitHeaders(refused.headers), {
    'retry-after': '20',
    'retry-after-ms': '19500',
    'x-llm-gateway-error': 'rate_limit_exceeded',
    'x-ratelimit-limit-requests': '1',
    'x-ratelimit-limit-tokens': '5000',
    'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-remaining-tokens': '4988',
    'x-ratelimit-reset-requests': '19.5s',
    'x-ratelimit-reset-tokens': '19.5s',
  })
  const line = await gateway.logged({ event: 'rate_limit_exceeded' })
  assert.equal(line['status'], 429)
  assert.equal(line['level'], 'WARN')
})

test('the key to raise is named with all that a call needs that is estimated larger than the limit', async (t) => {
  const { gateway, upstream, clock } = await startLimited(t, { limits: { small: { rpm: 100, tpm: 1000 } } })
  upstream.respond(whole({ prompt_tokens: 10, completion_tokens: 200, total_tokens: 210 }))
  await chat(gateway, 'small')
  clock.advance(1000)

  const refused = await chat(gateway, 'small', { messages: [{ role: 'user', content: 'a '.repeat(2_400) }] })

  const { error } = JSON.parse(refused.body) as { error: { message: string } }
  const numbers = /Used 210, Requested (\d+)\..*tpm is (\d+) too low/.exec(error.message) ?? []
  const [requested, missing] = numbers.slice(1).map(Number)
  assert.ok(requested! > 1000, error.message)
  assert.equal(missing, requested! + 210 - 1000, error.message)
})

test('too many tokens: the answer is as from OpenAI, and says which limit it was', async (t) => {
  const { gateway, upstream, clock } = await startLimited(t, { limits: { small: { rpm: 100, tpm: 1000 } } })
  upstream.respond(whole({ prompt_tokens: 500, completion_tokens: 490, total_tokens: 990 }))
  await chat(gateway, 'small')
  clock.advance(1000)

  const refused = await chat(gateway, 'small')

  assert.equal(refused.status, 429)
  const { error } = JSON.parse(refused.body) as { error: Record<string, unknown> }
  assert.match(
    String(error['message']),
    /^Rate limit reached for small on tokens per min \(TPM\): Limit 1000, Used 990, Requested \d+\. Please try again in 59s\. rate_limit_settings\.limits\.small\.tpm is \d+ too low for this call\.$/,
  )
  assert.equal(error['type'], 'tokens')
  assert.equal(refused.headers.get('retry-after'), '59')
  assert.equal(refused.headers.get('x-ratelimit-remaining-tokens'), '10')
})

test('retry-after is exact: refused a millisecond before, admitted at that moment', async (t) => {
  const { gateway, clock } = await startLimited(t, { limits: { small: { rpm: 3 } } })
  for (const pauseMs of [1234, 5678, 9]) {
    await chat(gateway, 'small')
    clock.advance(pauseMs)
  }

  for (let round = 0; round < 3; round++) {
    const refused = await chat(gateway, 'small')
    const waitMs = Number(refused.headers.get('retry-after-ms'))
    clock.advance(waitMs - 1)
    const early = await chat(gateway, 'small')
    assert.equal(early.headers.get('retry-after-ms'), '1')
    assert.equal(early.headers.get('retry-after'), '1')
    clock.advance(1)
    assert.equal((await chat(gateway, 'small')).status, 200, `round ${round}`)
  }
})

test('a call larger than the whole limit is told not to come back', async (t) => {
  const { gateway, upstream } = await startLimited(t, { limits: { small: { tpm: 1000 } } })

  const refused = await chat(gateway, 'small', {
    messages: [{ role: 'user', content: 'word '.repeat(4000) }],
  })

  assert.equal(refused.status, 429)
  const { error } = JSON.parse(refused.body) as { error: Record<string, unknown> }
  assert.match(
    String(error['message']),
    /^Request too large for small on tokens per min \(TPM\): Limit 1000, Requested \d+\. The input or output tokens must be reduced/,
  )
  assert.deepEqual([error['type'], error['code']], ['tokens', 'rate_limit_exceeded'])
  assert.equal(refused.headers.get('x-should-retry'), 'false')
  assert.equal(refused.headers.get('retry-after'), null)
  assert.equal(refused.headers.get('x-ratelimit-remaining-tokens'), '1000')
  assert.equal(upstream.requests.length, 0)
})

test('headers tell of the limits on whole and streamed answers alike, and a stream of its reservation', async (t) => {
  const { gateway, upstream } = await startLimited(t, { limits: { small: { rpm: 10, tpm: 5000 } } })
  const first = await chat(gateway, 'small')
  upstream.respond(
    sse([delta('a'), usageEvent({ prompt_tokens: 7, completion_tokens: 1, total_tokens: 8 }), '[DONE]']),
  )

  const second = await chat(gateway, 'small', { stream: true })

  assert.equal(first.headers.get('x-ratelimit-remaining-requests'), '9')
  assert.equal(first.headers.get('x-ratelimit-reset-requests'), '1m0s')
  assert.equal(second.headers.get('x-ratelimit-remaining-requests'), '8')
  const remaining = Number(second.headers.get('x-ratelimit-remaining-tokens'))
  assert.ok(remaining < 5000 - 12 - 8, 'as reserved')
  assert.equal((await report(gateway)).remaining['tokens'], 5000 - 12 - 8, 'as settled')
})

test("a provider's own limit headers never pass as the gateway's", async (t) => {
  const { gateway, upstream } = await startLimited(t, { limits: { small: { rpm: 10 } } })
  upstream.respond(json(200, {}, { 'x-ratelimit-remaining-requests': '77', 'x-ratelimit-limit-tokens': '5' }))

  const { headers } = await chat(gateway, 'small')

  assert.equal(headers.get('x-ratelimit-remaining-requests'), '9')
  assert.equal(headers.get('x-ratelimit-limit-tokens'), null)
})

test('refused calls cost nothing: after many of them the first that leaves lets one in', async (t) => {
  const { gateway, clock } = await startLimited(t, { limits: { small: { rpm: 1, tpm: 5000 } } })
  await chat(gateway, 'small')
  for (let call = 0; call < 50; call++) assert.equal((await chat(gateway, 'small')).status, 429)

  clock.advance(60_000)

  assert.deepEqual(await used(gateway), { requests: 0, tokens: 0, parallel: 0 })
  assert.equal((await chat(gateway, 'small')).status, 200)
})

describe('regressions of other gateways', () => {
  test('five parallel calls under 100 tokens a minute: what is admitted stays within the limit', async (t) => {
    const { gateway, upstream } = await startLimited(t, { limits: { small: { tpm: 100 } } })
    upstream.respondAlways([hang])
    const leave = new AbortController()

    const statuses: Promise<number>[] = []
    for (let call = 0; call < 5; call++) {
      const calling = post(gateway, { model: 'small', messages }, { signal: leave.signal })
      statuses.push(
        calling.then(
          ({ status }) => status,
          () => 0,
        ),
      )
    }
    await upstream.nextRequest()
    // Whoever is refused gets an answer; who is admitted hangs.
    const { tokens, parallel } = await used(gateway)

    assert.ok(tokens <= 100, `${tokens} tokens admitted`)
    assert.ok(parallel >= 1 && parallel < 5)
    leave.abort()
    await Promise.all(statuses)
  })

  test('a call that is refused for want of a slot consumes no request', async (t) => {
    const { gateway, upstream } = await startLimited(t, {
      limits: { small: { rpm: 10, max_parallel_requests: 1 } },
    })
    upstream.respond([hang])
    const leave = new AbortController()
    const first = post(gateway, { model: 'small', messages }, { signal: leave.signal }).catch(() => undefined)
    await upstream.nextRequest()

    const refused = await chat(gateway, 'small')

    assert.equal(refused.status, 429)
    assert.match(refused.body, /parallel requests: Limit 1, Used 1, Requested 1/)
    assert.equal((await used(gateway)).requests, 1)
    leave.abort()
    await first
  })

  test('a client that loops on its own mistake is stopped: refused by the provider counts as a request', async (t) => {
    const { gateway, upstream } = await startLimited(t, { limits: { small: { rpm: 2 } } })
    const statuses = []
    for (let call = 0; call < 4; call++) {
      upstream.respond(json(400, { error: { message: 'no' } }))
      statuses.push((await chat(gateway, 'small')).status)
    }

    assert.deepEqual(statuses, [400, 400, 429, 429])
  })

  test('streamed tokens count against the limit', async (t) => {
    const { gateway, upstream } = await startLimited(t, { limits: { small: { tpm: 1000 } } })
    upstream.respond(
      sse([
        delta('a'),
        usageEvent({ prompt_tokens: 9, completion_tokens: 990, total_tokens: 999 }),
        '[DONE]',
      ]),
    )

    await chat(gateway, 'small', { stream: true })

    assert.equal((await used(gateway)).tokens, 999)
    assert.equal((await chat(gateway, 'small')).status, 429)
  })

  test('a call without max_tokens is admitted under a tiny limit', async (t) => {
    const { gateway } = await startLimited(t, { limits: { small: { tpm: 100 } } })

    assert.equal((await chat(gateway, 'small')).status, 200)
  })

  test('every refusal for the moment says when to come back', async (t) => {
    const { gateway, upstream } = await startLimited(t, {
      limits: { small: { rpm: 1 }, other: { max_parallel_requests: 1 } },
    })
    await chat(gateway, 'small')
    await upstream.nextRequest()
    upstream.respond([hang])
    const leave = new AbortController()
    const held = post(gateway, { model: 'other', messages }, { signal: leave.signal }).catch(() => undefined)
    await upstream.nextRequest()

    for (const model of ['small', 'other']) {
      const { status, headers } = await chat(gateway, model)
      assert.equal(status, 429)
      const seconds = Number(headers.get('retry-after'))
      assert.ok(seconds >= 1 && seconds <= 60)
      assert.equal(Math.ceil(Number(headers.get('retry-after-ms')) / 1000), seconds)
    }
    leave.abort()
    await held
  })
})

/** The headers that have to do with limits. */
function limitHeaders(headers: Headers): Record<string, string> {
  const names = /^(retry-after|x-ratelimit|x-should-retry|x-llm-gateway-error)/
  return Object.fromEntries([...headers].filter(([name]) => names.test(name)))
}
