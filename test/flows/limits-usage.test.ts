// How tokens get counted over the wire: asking for usage and taking it out again, and what is charged for each form of it.
import assert from 'node:assert/strict'
import { until } from '../support/deadline.ts'
import { describe, test } from 'node:test'

import type { WireFixture } from '../fixtures/wire/fixture.ts'
import { wireFixture, wireFixtures } from '../fixtures/wire/wire-fixtures.ts'
import { content, hang, json, sse, stream } from '../support/upstream-script.ts'
import { type Limited, startLimited } from './limited.ts'
import { chat, post, used } from '../support/calls.ts'
import { delta, messages, usageEvent, whole } from '../support/chat-content.ts'

const limits = { limits: { small: { rpm: 1000, tpm: 20000 } } }
const isStream = ({ contentType }: WireFixture) => contentType.startsWith('text/event-stream')

/** What a path gets upstream for a body whose stream_options are as given. */
const paths = ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/embeddings'] as const
const asks: readonly string[] = paths.slice(0, 2)

/** Its `stream_options`, and what they become where usage is asked for; `same` where nothing may change. */
const wishes: readonly [string | undefined, string][] = [
  [undefined, '{"include_usage":true}'],
  ['null', '{"include_usage":true}'],
  ['{}', '{"include_usage":true}'],
  ['{"include_usage":false}', '{"include_usage":true}'],
  ['{ "include_obfuscation" : false }', '{"include_usage":true, "include_obfuscation" : false }'],
  ['{"include_usage":true}', 'same'],
  ['{"include_usage":true,"continuous_usage_stats":true}', 'same'],
  ['[]', 'same'],
  ['"x"', 'same'],
]

describe('usage is asked for where the format has it and the client did not', () => {
  for (const path of paths) {
    test(`${path}: byte for byte`, async (t) => {
      const { gateway, upstream } = await startLimited(t, {})
      upstream.respondAlways(json(200, {}))
      for (const isStreamed of ['true', 'false', undefined]) {
        for (const [options, changed] of wishes) {
          const streamed = isStreamed === undefined ? '' : ` "stream" :${isStreamed},`
          const rest = ` "seed":12345678901234567890, "x":1.0}`
          const given = options === undefined ? '' : `"stream_options": ${options},`
          const body = `{${given}"model":"other",${streamed}${rest}`

          await (await post(gateway, body, { path })).arrayBuffer()

          const mayAsk = asks.includes(path) && isStreamed === 'true' && changed !== 'same'
          const becomes =
            options === undefined ? `"stream_options":${changed},` : `"stream_options": ${changed},`
          const expected = mayAsk ? `{${becomes}"model":"other",${streamed}${rest}` : body
          assert.equal((await upstream.nextRequest()).body.toString(), expected)
        }
      }
    })
  }

  for (const [what, options] of [
    ['that say it twice', '{"include_usage":true,"include_usage":false}'],
    ['that say it once more in escapes', '{"include_usage":true,"include\\u005fusage":false}'],
    ['that say it in another case', '{"Include_Usage":false}'],
    ['that are longer than is read', `{"include_usage":false${' '.repeat(20_000)}}`],
  ] as const) {
    test(`options ${what} are refused: the provider could read another wish than the gateway`, async (t) => {
      const { gateway, upstream } = await startLimited(t, {})
      const body = `{"model":"small","messages":[],"stream":true,"stream_options":${options}}`
      const response = await post(gateway, body)
      const { error } = (await response.json()) as { error: Record<string, unknown> }
      assert.deepEqual([response.status, error['param']], [400, 'stream_options'])
      assert.equal(upstream.requests.length, 0)
    })
  }

  for (const [setting, isAsked] of [
    ['never', false],
    ['always', true],
  ] as const) {
    test(`include_usage: ${setting}`, async (t) => {
      const { gateway, upstream } = await startLimited(
        t,
        {},
        { providers: { scripted: { include_usage: setting } } },
      )
      await chat(gateway, 'small', { stream: true })
      assert.equal((await upstream.nextRequest()).body.includes('include_usage'), isAsked)
    })
  }
})

describe('the event that was asked for', () => {
  const usage = { prompt_tokens: 7, completion_tokens: 1, total_tokens: 8 }
  const events = [delta('a', { usage: null }), usageEvent(usage), '[DONE]']
  const written = (payloads: readonly string[]) => payloads.map((payload) => `data: ${payload}\n\n`).join('')

  test('is taken out when the client did not ask', async (t) => {
    const { gateway, upstream } = await startLimited(t, limits)
    upstream.respond(sse(events))
    const { body } = await chat(gateway, 'small', { stream: true })
    assert.equal(body, written([delta('a'), events[2]!]))
    assert.equal((await used(gateway)).tokens, 8)
  })

  test('stays when it did', async (t) => {
    const { gateway, upstream } = await startLimited(t, limits)
    upstream.respond(sse(events))
    const { body } = await chat(gateway, 'small', { stream: true, stream_options: { include_usage: true } })
    assert.equal(body, written(events))
    assert.equal((await used(gateway)).tokens, 8)
  })
})

