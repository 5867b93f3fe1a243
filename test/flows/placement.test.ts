// Where calls go among several servers of one model, on the wire.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { chat, post, report, sendChat } from '../support/calls.ts'
import { delta, whole } from '../support/chat-content.ts'
import { until } from '../support/deadline.ts'
import { after, chunk, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'

const event = (data: string) => chunk(`data: ${data}\n\n`)
const both = { both: { targets: [{ provider: 'one' }, { provider: 'two' }] } }
const providers = { one: {}, two: {} }

/** The same for all conversations of an agent. */
const system = { role: 'system', content: 'You are an agent. '.repeat(60) }

function conversation(number: number, turns = 0): { messages: object[] } {
  const turn = Array.from({ length: turns }, (_, at) => ({
    role: 'user',
    content: `${number} ${at} `.repeat(100),
  }))
  return { messages: [system, { role: 'user', content: `${number} `.repeat(200) }, ...turn] }
}

for (const workers of [1, 2]) {
  suite(`with ${workers} threads`, () => {
    test('two calls on two idle servers never share one, though they begin alike', async (t) => {
      const { gateway, upstreams } = await startGateway(t, { server: { workers }, models: both, providers })
      const done = Promise.withResolvers<void>()
      for (const upstream of Object.values(upstreams))
        upstream.respondAlways([wait(done.promise), ...whole()])
      const calls = [1, 2].map((number) => chat(gateway, 'both', conversation(number)))
      await Promise.all([upstreams.one.nextRequest(), upstreams.two.nextRequest()])
      done.resolve()
      for (const call of calls) assert.equal((await call).status, 200)
    })

    test('a call that has waited is placed by what is known when it comes in', async (t) => {
      const limited = { max_parallel_requests: 1 }
      const { gateway, upstreams } = await startGateway(t, {
        server: { workers },
        models: both,
        providers: { one: limited, two: limited },
        rate_limit_settings: {
          per_client: {},
          when_limited: 'wait',
          max_wait_ms: 3_000_000,
          limits: { both: { rpm: 9 } },
        },
      })
      const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      for (const upstream of Object.values(upstreams)) {
        upstream.respondAlways(({ body }) => {
          const gate = body.includes('2 2 2 2') ? gates[1]! : gates[0]!
          return after(gate.promise, whole())
        })
      }
      const calls = [1, 2].map((number) => chat(gateway, 'both', conversation(number)))
      await Promise.all([upstreams.one.nextRequest(), upstreams.two.nextRequest()])
      const late = chat(gateway, 'both', conversation(1, 1))
      await until(async () => (await report(gateway, 'both')).waiting === 1, 'a call to wait')
      gates[0]!.resolve()
      const { headers } = await late
      const line = await gateway.logged({ request_id: headers.get('x-request-id') })
      assert.equal(line['placement'], 'cached')
      assert.match(String(line['placed']), /^cached [1-9.]+ KB of [0-9.]+ KB, queue 0$/)
      gates[1]!.resolve()
      await Promise.all(calls)
    })

    test('a conversation returns to its server, which has most of it, and the line says so', async (t) => {
      const { gateway, upstreams } = await startGateway(t, { server: { workers }, models: both, providers })
      for (const upstream of Object.values(upstreams)) upstream.respondAlways(whole())
      await chat(gateway, 'both', conversation(1))
      await gateway.logged({ event: 'call' })
      const home = upstreams.one.requests.length === 1 ? upstreams.one : upstreams.two
      for (const turns of [1, 2, 3]) {
        const { headers } = await chat(gateway, 'both', conversation(1, turns))
        // The next one may come to the other thread.
        await gateway.logged({ request_id: headers.get('x-request-id') })
      }
      assert.equal(home.requests.length, 4)
      const { placed } = await gateway.logged({ placement: 'cached' })
      assert.match(String(placed), /^cached 1\.[0-9] KB of [0-9.]+ KB, queue 0$/)
    })
  })
}

test('prompts of different clients are apart unless shared_prefixes is set', async (t) => {
  for (const shared of [false, true]) {
    const { gateway, upstreams } = await startGateway(t, {
      models: both,
      providers,
      routing: { shared_prefixes: shared },
      server: { trusted_proxies: [{ user: 'self' }] },
    })
    for (const upstream of Object.values(upstreams)) upstream.respondAlways(whole())
    const from = async (address: string) => {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
        body: JSON.stringify({ model: 'both', ...conversation(1) }),
      })
      assert.equal(response.status, 200)
      await response.text()
    }
    await from('192.0.2.1')
    await from('192.0.2.2')
    assert.equal(upstreams.one.requests.length === 1, !shared, `shared: ${shared}`)
  }
})

