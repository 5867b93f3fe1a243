// `when_limited: wait` on the wire: who waits is served in order, hears that it waits, and costs nothing if it leaves.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { until } from '../support/deadline.ts'
import { chunk, hang, sse, streamHead, wait } from '../support/upstream-script.ts'
import { type Limits, startLimited } from './limited.ts'
import { recordedClient } from './openai-client.ts'
import type { TestGateway } from '../support/app.ts'
import { chat, report, sendChat, used } from '../support/calls.ts'
import { delta, messages, whole } from '../support/chat-content.ts'

const limits = (max_parallel_requests: number): Limits => ({
  when_limited: 'wait',
  max_wait_ms: 600_000,
  limits: { small: { max_parallel_requests } },
})

function untilWaiting(gateway: TestGateway, count: number): Promise<void> {
  return until(async () => (await report(gateway)).waiting === count, `${count} calls to wait`)
}

test('twenty parallel calls on two slots all succeed, in the order of their arrival', async (t) => {
  const { gateway, upstream } = await startLimited(t, limits(2))
  const { openai } = recordedClient(gateway)
  const gate = Promise.withResolvers<void>()
  upstream.respondAlways(() => [wait(gate.promise), ...whole()])

  const answers = []
  for (let call = 1; call <= 20; call++) {
    answers.push(openai.chat.completions.create({ model: 'small', messages, user: `call ${call}` }))
    if (call <= 2) await upstream.nextRequest()
    else await untilWaiting(gateway, call - 2)
  }
  assert.equal((await used(gateway)).parallel, 2)
  gate.resolve()
  const texts = (await Promise.all(answers)).map(({ choices }) => choices[0]?.message.content)

  assert.deepEqual(
    texts,
    Array.from({ length: 20 }, () => 'Hi!'),
  )
  assert.deepEqual(
    upstream.requests.map(({ body }) => (JSON.parse(body.toString()) as { user: string }).user),
    Array.from({ length: 20 }, (_, index) => `call ${index + 1}`),
  )
  assert.deepEqual(await used(gateway), { requests: 20, tokens: 240, parallel: 0 })
})

test('three clients that share one slot of a provider get no 429', async (t) => {
  const { gateway, upstream } = await startLimited(
    t,
    { when_limited: 'wait' },
    {
      providers: { scripted: { max_parallel_requests: 1 } },
    },
  )
  const { openai } = recordedClient(gateway)

  const answers = ['small', 'other', 'small'].map((model) =>
    openai.chat.completions.create({ model, messages }),
  )

  assert.equal((await Promise.all(answers)).length, 3)
  assert.equal(upstream.requests.length, 3)
})

test('a call waits for the window to the very millisecond, and its log line and Server-Timing say how long', async (t) => {
  const { gateway, clock } = await startLimited(t, {
    when_limited: 'wait',
    max_wait_ms: 60000,
    limits: { small: { rpm: 1 } },
  })
  await chat(gateway, 'small')
  clock.advance(50_000)
  const waiting = chat(gateway, 'small')
  await untilWaiting(gateway, 1)

  clock.advance(9999)
  assert.equal((await report(gateway)).waiting, 1)
  clock.advance(1)
  const { status, headers } = await waiting

  assert.equal(status, 200)
  assert.match(headers.get('server-timing') ?? '', /^wait;dur=10000, upstream;dur=0, gateway;dur=0$/)
  await gateway.logged({ event: 'call', wait_ms: 10_000 })
})

test('a call that has waited its time is refused with the time that is left', async (t) => {
  const { gateway, clock } = await startLimited(t, {
    when_limited: 'wait',
    max_wait_ms: 20000,
    limits: { small: { rpm: 1 } },
  })
  await chat(gateway, 'small')
  const waiting = chat(gateway, 'small')
  await untilWaiting(gateway, 1)

  clock.advance(20_000)
  const refused = await waiting

  assert.equal(refused.status, 429)
  assert.equal(refused.headers.get('retry-after-ms'), '40000')
  await gateway.logged({ event: 'rate_limit_exceeded', wait_ms: 20_000 })
  assert.equal((await used(gateway)).requests, 1)
})

