// Every end of a call settles it once, with what the outcome table of src/admission/outcome.ts says.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { refusingUrl } from '../support/scripted-upstream.ts'
import {
  bytes,
  chunk,
  end,
  hang,
  head,
  json,
  reset,
  type Script,
  sse,
  streamHead,
} from '../support/upstream-script.ts'
import { limited, startLimited } from './limited.ts'
import { startGateway } from '../support/app.ts'
import { chat, sendChat, used } from '../support/calls.ts'
import { delta, usageEvent } from '../support/chat-content.ts'
import { at } from '../support/gateway-config.ts'
import { scratchDirectory } from '../support/config-file.ts'

const limits = { limits: { small: { rpm: 10, tpm: 5000, max_parallel_requests: 5 } } }
const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
const event = (content: string) => chunk(`data: ${delta(content)}\n\n`)

interface Ended {
  readonly script: Script
  readonly isStream?: boolean
  readonly requests: number
  readonly tokens: number
}

const told: readonly [string, Ended][] = [
  ['a whole answer: as counted', { script: json(200, { choices: [], usage }), requests: 1, tokens: 12 }],
  [
    'a stream: as counted',
    { script: sse([delta('a'), usageEvent(usage), '[DONE]']), isStream: true, requests: 1, tokens: 12 },
  ],
  ...[400, 404, 413, 422, 429, 503].map((status): [string, Ended] => [
    `the provider's ${status}: the request, no tokens`,
    { script: json(status, { error: { message: 'no' } }), requests: 1, tokens: 0 },
  ]),
  ...[500, 502, 529].map((status): [string, Ended] => [
    `the provider's ${status}: the request, no tokens`,
    { script: json(status, { error: { message: 'broken' } }), requests: 1, tokens: 0 },
  ]),
  ...[401, 403].map((status): [string, Ended] => [
    `the provider's ${status} for the gateway's key: nothing`,
    { script: json(status, { error: { message: 'who?' } }), requests: 0, tokens: 0 },
  ]),
  [
    'a stream that is an error from its first event on: the request, no tokens',
    { script: sse(['{"error":{"message":"no"}}', '[DONE]']), isStream: true, requests: 1, tokens: 0 },
  ],
  [
    'a redirect: the request, no tokens',
    { script: json(302, {}, { location: '/' }), requests: 1, tokens: 0 },
  ],
  [
    'a connection closed before any answer: the request, no tokens',
    { script: [end], requests: 1, tokens: 0 },
  ],
]

describe('what is charged for', () => {
  for (const [name, { script, isStream, requests, tokens }] of told) {
    test(name, async (t) => {
      const { gateway, upstream } = await startLimited(t, limits)
      upstream.respondAlways(script)

      await chat(gateway, 'small', isStream ? { stream: true } : {})

      assert.deepEqual(await used(gateway), { requests, tokens, parallel: 0 })
    })
  }

  for (const [name, body, status] of [
    ['a malformed body', '{"model":"small"', 400],
    ['an unknown model', '{"model":"smal"}', 404],
  ] as const) {
    test(`${name}: nothing`, async (t) => {
      const { gateway } = await startLimited(t, limits)

      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })

      assert.equal(response.status, status)
      assert.deepEqual(await used(gateway), { requests: 0, tokens: 0, parallel: 0 })
    })
  }

  test('a provider that refuses connections: nothing', async (t) => {
    const down = { providers: { scripted: at({ url: await refusingUrl(t) }) } }
    const { gateway } = await startGateway(t, limited(limits, down))

    assert.equal((await chat(gateway, 'small')).status, 502)

    assert.deepEqual(await used(gateway), { requests: 0, tokens: 0, parallel: 0 })
  })

  test('a provider that is silent for too long: the request, no tokens', async (t) => {
    const limited = await startLimited(t, limits, {
      providers: { scripted: { timeouts: { first_byte_ms: 5000 } } },
    })
    limited.upstream.respond([hang])
    const answer = chat(limited.gateway, 'small')
    await limited.upstream.nextRequest()

    limited.clock.advance(5200)

    assert.equal((await answer).status, 504)
    assert.deepEqual(await used(limited.gateway), { requests: 1, tokens: 0, parallel: 0 })
  })
})

