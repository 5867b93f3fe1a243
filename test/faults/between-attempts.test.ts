// What happens while a call waits for its next attempt, and what later calls have learnt of it.
import assert from 'node:assert/strict'
import { until } from '../support/deadline.ts'
import { test, type TestContext } from 'node:test'

import { startUpstream } from '../support/scripted-upstream.ts'
import { chunk, hang, json, reset, type Script, sse, streamHead } from '../support/upstream-script.ts'
import { call, roundTrips, type Scene, startFaulty } from './fault.ts'
import { chat, used } from '../support/calls.ts'
import { delta, whole } from '../support/chat-content.ts'

const one = { small: { provider: 'a' } }
const two = { small: { targets: [{ provider: 'a' }, { provider: 'b', tier: 2 }] } }
const busy = json(503, { error: { message: 'busy' } }, { 'retry-after': '2' })
const loading = json(503, { error: { code: 503, message: 'Loading model' } })

for (const form of ['whole', 'streamed'] as const) {
  for (const how of ['close', 'reset'] as const) {
    test(`a client that leaves in a pause (${form}, ${how}) causes no further attempt`, async (t) => {
      const a = await startUpstream(t)
      a.respondAlways(busy)
      const scene = await startFaulty(t, { a: a.url }, { models: one })
      scene.clock.isSkipping = false
      const client = await call(t, scene, form)
      await a.nextRequest()
      await until(() => scene.clock.pausesMs.length > 0, 'a pause')

      client.leave(how)
      const line = await scene.gateway.logged({ event: 'call' })
      scene.clock.fake.advance(60_000)
      await roundTrips(t, scene)

      assert.equal(line['status'], 499)
      assert.equal(line['code'], undefined)
      assert.equal(line['attempts'], 1)
      assert.equal(a.requests.length, 1)
      assert.equal((await used(scene.gateway)).parallel, 0)
    })
  }
}

test('a client that leaves in a pause is charged what the attempts cost, and no prompt', async (t) => {
  const a = await startUpstream(t)
  a.respondAlways(busy)
  const scene = await startFaulty(t, { a: a.url }, { models: one })
  scene.clock.isSkipping = false
  const client = await call(t, scene, 'whole')
  await a.nextRequest()
  await until(() => scene.clock.pausesMs.length > 0, 'a pause')

  client.leave()
  await scene.gateway.logged({ event: 'call', status: 499 })

  assert.deepEqual(await used(scene.gateway), { requests: 1, tokens: 0, parallel: 0 })
})

test('the pauses are as long as the provider asks', async (t) => {
  const a = await startUpstream(t)
  a.respondAlways(busy)
  const { gateway, clock } = await startFaulty(t, { a: a.url }, { models: one })
  assert.equal((await chat(gateway, 'small')).status, 503)
  assert.deepEqual(clock.pausesMs, [2000, 2000])
})

test('without its wish the pauses double, less up to half by chance', async (t) => {
  const a = await startUpstream(t)
  a.respondAlways(json(503, {}))
  const { gateway, clock } = await startFaulty(t, { a: a.url }, { models: one, retries: 6 })
  await chat(gateway, 'small')
  for (const [index, wholeMs] of [200, 400, 800, 1600, 2000, 2000].entries()) {
    const pauseMs = clock.pausesMs[index]!
    assert.ok(pauseMs > wholeMs / 2 && pauseMs <= wholeMs, `${pauseMs} of ${wholeMs}`)
  }
})

test('a model that is being loaded is waited for, beyond the retries', async (t) => {
  const a = await startUpstream(t)
  for (let count = 0; count < 4; count++) a.respond(loading)
  a.respond(whole())
  const { gateway, clock } = await startFaulty(t, { a: a.url }, { models: one, retries: 0 })

  assert.equal((await chat(gateway, 'small')).status, 200)

  assert.deepEqual(clock.pausesMs, [1000, 1000, 1000, 1000])
  assert.deepEqual(await used(gateway), { requests: 1, tokens: 12, parallel: 0 })
})

test('a loading server is waited for as long as it asks, beyond max_retry_wait_ms', async (t) => {
  const a = await startUpstream(t)
  a.respond(json(503, { error: { message: 'Loading model' } }, { 'retry-after': '4' }))
  a.respond(whole())
  const { gateway, clock } = await startFaulty(t, { a: a.url }, { models: one })

  assert.equal((await chat(gateway, 'small')).status, 200)

  assert.deepEqual(clock.pausesMs, [4000])
})

test('a loading server that asks for no wait is not asked without pause', async (t) => {
  const a = await startUpstream(t)
  a.respond(json(503, { error: { message: 'Loading model' } }, { 'retry-after': '0' }))
  a.respond(whole())
  const { gateway, clock } = await startFaulty(t, { a: a.url }, { models: one })
  assert.equal((await chat(gateway, 'small')).status, 200)
  assert.deepEqual(clock.pausesMs, [1000])
})

test('the total timeout bounds all attempts together', async (t) => {
  const a = await startUpstream(t)
  a.respondAlways(busy)
  const provider = { timeouts: { total_ms: 3000 } }
  const { gateway, clock } = await startFaulty(t, { a: a.url }, { models: one, provider, retries: 5 })

  assert.equal((await chat(gateway, 'small')).status, 503)

  assert.deepEqual(clock.pausesMs, [2000])
  assert.equal(a.requests.length, 2)
})

