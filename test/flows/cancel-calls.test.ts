// A call that the operator cancels: it ends at once in every phase and format, and nothing of it is left.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { sendChat, used } from '../support/calls.ts'
import { delta, messages, whole } from '../support/chat-content.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { firstEvents } from '../support/first-events.ts'
import { commander, obedientEntry } from '../support/obedient-workers.ts'
import { connectRaw, type RawClient, rawRequest } from '../support/raw-client.ts'
import { Random } from '../support/random.ts'
import { type Cleanup, silentUrl } from '../support/scripted-upstream.ts'
import { testSeed } from '../support/test-seed.ts'
import { chunk, hang, head, json, streamHead } from '../support/upstream-script.ts'
import { startLimited } from './limited.ts'
import { restSetup } from './rest/rest.ts'

const limits = {
  when_limited: 'wait' as const,
  max_wait_ms: 600_000,
  limits: { small: { max_parallel_requests: 1 } },
}

type At = { readonly url: string }

async function send(t: Cleanup, gateway: At, id: string, more: object = {}, path = '/v1/chat/completions') {
  const client = await connectRaw(t, gateway.url)
  const body = JSON.stringify({ model: 'plain', messages, input: 'hi', max_tokens: 5, ...more })
  client.send(rawRequest(`POST ${path}`, { 'x-request-id': id }, body))
  return client
}

async function assertRefused(client: RawClient): Promise<void> {
  const response = await client.response()
  const found = ['x-llm-gateway-error', 'x-should-retry', 'x-request-id'].map((name) => response.header(name))
  assert.deepEqual([response.status, ...found], [400, 'call_cancelled', 'false', 'c1'])
}

