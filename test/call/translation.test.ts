// Calls whose client and provider speak different formats, on the wire; the format is a toy.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { createTicker } from '../../src/call/ticker.ts'
import type { RawConfig } from '../../src/config/raw.ts'
import { SkippingClock, roundTrips, withoutConditions } from '../faults/fault.ts'
import { type Options, startGateway, type TestGateway } from '../support/app.ts'
import { chat, post, used } from '../support/calls.ts'
import { delta, usageEvent, whole } from '../support/chat-content.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'
import {
  chunk,
  content,
  hang,
  head,
  json,
  lastChunk,
  reset,
  type Script,
  sse,
  type Step,
  streamHead,
  wait,
} from '../support/upstream-script.ts'
import { dialects, withoutWay } from './toy-translator.ts'

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
const payloads = [delta('hello you'), delta(' all'), delta('', finish()), usageEvent(usage), '[DONE]']
const streamed = 'data: HELLO\n\ndata: YOU\n\ndata: ALL\n\ndata: .12\n\n'
const cutMessage = /ended without its final event/

function finish(): object {
  return { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
}

function start(t: TestContext, models: RawConfig['models'] = {}, options: Options = {}) {
  const limits = { small: { rpm: 10, tpm: 5000 } }
  const setup = {
    ...withoutConditions,
    providers: { scripted: {}, second: {} },
    models: { small: { provider: 'scripted' }, ...models },
    rate_limit_settings: { limits },
  }
  return startGateway(t, setup, { dialects, ...options })
}

async function shout(gateway: TestGateway, more: object = {}) {
  const response = await post(gateway, { model: 'small', say: 'hi', ...more }, { path: '/v1/shout' })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

type Shouted = Awaited<ReturnType<typeof shout>>

function assertRefused(
  { status, headers, body }: Shouted,
  expected: [number, string],
  message: RegExp,
): void {
  assert.deepEqual([status, headers.get('x-llm-gateway-error')], expected, body)
  assert.match(JSON.parse(body).message, message)
}

suite('a response is translated', () => {
  test('from a stream to a stream, and its usage is charged, which the client need not ask for', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse(payloads, { headers: { 'openai-model': 'm-1', 'set-cookie': 'a=b' } }))
    const { status, headers, body } = await shout(gateway, { stream: true })
    assert.deepEqual([status, body], [200, streamed])
    assert.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8')
    assert.equal(headers.get('x-accel-buffering'), 'no')
    assert.deepEqual([headers.get('openai-model'), headers.get('set-cookie')], ['m-1', null])
    const [request] = upstream.requests
    assert.equal(request!.target, '/v1/chat/completions')
    assert.deepEqual(JSON.parse(request!.body.toString()), {
      model: 'small',
      messages: [{ role: 'user', content: 'hi' }],
      stream: true,
      stream_options: { include_usage: true },
    })
    assert.deepEqual(await used(gateway), { requests: 1, tokens: 12, parallel: 0 })
    const line = await gateway.logged({ event: 'call' })
    assert.deepEqual([line['dialect'], line['estimated'], line['code']], ['shout', false, undefined])
  })

  test('wherever the pieces of the stream are cut', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse([...payloads.slice(0, 1), ...payloads], { splitAt: 'every byte' }))
    assert.equal((await shout(gateway, { stream: true })).body, `data: HELLO\n\ndata: YOU\n\n${streamed}`)
  })

  test('without the comments of the provider, and with a last event that lacks its blank line', async (t) => {
    const { gateway, upstream } = await start(t)
    const body = `: busy\n\ndata: ${delta('hello you')}\n\n: busy\n\ndata: ${delta(' all')}\n\ndata: ${usageEvent(usage)}\n\ndata: [DONE]`
    upstream.respond([streamHead(), chunk(body), lastChunk])
    assert.equal((await shout(gateway, { stream: true })).body, streamed)
  })

  test('from a whole body to a whole body of its own length', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(whole())
    const { status, headers, body } = await shout(gateway)
    assert.deepEqual([status, body], [200, '{"shout":"HI!","tokens":12}'])
    assert.equal(headers.get('content-type'), 'application/json')
    assert.equal(headers.get('content-length'), String(body.length))
    assert.deepEqual(await used(gateway), { requests: 1, tokens: 12, parallel: 0 })
  })

  test('from a stream to a whole body', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse(payloads))
    const { status, headers, body } = await shout(gateway)
    assert.deepEqual([status, body], [200, '{"shout":"HELLO YOU ALL","tokens":12}'])
    assert.equal(headers.get('content-length'), String(body.length))
    assert.equal(headers.get('x-accel-buffering'), null)
    assert.equal((await used(gateway)).tokens, 12)
  })

  test('from a whole body to a stream', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(whole())
    const { status, headers, body } = await shout(gateway, { stream: true })
    assert.deepEqual([status, body], [200, 'data: HI!\n\ndata: .12\n\n'])
    assert.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8')
    assert.equal(headers.get('content-length'), null)
    assert.equal((await used(gateway)).tokens, 12)
  })

  test('though it is longer than one that passes is held', async (t) => {
    const { gateway, upstream } = await start(t)
    const choices = [{ message: { content: 'a'.repeat(300_000) } }]
    upstream.respond(json(200, { choices, usage }))
    const { body } = await shout(gateway)
    assert.deepEqual(JSON.parse(body), { shout: 'A'.repeat(300_000), tokens: 12 })
    assert.equal((await used(gateway)).tokens, 12)
  })
})