test('a call under way holds what was reserved for it', async (t) => {
  const { gateway, upstream } = await startLimited(t, limits)
  upstream.respond([hang])
  const client = await sendChat(t, gateway, { stream: false })
  await upstream.nextRequest()

  const { requests, tokens, parallel } = await used(gateway)

  assert.deepEqual([requests, parallel], [1, 1])
  assert.ok(tokens > 256, 'prompt and predicted output')
  client.leave()
})

const cut: readonly [
  string,
  { isStream: boolean; script: Script; atLeast: number; seen?: string; leaves: boolean },
][] = [
  [
    'a client that leaves a whole call in its prefill',
    { isStream: false, script: [hang], atLeast: 0, leaves: true },
  ],
  [
    'a client that leaves a stream in its prefill',
    { isStream: true, script: [hang], atLeast: 0, leaves: true },
  ],
  [
    'a client that leaves mid-stream',
    {
      isStream: true,
      script: [streamHead(), ...Array.from('abcdefgh', event), event('last'), hang],
      atLeast: 7,
      seen: 'last',
      leaves: true,
    },
  ],
  [
    'a stream whose connection breaks',
    {
      isStream: true,
      script: [streamHead(), ...Array.from('abcdefgh', event), reset],
      atLeast: 6,
      leaves: false,
    },
  ],
  [
    'a stream that ends without a word',
    {
      isStream: true,
      script: [streamHead(), ...Array.from('abcdefgh', event), bytes('0\r\n\r\n')],
      atLeast: 6,
      leaves: false,
    },
  ],
  [
    'a stream that ends with an error event',
    {
      isStream: true,
      script: sse([
        ...Array.from('abcdefgh', (each) => delta(each)),
        '{"error":{"message":"out of memory"}}',
      ]),
      atLeast: 6,
      leaves: false,
    },
  ],
  [
    'a whole answer that breaks off',
    {
      isStream: false,
      script: [
        head(200, { 'content-type': 'application/json', 'content-length': '99' }),
        bytes('{"a":'),
        end,
      ],
      atLeast: 0,
      leaves: false,
    },
  ],
]

describe('what is cut is charged its prompt and what was seen', () => {
  for (const [name, { isStream, script, atLeast, seen, leaves }] of cut) {
    test(name, async (t) => {
      const { gateway, upstream } = await startLimited(t, limits)
      upstream.respond(script)
      const client = await sendChat(t, gateway, { stream: isStream })
      await upstream.nextRequest()
      if (seen !== undefined) await client.seen(seen)
      if (leaves) client.leave()
      else await client.response()

      const line = await gateway.logged({ event: 'call' })

      const { requests, tokens, parallel } = await used(gateway)
      assert.deepEqual([requests, parallel], [1, 0])
      const [prompt, completion] = [Number(line['prompt_tokens']), Number(line['completion_tokens'])]
      assert.ok(prompt >= 7, 'never nothing')
      assert.ok(completion >= atLeast && completion <= atLeast + 8, `${completion} tokens seen`)
      assert.equal(tokens, prompt + completion, 'charged as logged')
      assert.equal(line['estimated'], true)
      assert.equal(line['status'], leaves ? 499 : isStream ? 200 : 502)
    })
  }
})

test('a stream that fails midway is logged as an error, whoever tells of it', async (t) => {
  const { gateway, upstream } = await startLimited(t, limits)
  for (const last of ['{"error":{"message":"gone"}}', undefined]) {
    const events = [delta('a'), ...(last === undefined ? [] : [last, '[DONE]'])]
    upstream.respond(sse(events))
    await chat(gateway, 'small', { stream: true })
  }

  const lines = gateway.log().filter((line) => line['event'] === 'call')

  assert.deepEqual(
    lines.map(({ level, code }) => [level, code]),
    [
      ['ERROR', 'provider_bad_response'],
      ['ERROR', 'provider_bad_response'],
    ],
  )
})