suite('a cancelled stream ends with an error event, and its provider’s connection with it', () => {
  const marks: readonly [
    path: string,
    speaks: 'chat' | 'messages' | 'responses',
    marks: readonly string[],
  ][] = [
    ['/v1/chat/completions', 'chat', ['"code":"call_cancelled"']],
    ['/v1/messages', 'messages', ['event: error', 'invalid_request_error', 'cancelled this call']],
    ['/v1/responses', 'responses', ['response.failed', 'call_cancelled']],
    ['/v1/messages', 'chat', ['event: error', 'invalid_request_error', 'cancelled this call']],
    ['/v1/responses', 'chat', ['response.failed', 'call_cancelled']],
    ['/v1/responses', 'messages', ['response.failed', 'call_cancelled']],
    ['/v1/chat/completions', 'messages', ['"code":"call_cancelled"']],
  ]
  const paths = {
    chat: '/v1/chat/completions',
    messages: '/v1/messages',
    responses: '/v1/responses',
  } as const
  for (const [path, speaks, wanted] of marks) {
    test(`${path} from a provider that speaks ${speaks}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, { providers: { scripted: { speaks: [speaks] } } })
      upstream.respondAlways([streamHead(), chunk(firstEvents[paths[speaks]]!), hang])
      const [client, other] = [
        await send(t, gateway, 'c1', { stream: true }, path),
        await send(t, gateway, 'c2', { stream: true }, path),
      ]
      await Promise.all([client, other].map((each) => each.seen('first')))
      assert.equal(await gateway.app.cancelCall('c1'), true)
      const response = await client.response()
      assert.ok(response.complete)
      for (const mark of wanted) assert.ok(response.body().includes(mark), response.body().toString())
      await until(() => upstream.openConnections === 1, 'the connection of the other stream alone')
      assert.ok(!other.received().includes('cancelled'))
      const line = await gateway.logged({ request_id: 'c1', code: 'call_cancelled' })
      const { level, status, completion_tokens, estimated, attempts } = line
      assert.deepEqual([level, status, completion_tokens, estimated, attempts], ['WARN', 200, 2, true, 1])
      assert.equal(
        gateway.log().filter(({ request_id, attempts: tried }) => request_id === 'c1' && tried).length,
        1,
      )
    })
  }
})

suite('a cancelled call gets a status that nobody repeats', () => {
  test('while its provider has sent nothing', async (t) => {
    const { gateway, upstream } = await startGateway(t, { routing: { retries: 3 } })
    upstream.respondAlways([hang])
    const client = await send(t, gateway, 'c1', { stream: true })
    await upstream.nextRequest()
    assert.equal(await gateway.app.cancelCall('c1'), true)
    await assertRefused(client)
    await upstream.allClosed()
    assert.equal(upstream.requests.length, 1)
    const { prompt_tokens, completion_tokens } = await gateway.logged({ code: 'call_cancelled', status: 400 })
    assert.ok(Number(prompt_tokens) > 0)
    assert.equal(completion_tokens, 0)
  })

  test('which the status page calls cancelled, and no failure', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways([hang])
    const client = await send(t, gateway, 'c1')
    await upstream.nextRequest()
    assert.equal(await gateway.app.cancelCall('c1'), true)
    await assertRefused(client)
    await gateway.logged({ code: 'call_cancelled', status: 400 })
    const response = await fetch(`${gateway.url}/status`, { headers: { accept: 'text/plain' } })
    const text = await response.text()
    assert.match(text, / cancelled 400 /)
    assert.doesNotMatch(text, /Failures of/)
  })

  test('while its connection is made', async (t) => {
    const provider = { base_url: `${await silentUrl(t)}/v1`, speaks: ['chat' as const] }
    const { gateway } = await startGateway(t, { providers: { silent: provider } })
    const client = await send(t, gateway, 'c1')
    await until(async () => (await gateway.app.openCallReports())[0]?.attempt === 1, 'the attempt')
    assert.equal(await gateway.app.cancelCall('c1'), true)
    await assertRefused(client)
  })

  test('in line', async (t) => {
    const { gateway, upstream } = await startLimited(t, limits)
    upstream.respondAlways([hang])
    await sendChat(t, gateway)
    await upstream.nextRequest()
    const client = await send(t, gateway, 'c1', { model: 'small' })
    await until(
      async () => (await gateway.app.openCallReports()).some(({ phase }) => phase === 'in_line'),
      'the call in line',
    )
    assert.equal(await gateway.app.cancelCall('c1'), true)
    await assertRefused(client)
    assert.deepEqual(await used(gateway), { ...(await used(gateway)), requests: 1, parallel: 1 })
    assert.equal(upstream.requests.length, 1)
  })

  test('in the pause before its next attempt', async (t) => {
    const clock = new FakeClock()
    const routing = { retries: 3, cooldown_ms: 0, max_retry_wait_ms: 5_000 }
    const { gateway, upstream } = await startGateway(t, { routing }, { clock })
    upstream.respond(json(503, { error: { message: 'busy' } }, { 'retry-after': '2' }))
    const client = await send(t, gateway, 'c1')
    await upstream.nextRequest()
    await until(async () => (await gateway.app.openCallReports())[0]?.phase === 'connecting', 'the pause')
    assert.equal(await gateway.app.cancelCall('c1'), true)
    await assertRefused(client)
    clock.advance(10_000)
    assert.equal(upstream.requests.length, 1)
  })

  test('while a whole body is held', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond([head(200, { 'content-type': 'application/json', 'content-length': '100' }), chunk('{')])
    const client = await send(t, gateway, 'c1')
    await until(async () => (await gateway.app.openCallReports())[0]?.phase === 'whole', 'a part of the body')
    assert.equal(await gateway.app.cancelCall('c1'), true)
    await assertRefused(client)
    await upstream.allClosed()
  })
})

test('a cancelled call whose body goes out already is cut, so that nobody takes half of it for all', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond([
    head(200, { 'content-type': 'audio/mpeg', 'transfer-encoding': 'chunked' }),
    chunk('sound'),
    hang,
  ])
  const client = await send(t, gateway, 'c1', { voice: 'v' }, '/v1/audio/speech')
  await client.seen('sound')
  assert.equal(await gateway.app.cancelCall('c1'), true)
  await client.ended
  assert.equal((await client.response()).complete, false)
  await upstream.allClosed()
})

suite('a cancelled request that is no model call', () => {
  test('gets the status while nothing of its response has come', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respondAlways([hang])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('GET /v1/batches', { 'x-request-id': 'c1' }))
    await upstream.nextRequest()
    const [call] = await gateway.app.openCallReports()
    assert.deepEqual([call!.dialect, call!.phase, call!.model], ['other', 'waiting', null])
    assert.equal(await gateway.app.cancelCall('c1'), true)
    await assertRefused(client)
    await upstream.allClosed()
  })

  test('ends with an error event where it streams', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respondAlways([streamHead(), chunk('data: {"id":"first"}\n\n'), hang])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('GET /v1/responses/resp_1?stream=true', { 'x-request-id': 'c1' }))
    await client.seen('first')
    assert.equal(await gateway.app.cancelCall('c1'), true)
    const response = await client.response()
    assert.ok(response.complete && response.body().includes('call_cancelled'), response.body().toString())
    await gateway.logged({ code: 'call_cancelled', status: 200 })
    await upstream.allClosed()
  })
})

test('calls that are cancelled at any moment end once each, and nothing of them is left', async (t) => {
  const parallel = { limits: { small: { max_parallel_requests: 4 } } }
  const { gateway, upstream } = await startLimited(t, { ...limits, ...parallel }, { server: { workers: 2 } })
  const seed = testSeed() ?? Math.floor(Math.random() * 1e9)
  t.diagnostic(`TEST_SEED=${seed}`)
  const random = new Random(seed, 0)
  const event = firstEvents['/v1/chat/completions']!
  upstream.respondAlways(() =>
    random.pick([() => [hang], () => whole(), () => [streamHead(), chunk(event), hang]])(),
  )
  const ids = Array.from({ length: 60 }, (_, index) => `call-${index}`)
  const clients = await Promise.all(
    ids.map((id) => send(t, gateway, id, { model: 'small', stream: random.has(0.7) })),
  )
  let areOver = false
  const responses = Promise.all(clients.map((client) => client.response())).finally(() => (areOver = true))
  await until(async () => {
    const calls = await gateway.app.openCallReports()
    if (calls.length > 0) await gateway.app.cancelCall(random.pick(calls).id)
    return areOver
  }, 'the end of every call')
  for (const response of await responses) {
    assert.ok(response.complete)
    const [isWhole, isCancelled] = ['Hi!', 'call_cancelled'].map((mark) => response.body().includes(mark))
    assert.notEqual(isWhole, isCancelled, response.body().toString())
  }
  const lineOf = (id: string) =>
    gateway.log().filter((line) => line['request_id'] === id && 'duration_ms' in line)
  await until(() => ids.every((id) => lineOf(id).length > 0), 'a line of every call')
  for (const id of ids) assert.equal(lineOf(id).length, 1, id)
  await until(async () => (await used(gateway)).parallel === 0, 'every slot')
})

for (const workers of [1, 2]) {
  test(`its slot is free at once, with ${workers} threads`, async (t) => {
    const { gateway, upstream } = await startLimited(t, limits, { server: { workers } })
    upstream.respond([streamHead(), chunk(firstEvents['/v1/chat/completions']!), hang])
    const client = await send(t, gateway, 'c1', { model: 'small', stream: true })
    await client.seen('first')
    const next = await send(t, gateway, 'c2', { model: 'small' })
    await until(
      async () => (await gateway.app.openCallReports()).some(({ phase }) => phase === 'in_line'),
      'the next call in line',
    )
    assert.equal(await gateway.app.cancelCall('c1'), true)
    assert.equal((await next.response()).status, 200)
    assert.ok((await client.response()).body().includes('call_cancelled'))
  })
}

test('a thread that stands still neither hides nor holds up the calls of the others', async (t) => {
  const { gateway, upstream } = await startGateway(
    t,
    { server: { workers: 2 } },
    { workerEntry: obedientEntry },
  )
  upstream.respondAlways([streamHead(), chunk(firstEvents['/v1/chat/completions']!), hang])
  const ids = Array.from({ length: 12 }, (_, index) => `call-${index}`)
  const clients = new Map<string, RawClient>()
  for (const id of ids) clients.set(id, await send(t, gateway, id, { stream: true }))
  await Promise.all([...clients.values()].map((client) => client.seen('first')))
  const release = await commander(t).block(1)
  const calls = await gateway.app.openCallReports()
  // All connections may have gone to one of the threads.
  const [reached] = calls
  if (reached !== undefined) {
    assert.equal(await gateway.app.cancelCall(reached.id), true)
    await clients.get(reached.id)!.seen('call_cancelled')
  }
  release()
  await until(
    async () => (await gateway.app.openCallReports()).length === (reached === undefined ? 12 : 11),
    'the calls of both threads',
  )
})

test('no call with the id, or one that has ended: false', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(whole())
  assert.equal((await (await send(t, gateway, 'c1')).response()).status, 200)
  for (const id of ['c1', 'nothing', '']) assert.equal(await gateway.app.cancelCall(id), false, id)
  assert.equal(gateway.log().filter(({ event }) => event === 'call_cancelled').length, 0)
})

test('who has cancelled whose call is logged', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
  const client = await send(t, gateway, 'c1', { stream: true })
  await client.seen('first')
  await gateway.app.cancelCall('c1', 'user:root')
  const { client: of, by, level } = await gateway.logged({ event: 'call_cancelled', request_id: 'c1' })
  assert.match(String(of), /^user:/)
  assert.deepEqual([by, level], ['user:root', 'INFO'])
})

test('calls of several clients with the same id are cancelled together, and each of them is logged', async (t) => {
  const access = { allowed_users: ['any'] }
  const server = { trusted_proxies: [{ user: 'self' }] }
  const { gateway, upstream } = await startGateway(t, { access, server })
  upstream.respondAlways([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
  const addresses = ['192.0.2.1', '192.0.2.2']
  for (const address of addresses) {
    const client = await connectRaw(t, gateway.url)
    const body = JSON.stringify({ model: 'plain', messages, stream: true })
    const headers = { 'x-request-id': 'c1', 'x-forwarded-for': address }
    client.send(rawRequest('POST /v1/chat/completions', headers, body))
    await client.seen('first')
  }
  assert.equal(await gateway.app.cancelCall('c1'), true)
  const logged = gateway.log().filter(({ event, by }) => event === 'call_cancelled' && by !== undefined)
  assert.deepEqual(
    logged.map(({ client }) => String(client)).toSorted((one, other) => (one < other ? -1 : 1)),
    addresses.map((address) => `ip:${address}`),
  )
})