const servedAt: Readonly<Record<WireFixture['dialect'], string>> = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  embeddings: '/v1/embeddings',
  images: '/v1/images/generations',
  responses: '/v1/responses',
  speech: '/v1/audio/speech',
  transcriptions: '/v1/audio/transcriptions',
}

/** Sends a call whose answer is the fixture, and reads it to its end. */
async function callFor({ gateway, upstream }: Limited, fixture: WireFixture): Promise<Response> {
  if (isStream(fixture)) upstream.respond(stream(fixture.bytes))
  else upstream.respond(content(fixture.status, fixture.contentType, fixture.bytes))
  const form = new FormData()
  form.set('model', 'small')
  form.set('file', new Blob(['RIFF']), 'a.wav')
  const isForm = fixture.dialect === 'transcriptions'
  const response = await fetch(gateway.url + servedAt[fixture.dialect], {
    method: 'POST',
    ...(!isForm && { headers: { 'content-type': 'application/json' } }),
    body: isForm ? form : JSON.stringify({ model: 'small', messages, stream: isStream(fixture) }),
  })
  await response.arrayBuffer()
  return response
}

test('every form of every provider is charged as the provider counted it', async (t) => {
  const limited = await startLimited(t, limits)
  const counted = wireFixtures.filter(({ usage, status }) => usage !== undefined && status === 200)
  for (const fixture of counted) {
    const id = (await callFor(limited, fixture)).headers.get('x-request-id')

    const { requests, tokens, parallel } = await used(limited.gateway)
    assert.deepEqual(
      { requests, tokens, parallel },
      { requests: 1, tokens: fixture.usage!.totalTokens, parallel: 0 },
      fixture.name,
    )
    const line = await limited.gateway.logged({ request_id: id })
    const { promptTokens, completionTokens } = fixture.usage!
    assert.deepEqual(
      [line['prompt_tokens'], line['completion_tokens'], line['estimated']],
      [promptTokens, completionTokens, false],
      fixture.name,
    )
    limited.clock.advance(60_000)
  }
  assert.ok(counted.length > 20)
})

test('what no provider counted is estimated, said to be, and never nothing where tokens were made', async (t) => {
  const limited = await startLimited(t, limits)
  const uncounted = wireFixtures.filter(
    ({ usage, status, name, contentType }) =>
      usage === undefined &&
      status === 200 &&
      !/timings|duration|older form/.test(name) &&
      contentType !== 'text/plain',
  )
  for (const fixture of uncounted) {
    const id = (await callFor(limited, fixture)).headers.get('x-request-id')
    const line = await limited.gateway.logged({ request_id: id })
    const { requests, tokens } = await used(limited.gateway)
    assert.equal(line['estimated'], true, fixture.name)
    assert.equal(requests, 1, fixture.name)
    assert.equal(tokens, Number(line['prompt_tokens']) + Number(line['completion_tokens']), fixture.name)
    assert.ok(tokens > 0 && tokens < 2000, `${fixture.name}: ${tokens}`)
    limited.clock.advance(60_000)
  }
  assert.ok(uncounted.length > 5)
})

test("llama.cpp's timings count where its usage was not asked for", async (t) => {
  const limited = await startLimited(t, limits)
  await callFor(limited, wireFixture('llama.cpp chat: timings only'))
  assert.equal((await used(limited.gateway)).tokens, 23)
})

describe('a provider that refuses stream_options', () => {
  const refusals = wireFixtures.filter(({ name }) => /stream_options/.test(name))

  for (const refusal of refusals) {
    test(`${refusal.name}: asked once more without, charged once, and remembered for an hour`, async (t) => {
      const { gateway, upstream, clock } = await startLimited(t, limits)
      const body = JSON.stringify({ model: 'other', messages, stream: true })
      const answered = () => upstream.respond(sse([delta('a'), '[DONE]']))
      const sentUpstream = async () => (await upstream.nextRequest()).body.toString()

      upstream.respond(content(refusal.status, refusal.contentType, refusal.bytes))
      answered()
      const first = await post(gateway, body)
      assert.equal(first.status, 200)
      assert.match(await first.text(), /"content":"a"/)
      assert.match(await sentUpstream(), /include_usage/)
      assert.equal(await sentUpstream(), body)
      await gateway.logged({ event: 'call', attempts: 2, status: 200, estimated: true })

      answered()
      await (await post(gateway, body)).text()
      assert.equal(await sentUpstream(), body, 'remembered')

      clock.advance(3_600_001)
      answered()
      await (await post(gateway, body)).text()
      assert.match(await sentUpstream(), /include_usage/, 'and asked again later')
    })
  }

  test('counts one request for both attempts', async (t) => {
    const { gateway, upstream } = await startLimited(t, limits)
    upstream.respond(json(400, { error: { message: 'stream_options are not allowed' } }))
    upstream.respond(sse([delta('a'), '[DONE]']))
    await chat(gateway, 'small', { stream: true })
    assert.equal((await used(gateway)).requests, 1)
  })

  test('is not to be made up: an error that quotes the client turns nothing off', async (t) => {
    const { gateway, upstream } = await startLimited(t, limits)
    const quoting = json(400, { error: { message: 'bad input: "I wonder about stream_options"' } })
    upstream.respond(quoting)
    upstream.respond(quoting)
    assert.equal((await chat(gateway, 'small', { stream: true })).status, 400)
    await upstream.nextRequest()
    await upstream.nextRequest()

    await chat(gateway, 'small', { stream: true })

    assert.match((await upstream.nextRequest()).body.toString(), /include_usage/)
  })
})