test('a client that leaves the line is dropped and never reaches the provider', async (t) => {
  const { gateway, upstream } = await startLimited(t, limits(1))
  const gate = Promise.withResolvers<void>()
  upstream.respond([wait(gate.promise), ...whole()])
  const first = chat(gateway, 'small')
  await upstream.nextRequest()
  const leaving = await sendChat(t, gateway, { user: 'leaves' })
  await untilWaiting(gateway, 1)
  const staying = chat(gateway, 'small', { user: 'stays' })
  await untilWaiting(gateway, 2)

  leaving.leave()
  await untilWaiting(gateway, 1)
  gate.resolve()

  assert.equal((await first).status, 200)
  assert.equal((await staying).status, 200)
  assert.equal(upstream.requests.length, 2)
  assert.deepEqual(await used(gateway), { requests: 2, tokens: 24, parallel: 0 })
  const line = await gateway.logged({ event: 'call', status: 499 })
  assert.deepEqual([line['attempts'], line['prompt_tokens']], [0, undefined])
})

test('a stream that waits long hears heartbeats, then its answer', async (t) => {
  const { gateway, upstream, clock } = await startLimited(t, limits(1))
  const gate = Promise.withResolvers<void>()
  upstream.respond([wait(gate.promise), ...whole()])
  const first = chat(gateway, 'small')
  await upstream.nextRequest()
  const client = await sendChat(t, gateway, { stream: true })
  await untilWaiting(gateway, 1)

  clock.advance(49_900)
  assert.equal(client.received().length, 0, 'a wait that proxies allow commits to nothing')
  clock.advance(200)
  await client.seen(': ping\n')
  clock.advance(15_000)
  upstream.respond(sse([delta('a'), '[DONE]']))
  gate.resolve()
  await first
  const answer = await client.response()

  assert.equal(answer.status, 200)
  assert.equal(answer.header('content-type'), 'text/event-stream; charset=utf-8')
  assert.equal(answer.body().toString(), `: ping\n: ping\ndata: ${delta('a')}\n\ndata: [DONE]\n\n`)
})

test('a stream that is refused after heartbeats learns it from an error event', async (t) => {
  const { gateway, upstream, clock } = await startLimited(t, {
    when_limited: 'wait',
    max_wait_ms: 60_000,
    limits: { small: { max_parallel_requests: 1 } },
  })
  upstream.respond([hang])
  const holder = await sendChat(t, gateway, {})
  await upstream.nextRequest()
  const client = await sendChat(t, gateway, { stream: true })
  await untilWaiting(gateway, 1)

  clock.advance(60_000)
  const answer = await client.response()

  const [ping, last] = answer.body().toString().split('\n')
  assert.equal(ping, ': ping')
  const { error } = JSON.parse(last!.replace('data: ', '')) as { error: { code: string } }
  assert.equal(error.code, 'rate_limit_exceeded')
  await gateway.logged({ event: 'rate_limit_exceeded', status: 200 })
  holder.leave()
})

test('a whole call that waits long hears nothing before its answer', async (t) => {
  const { gateway, upstream, clock } = await startLimited(t, limits(1))
  upstream.respond([hang])
  const holder = await sendChat(t, gateway, {})
  await upstream.nextRequest()
  const client = await sendChat(t, gateway, {})
  await untilWaiting(gateway, 1)

  clock.advance(60_000)
  assert.equal(client.received().length, 0)
  holder.leave()

  assert.equal((await client.response()).status, 200)
})

test('a shutdown sends who waits away with 503', async (t) => {
  const { gateway, upstream } = await startLimited(t, limits(1), { server: { shutdown_grace_ms: 50 } })
  upstream.respond([streamHead(), chunk(`data: ${delta('a')}\n\n`), hang])
  const holder = await sendChat(t, gateway, { stream: true })
  await upstream.nextRequest()
  const waiting = chat(gateway, 'small')
  await untilWaiting(gateway, 1)

  const stopped = gateway.stop()
  const refused = await waiting

  assert.equal(refused.status, 503)
  assert.equal(refused.headers.get('x-llm-gateway-error'), 'shutting_down')
  holder.leave()
  await stopped
  assert.equal(upstream.requests.length, 1)
})