suite('a provider’s error', () => {
  const refusal = { error: { message: 'too loud', code: 'loud' } }

  test('keeps its status, in the client’s format', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(json(422, refusal, { 'retry-after': '3' }))
    const { status, headers, body } = await shout(gateway)
    assert.deepEqual([status, body], [422, '{"message":"too loud"}'])
    assert.equal(headers.get('content-type'), 'application/json')
    assert.equal(headers.get('retry-after'), '3')
    assert.equal((await gateway.logged({ event: 'call' }))['provider_code'], 'loud')
  })

  test('does so as the first event of a stream', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse([JSON.stringify({ error: { message: 'too loud', code: 422 } })]))
    const { status, body } = await shout(gateway, { stream: true })
    assert.deepEqual([status, body], [422, '{"message":"too loud"}'])
  })

  test('in mid-stream becomes an event, and what follows it becomes nothing', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse([delta('hello'), JSON.stringify(refusal), '[DONE]']))
    const { status, body } = await shout(gateway, { stream: true })
    assert.deepEqual([status, body], [200, 'data: HELLO\n\ndata: !too loud\n\n'])
    assert.equal((await gateway.logged({ event: 'call' }))['code'], 'provider_bad_response')
  })

  test('in mid-stream that the translation passes over becomes an event of the gateway', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse([delta('hello'), '{"object":"error","message":"too loud"}']))
    const { body } = await shout(gateway, { stream: true })
    assert.equal(body, 'data: HELLO\n\ndata: !The provider ended its stream with an error.\n\n')
    assert.equal((await gateway.logged({ event: 'call' }))['code'], 'provider_bad_response')
  })

  test('in mid-stream is a 502 for a client that wants a whole body', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(sse([delta('hello'), JSON.stringify(refusal), '[DONE]']))
    assertRefused(await shout(gateway), [502, 'provider_bad_response'], /ended its stream with an error/)
    const { requests, tokens } = await used(gateway)
    assert.ok(requests === 1 && tokens > 0)
  })
})

suite('a response that is not whole', () => {
  const half: Script = [streamHead(), chunk(`data: ${delta('hello you')}\n\n`)]
  const endings: [string, Script, RegExp][] = [
    ['ends early', [...(half as []), lastChunk], cutMessage],
    ['breaks off', [...(half as []), reset], /closed the connection/],
  ]
  for (const [what, script, message] of endings) {
    test(`and ${what} ends a stream with the client’s error event`, async (t) => {
      const { gateway, upstream } = await start(t)
      upstream.respond(script)
      const { status, body } = await shout(gateway, { stream: true })
      assert.equal(status, 200)
      const [said, error] = body.split('data: !')
      assert.equal(said, 'data: HELLO\n\ndata: YOU\n\n')
      assert.match(error!, message)
      const { requests, tokens } = await used(gateway)
      assert.ok(requests === 1 && tokens > 0)
    })

    test(`and ${what} is a 502 for a client that wants a whole body`, async (t) => {
      const { gateway, upstream } = await start(t)
      upstream.respond(script)
      assertRefused(await shout(gateway), [502, 'provider_bad_response'], message)
    })
  }
})