test('usage that cannot be true is estimated instead, streamed and whole', async (t) => {
  const { gateway, upstream, clock } = await startLimited(t, limits)
  for (const wrong of [1e12, -5, '7', 0.5e308, { a: 1 }, [9], true]) {
    const usage = { prompt_tokens: wrong, completion_tokens: wrong, total_tokens: wrong }
    for (const isStreamed of [true, false]) {
      upstream.respond(isStreamed ? sse([delta('a'), usageEvent(usage), '[DONE]']) : whole(usage))
      await chat(gateway, 'small', { stream: isStreamed })
      const { tokens } = await used(gateway)
      assert.ok(tokens > 0 && tokens < 200, `${JSON.stringify(wrong)}: ${tokens}`)
      clock.advance(60_000)
    }
  }
})

test('usage that cannot be true teaches the estimate nothing', async (t) => {
  const { gateway, upstream } = await startLimited(t, limits)
  const before = await reserved({ gateway, upstream }, { messages })
  for (let call = 0; call < 20; call++) {
    upstream.respond(whole({ prompt_tokens: -1, completion_tokens: 5, total_tokens: '9' }))
    await chat(gateway, 'small')
  }
  assert.equal(await reserved({ gateway, upstream }, { messages }), before)
})

describe('the size of a request', () => {
  const ids = Array.from({ length: 100 }, (_, index) => index)

  for (const [name, input, least, most] of [
    ['a text', 'word '.repeat(100), 100, 250],
    ['texts', ['word '.repeat(50), 'word '.repeat(50)], 100, 250],
    ['token ids, counted exactly', ids, 103, 103],
    ['lists of token ids, counted exactly', [ids, ids], 203, 203],
  ] as const) {
    test(`embeddings of ${name}`, async (t) => {
      const limited = await startLimited(t, limits)
      const tokens = await reserved(limited, { input }, '/v1/embeddings')
      assert.ok(tokens >= least && tokens <= most, `${tokens} reserved`)
    })
  }

  test('of a batch of short texts is not taken for more than it can be', async (t) => {
    const { gateway } = await startLimited(t, { limits: { small: { tpm: 5000 } } })
    const input = Array.from({ length: 2000 }, () => 'word')
    const { status } = await post(gateway, { model: 'small', input }, { path: '/v1/embeddings' })
    assert.equal(status, 200)
  })

  test('does not grow with an image in it', async (t) => {
    const limited = await startLimited(t, limits)
    const url = `data:image/png;base64,${'iVBORw0KGgo'.repeat(100_000)}`
    const content = [
      { type: 'text', text: 'what is it?' },
      { type: 'image_url', image_url: { url } },
    ]
    const tokens = await reserved(limited, { messages: [{ role: 'user', content }] })
    assert.ok(tokens < 2000, `${tokens} reserved for a megabyte of image`)
  })

  test('takes the larger of max_tokens and max_completion_tokens, and each choice', async (t) => {
    const limited = await startLimited(t, limits)
    const one = await reserved(limited, { messages, max_tokens: 1 })
    const larger = await reserved(limited, { messages, max_tokens: 1, max_completion_tokens: 10_000 })
    const each = await reserved(limited, { messages, max_tokens: 10, n: 8 })
    assert.equal(larger - one, 255, 'as predicted, not as asked')
    assert.equal(each - one, 79)
  })

  test('of a response is bounded by max_output_tokens', async (t) => {
    const limited = await startLimited(t, limits)
    const free = await reserved(limited, { input: 'hi' }, '/v1/responses')
    const bounded = await reserved(limited, { input: 'hi', max_output_tokens: 16 }, '/v1/responses')
    assert.equal(free - bounded, 240)
  })
})

/** What a call holds while the provider works on it. Its client leaves then; the window is empty after it. */
async function reserved(
  { gateway, upstream }: Pick<Limited, 'gateway' | 'upstream'>,
  request: object,
  path = '/v1/chat/completions',
): Promise<number> {
  const before = (await used(gateway)).tokens
  const seen = upstream.requests.length
  upstream.respond([hang])
  const leave = new AbortController()
  const calling = post(gateway, { model: 'small', ...request }, { path, signal: leave.signal }).catch(
    () => undefined,
  )
  await until(() => upstream.requests.length > seen, 'the call to arrive')
  const { tokens } = await used(gateway)
  leave.abort()
  await calling
  await upstream.requests[seen]!.outcome
  return tokens - before
}