test('a stream that the provider broke after counting it is charged as counted', async (t) => {
  const { gateway, upstream } = await startLimited(t, limits)
  const response = {
    status: 'failed',
    error: { code: 'server_error', message: 'no' },
    usage: { input_tokens: 20, output_tokens: 3, total_tokens: 23 },
  }
  upstream.respond(sse([JSON.stringify({ type: 'response.failed', response })]))

  const answer = await fetch(`${gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'small', input: 'hi', stream: true }),
  })
  await answer.text()

  assert.deepEqual(await used(gateway), { requests: 1, tokens: 23, parallel: 0 })
})

test('the slots of streams that their clients cancel are free again', async (t) => {
  const { gateway, upstream } = await startLimited(t, { limits: { small: { max_parallel_requests: 2 } } })

  for (let round = 0; round < 6; round++) {
    upstream.respond([streamHead(), event('one'), hang])
    const client = await sendChat(t, gateway, { stream: true })
    await client.seen('one')
    client.leave(round % 2 === 0 ? 'close' : 'reset')
    const request = await upstream.nextRequest()
    assert.equal((await request.outcome).kind, 'aborted')
  }

  assert.equal((await chat(gateway, 'small')).status, 200)
  assert.equal((await used(gateway)).parallel, 0)
})

test('a shutdown that ends calls charges them, and saves that', async (t) => {
  const stateDirectory = scratchDirectory(t)
  const server = { shutdown_grace_ms: 1 }
  const first = await startLimited(t, limits, { server }, { stateDirectory })
  first.upstream.respond([streamHead(), ...Array.from('abcdefgh', event), event('last'), hang])
  const client = await sendChat(t, first.gateway, { stream: true })
  await client.seen('last')

  await first.gateway.stop()
  const second = await startLimited(t, limits, {}, { clock: first.clock, stateDirectory })

  const line = await first.gateway.logged({ event: 'call' })
  const { requests, tokens, parallel } = await used(second.gateway)
  assert.deepEqual([requests, parallel], [1, 0])
  assert.equal(tokens, Number(line['prompt_tokens']) + Number(line['completion_tokens']))
  assert.ok(tokens < 100, 'not as reserved')
})

test('a stream that takes more than was reserved is charged as it goes, and settled as counted', async (t) => {
  const { gateway, upstream, clock } = await startLimited(t, { limits: { small: { tpm: 600 } } })
  const usage = { prompt_tokens: 7, completion_tokens: 400, total_tokens: 407 }
  let finish = (): void => {}
  const isFinished = new Promise<void>((resolve) => (finish = resolve))
  async function* script() {
    yield streamHead()
    for (let count = 0; count < 400; count++) yield event('word')
    yield event('last')
    await isFinished
    yield chunk(`data: ${usageEvent(usage)}\n\n`)
    yield chunk('data: [DONE]\n\n')
    yield bytes('0\r\n\r\n')
  }
  upstream.respond(script())
  const client = await sendChat(t, gateway, { stream: true })
  await client.seen('last')
  const reserved = (await used(gateway)).tokens

  clock.advance(100)

  const { tokens } = await used(gateway)
  assert.ok(reserved < 407 && tokens >= 407 && tokens < 1.3 * 450, `${reserved}, then ${tokens}`)
  assert.equal((await chat(gateway, 'small')).status, 429, 'would have fitted beside the reservation')
  clock.advance(1000)
  assert.equal((await used(gateway)).tokens, tokens, 'grows no further than the stream')
  finish()
  await client.response()
  assert.deepEqual(await used(gateway), { requests: 1, tokens: 407, parallel: 0 })
})