suite('the way of a call', () => {
  test('is in the head and in the log, with what was dropped', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(whole())
    const { headers } = await shout(gateway, { nod: true })
    assert.equal(headers.get('x-llm-gateway-way'), 'shout_chat')
    const line = await gateway.logged({ event: 'call' })
    assert.deepEqual([line['way'], line['dropped'], line['earlier_ways']], ['shout_chat', ['nod'], undefined])
  })

  test('is pass where the bytes pass, and nothing is dropped', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(whole())
    const { headers } = await chat(gateway, 'small')
    assert.equal(headers.get('x-llm-gateway-way'), 'pass')
    const line = await gateway.logged({ event: 'call' })
    assert.deepEqual([line['way'], line['dropped']], ['pass', undefined])
  })

  test('is in the head of an error of the provider, too', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond(json(422, { error: { message: 'too loud' } }))
    assert.equal((await shout(gateway)).headers.get('x-llm-gateway-way'), 'shout_chat')
  })

  test('is absent where no request was sent', async (t) => {
    const { gateway } = await start(t)
    assert.equal((await shout(gateway, { whisper: true })).headers.get('x-llm-gateway-way'), null)
    assert.equal((await chat(gateway, 'absent')).headers.get('x-llm-gateway-way'), null)
  })
})

suite('what cannot be translated', () => {
  test('is refused by the name of the member, and costs nothing', async (t) => {
    const { gateway, upstream } = await start(t)
    const response = await shout(gateway, { whisper: true })
    assertRefused(response, [400, 'not_translatable'], /cannot hear "whisper"/)
    assert.equal(upstream.requests.length, 0)
    assert.deepEqual(await used(gateway), { requests: 0, tokens: 0, parallel: 0 })
  })

  const deaf = { provider: 'scripted', model: 'deaf' }

  test('goes to a target that can hear it', async (t) => {
    const targets = [deaf, { provider: 'second', tier: 2 }]
    const { gateway, upstreams } = await start(t, { small: { targets } })
    upstreams.second.respondAlways(whole())
    for (let count = 0; count < 2; count++) {
      assert.equal((await shout(gateway)).headers.get('x-llm-gateway-provider'), 'second')
    }
    assert.equal(upstreams.scripted.requests.length, 0)
  })

  test('is refused for what it is if no target can hear it', async (t) => {
    const targets = [deaf, { provider: 'second', model: 'deaf', tier: 2 }]
    const { gateway } = await start(t, { small: { targets } })
    assertRefused(await shout(gateway), [400, 'not_translatable'], /cannot hear/)
  })

  test('is named among other reasons if the other targets fail', async (t) => {
    const targets = [deaf, { provider: 'second', tier: 2 }]
    const { gateway } = await start(t, { small: { targets } })
    const reasons = /scripted \(deaf\): not translatable; second \(small\): broken/
    assertRefused(await shout(gateway), [503, 'no_target_available'], reasons)
  })

  test('is any request where no way leads to the provider', async (t) => {
    const { gateway } = await start(t, {}, { dialects: withoutWay })
    assertRefused(
      await shout(gateway),
      [400, 'not_translatable'],
      /supports neither \/v1\/shout nor a format/,
    )
  })

  const emptySum = { choices: [], usage }
  const faults: [string, Script, boolean, RegExp][] = [
    ['a whole body', json(200, emptySum), false, /Nothing was said/],
    ['a whole body, for a stream', json(200, emptySum), true, /Nothing was said/],
    ['a stream', sse([delta('', finish()), '[DONE]']), true, /Nothing was said/],
    [
      'bytes in an unknown coding',
      content(200, 'application/json', 'x', { 'content-encoding': 'rot13' }),
      false,
      /content coding "rot13"/,
    ],
    [
      'an endless body',
      [head(200, { 'content-type': 'text/plain' }), chunk('a'.repeat(17_000_000)), hang],
      false,
      /more than 16777216 bytes/,
    ],
    [
      'an endless event',
      [streamHead(), chunk(`data: ${'a'.repeat(4_300_000)}`), hang],
      true,
      /too long to be translated/,
    ],
  ]
  for (const [what, script, stream, message] of faults) {
    test(`in ${what} is the provider’s fault, with a status as long as nothing was written`, async (t) => {
      const { gateway, upstream } = await start(t)
      upstream.respond(script)
      assertRefused(await shout(gateway, { stream }), [502, 'provider_bad_response'], message)
      assert.equal((await used(gateway)).parallel, 0)
    })
  }

  test('in an event after others ends the stream with an error event', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond([streamHead(), chunk(`data: ${delta('hello')}\n\ndata: ${'a'.repeat(4_300_000)}`), hang])
    const { status, body } = await shout(gateway, { stream: true })
    assert.equal(status, 200)
    assert.match(body, /^data: HELLO\n\ndata: !.*too long to be translated/)
    assert.equal((await upstream.requests[0]!.outcome).kind, 'aborted')
  })
})