test('a call whose total time is over goes to no other target', async (t) => {
  const [a, b] = [await startUpstream(t), await startUpstream(t)]
  a.respondAlways([hang])
  const provider = { timeouts: { total_ms: 3000 } }
  const scene = await startFaulty(t, { a: a.url, b: b.url }, { models: two, provider })
  const client = await call(t, scene, 'streamed')
  await a.nextRequest()

  scene.clock.fake.advance(3200)

  assert.equal((await client.response()).status, 504)
  assert.equal(b.requests.length, 0)
})

test('of two targets that may be asked again, the one whose time comes first is', async (t) => {
  const [a, b] = [await startUpstream(t), await startUpstream(t)]
  a.respond(json(503, {}, { 'retry-after': '1' }))
  a.respond(whole())
  b.respond(json(401, {}))
  const { gateway } = await startFaulty(t, { a: a.url, b: b.url }, { models: two })

  assert.equal((await chat(gateway, 'small')).status, 200)

  assert.deepEqual([a.requests.length, b.requests.length], [2, 1])
})

test('a stream that breaks makes the next call prefer another target', async (t) => {
  const [a, b] = [await startUpstream(t), await startUpstream(t)]
  a.respondAlways([streamHead(), chunk(`data: ${delta('first')}\n\n`), reset])
  b.respondAlways(sse([delta('second'), '[DONE]']))
  const { gateway } = await startFaulty(t, { a: a.url, b: b.url }, { models: two })

  assert.match((await chat(gateway, 'small', { stream: true })).body, /first/)
  assert.match((await chat(gateway, 'small', { stream: true })).body, /second/)

  assert.equal(a.requests.length, 1)
})

test('a provider of many comments and no event is not held without end', async (t) => {
  const a = await startUpstream(t)
  const comments = chunk(`: ${'x'.repeat(100_000)}\n\n`)
  const gate = Promise.withResolvers<void>()
  a.respond([
    streamHead(),
    ...Array.from({ length: 20 }, () => comments),
    { kind: 'wait', gate: gate.promise },
    hang,
  ])
  const scene = await startFaulty(t, { a: a.url }, { models: one })
  const client = await call(t, scene, 'streamed')
  assert.equal((await client.head()).status, 200)
  client.leave()
})

test('a call that has heard heartbeats in the waiting line still goes to another target', async (t) => {
  const [a, b] = [await startUpstream(t), await startUpstream(t)]
  a.respond(sse([delta('before'), '[DONE]']))
  a.respondAlways(json(500, {}))
  b.respondAlways(sse([delta('second'), '[DONE]']))
  const limits = { limits: { small: { rpm: 1, when_limited: 'wait' as const, max_wait_ms: 100_000 } } }
  const scene = await startFaulty(t, { a: a.url, b: b.url }, { models: two, limits })
  scene.clock.isSkipping = false
  await chat(scene.gateway, 'small', { stream: true })
  const client = await call(t, scene, 'streamed')
  await roundTrips(t, scene)

  for (let second = 0; second < 62; second++) scene.clock.fake.advance(1000)

  const response = await client.response()
  assert.equal(response.status, 200)
  const body = response.body().toString()
  assert.match(body, /^(?:: ping\n){1,2}data: .*second.*\n\ndata: \[DONE\]\n\n$/)
  assert.deepEqual([a.requests.length, b.requests.length], [2, 1])
})

/** Servers `a`, `b`, … that answer so, as targets of one model, a tier each. */
async function startTiers(
  t: TestContext,
  responses: readonly Script[],
  retries: number,
): Promise<{ scene: Scene; counts: () => number[] }> {
  const servers = await Promise.all(
    responses.map(async (script) => {
      const upstream = await startUpstream(t)
      upstream.respondAlways(script)
      return upstream
    }),
  )
  const name = (index: number) => String.fromCharCode(97 + index)
  const urls = Object.fromEntries(servers.map(({ url }, index) => [name(index), url]))
  const targets = servers.map((_, index) => ({ provider: name(index), tier: index + 1 }))
  const scene = await startFaulty(t, urls, {
    models: { small: { targets } },
    retries,
  })
  return { scene, counts: () => servers.map(({ requests }) => requests.length) }
}

test('targets that were not asked yet take nothing off the retries', async (t) => {
  const { scene, counts } = await startTiers(t, [busy, json(500, {}), busy, busy, whole()], 0)
  assert.equal((await chat(scene.gateway, 'small')).status, 200)
  assert.deepEqual(counts(), [1, 1, 1, 1, 1])
})

test('every target is asked once before one is asked again, and then as often as the retries say', async (t) => {
  const { scene, counts } = await startTiers(t, [busy, json(500, {}), busy], 3)
  assert.equal((await chat(scene.gateway, 'small')).status, 503)
  const [a, b, c] = counts()
  assert.equal(b, 1)
  assert.equal(a! + c!, 2 + 3)
})

test('without retries a model that is being loaded is waited for while the others fail', async (t) => {
  const { scene, counts } = await startTiers(t, [loading, json(500, {})], 0)
  assert.equal((await chat(scene.gateway, 'small')).status, 503)
  assert.ok(counts()[0]! >= 4, 'until a first byte would be late')
  assert.equal(counts()[1], 1)
})

test('one call asks sixteen targets and no more', async (t) => {
  const { scene, counts } = await startTiers(
    t,
    Array.from({ length: 18 }, () => json(500, {})),
    0,
  )
  assert.equal((await chat(scene.gateway, 'small')).status, 500)
  assert.deepEqual(counts(), [...Array.from({ length: 16 }, () => 1), 0, 0])
})