test('embeddings go to the least busy server, because no server caches their prompts', async (t) => {
  const { gateway, upstreams } = await startGateway(t, { models: both, providers })
  const answer = json(200, { object: 'list', data: [{ embedding: [1] }], usage: { prompt_tokens: 1 } })
  for (const upstream of Object.values(upstreams)) upstream.respondAlways(answer)
  for (let call = 0; call < 4; call += 1) {
    const response = await post(gateway, { model: 'both', input: 'the same' }, { path: '/v1/embeddings' })
    assert.equal(response.status, 200)
    await response.text()
  }
  assert.deepEqual([upstreams.one.requests.length, upstreams.two.requests.length], [2, 2])
})

test('least_busy spreads the calls of one conversation', async (t) => {
  const { gateway, upstreams } = await startGateway(t, {
    models: both,
    providers,
    routing: { placement: 'least_busy' },
  })
  for (const upstream of Object.values(upstreams)) upstream.respondAlways(whole())
  for (const turns of [0, 1, 2, 3]) await chat(gateway, 'both', conversation(1, turns))
  assert.deepEqual([upstreams.one.requests.length, upstreams.two.requests.length], [2, 2])
  assert.ok(!('placed' in (await gateway.logged({ placement: 'turn' }))))
})

test('a server that refuses connections for a while has lost what it had', async (t) => {
  const { gateway, upstreams } = await startGateway(t, {
    models: both,
    providers,
    routing: { cooldown_ms: 0 },
  })
  for (const upstream of Object.values(upstreams)) upstream.respondAlways(whole())
  await chat(gateway, 'both', conversation(1))
  const isOne = upstreams.one.requests.length === 1
  const [home, other] = isOne ? [upstreams.one, upstreams.two] : [upstreams.two, upstreams.one]
  home.respond(json(503, { error: { message: 'Loading model', type: 'unavailable_error', code: 503 } }))
  await chat(gateway, 'both', conversation(1, 1))
  assert.equal(other.requests.length, 1)
  await chat(gateway, 'both', conversation(1, 2))
  assert.equal(other.requests.length, 2)
})

test('a large prompt that is hashed in pieces is found again', async (t) => {
  const { gateway, upstreams } = await startGateway(t, { models: both, providers })
  for (const upstream of Object.values(upstreams)) upstream.respondAlways(whole())
  const long = { role: 'user', content: 'x y z '.repeat(120_000) }
  for (const more of [[], ['a'], ['a', 'b']]) {
    const messages = [long, ...more.map((content) => ({ role: 'user', content }))]
    await chat(gateway, 'both', { messages })
  }
  const counts = [upstreams.one.requests.length, upstreams.two.requests.length].toSorted(
    (one, other) => one - other,
  )
  assert.deepEqual(counts, [0, 3])
})

test('a call goes elsewhere while its server is busy with a long prompt', async (t) => {
  const { gateway, upstreams } = await startGateway(t, { models: both, providers })
  for (const upstream of Object.values(upstreams)) upstream.respondAlways(whole())
  await chat(gateway, 'both', conversation(1))
  const isOne = upstreams.one.requests.length === 1
  const [home, other] = isOne ? [upstreams.one, upstreams.two] : [upstreams.two, upstreams.one]
  const gate = Promise.withResolvers<void>()
  home.respond([streamHead(), event(delta('a')), wait(gate.promise), event('[DONE]'), lastChunk])
  const open = await sendChat(t, gateway, { model: 'both', stream: true, ...conversation(1, 1) })
  await open.seen('"a"')
  // Its slot has the beginning of both, but it is in use.
  await chat(gateway, 'both', conversation(2))
  assert.equal(other.requests.length, 1)
  gate.resolve()
  await open.response()
})