suite('heartbeats', () => {
  test('are the client format’s, then the translation’s, between two events', async (t) => {
    const clock = new SkippingClock()
    const { gateway, upstream } = await start(t, {}, { clock, ticker: createTicker(clock.fake) })
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const [one, ...others] = [...(sse(payloads) as [])].slice(1)
    upstream.respond([streamHead(), wait(first.promise), one!, wait(second.promise), ...others])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('POST /v1/shout', {}, '{"model":"small","say":"hi","stream":true}'))
    await upstream.nextRequest()
    await roundTrips(t, { gateway })
    clock.fake.advance(15_100)
    await client.seen(': hush')
    first.resolve()
    await client.seen('YOU')
    clock.fake.advance(100)
    for (let beats = 1; beats <= 2; beats++) {
      clock.fake.advance(15_100)
      await client.seen('data: ~\n\n'.repeat(beats))
    }
    second.resolve()
    const response = await client.response()
    const [said, rest] = ['data: HELLO\n\ndata: YOU\n\n', 'data: ALL\n\ndata: .12\n\n']
    assert.equal(response.body().toString(), `: hush\n\n${said}${'data: ~\n\n'.repeat(2)}${rest}`)
  })

  for (const [what, script, body] of [
    ['a whole body', whole(), 'data: HI!\n\ndata: .12\n\n'],
    ['an error', json(422, { error: { message: 'too loud' } }), 'data: !too loud\n\n'],
  ] as const) {
    test(`are followed by ${what} as events`, async (t) => {
      const clock = new SkippingClock()
      const { gateway, upstream } = await start(t, {}, { clock, ticker: createTicker(clock.fake) })
      const gate = Promise.withResolvers<void>()
      upstream.respond([wait(gate.promise), ...(script as Iterable<Step>)])
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest('POST /v1/shout', {}, '{"model":"small","say":"hi","stream":true}'))
      await upstream.nextRequest()
      await roundTrips(t, { gateway })
      clock.fake.advance(15_100)
      await client.seen(': hush')
      gate.resolve()
      assert.equal((await client.response()).body().toString(), `: hush\n\n${body}`)
    })
  }
})

test('a stream without its end mark is charged for the usage that follows its end', async (t) => {
  const { gateway, upstream } = await start(t)
  const gate = Promise.withResolvers<void>()
  const [first, ...events] = [...(sse(payloads.slice(0, -1)) as Iterable<Step>)]
  upstream.respond([first!, ...events.slice(0, 3), wait(gate.promise), ...events.slice(3)])
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest('POST /v1/shout', {}, '{"model":"small","say":"hi","stream":true}'))
  await client.seen('ALL')
  gate.resolve()
  assert.equal((await client.response()).body().toString(), streamed)
  assert.deepEqual(await used(gateway), { requests: 1, tokens: 12, parallel: 0 })
})

test('a bug in a translation is a 500, and ends the provider’s request', async (t) => {
  const { gateway, upstream } = await start(t)
  upstream.respond([streamHead(), chunk('data: not what the toy parses\n\n'), hang])
  const { status } = await shout(gateway, { stream: true })
  assert.equal(status, 500)
  assert.equal((await upstream.requests[0]!.outcome).kind, 'aborted')
  assert.equal((await used(gateway)).parallel, 0)
})

test('a client that leaves in mid-stream ends the provider’s request, and pays for what has come', async (t) => {
  const { gateway, upstream } = await start(t)
  upstream.respond([streamHead(), chunk(`data: ${delta('hello')}\n\n`), hang])
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest('POST /v1/shout', {}, '{"model":"small","say":"hi","stream":true}'))
  await client.seen('HELLO')
  client.leave()
  assert.equal((await gateway.logged({ event: 'call' }))['status'], 499)
  assert.equal((await upstream.requests[0]!.outcome).kind, 'aborted')
  const { requests, tokens, parallel } = await used(gateway)
  assert.ok(requests === 1 && tokens > 0 && parallel === 0)
})

test('beside it the formats of the product pass as they are', async (t) => {
  const { gateway, upstream } = await start(t)
  upstream.respond(whole())
  const { body } = await chat(gateway, 'small')
  assert.equal(JSON.parse(body).choices[0].message.content, 'Hi!')
})
