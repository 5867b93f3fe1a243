// Limits of a key, or of a client without one, beside those of models.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import type { ClientTerms } from '../../../src/domain.ts'
import { type Options, type Running, startGateway } from '../../support/app.ts'
import { delta, whole } from '../../support/chat-content.ts'
import { bearer, KeyFileOnDisk, type TestKey, testKey } from '../../support/client-keys.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { until } from '../../support/deadline.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import type { Setup } from '../../support/gateway-config.ts'
import { connectRaw, exchange, type RawResponse, rawRequest } from '../../support/raw-client.ts'
import { chunk, hang, json, streamHead } from '../../support/upstream-script.ts'

type WithKeys = Running & {
  readonly file: KeyFileOnDisk
  readonly keys: readonly TestKey[]
  readonly call: (key?: TestKey, model?: string) => Promise<RawResponse>
}

/** Two keys, `ci` with these terms, and `free` without limits. */
async function startWith(
  t: TestContext,
  terms: Partial<ClientTerms>,
  setup: Setup = {},
  options: Options = {},
): Promise<WithKeys> {
  const file = new KeyFileOnDisk(t)
  const keys = [testKey(), testKey()]
  file.write({ ci: { keys: [keys[0]!], terms }, free: { keys: [keys[1]!] } })
  const running = await startGateway(t, { ...setup, keys: file.setup }, options)
  const call = (key = keys[0]!, model = 'plain') =>
    exchange(
      t,
      running.gateway.url,
      rawRequest('POST /v1/chat/completions', bearer(key), JSON.stringify({ model, messages: [] })),
    )
  return Object.assign(running, { file, keys, call })
}

suite('requests of a key', () => {
  test('are limited over all models, exactly, and without effect on others', async (t) => {
    const clock = new FakeClock()
    const { upstream, keys, call } = await startWith(t, { rpm: 2 }, {}, { clock })
    upstream.respondAlways(whole())
    const first = await call()
    assert.equal(first.status, 200)
    assert.equal(first.header('x-ratelimit-limit-requests'), '2')
    assert.equal(first.header('x-ratelimit-remaining-requests'), '1')
    assert.equal((await call(keys[0], 'renamed')).status, 200)
    clock.advance(59_999)
    const refused = await call()
    assert.equal(refused.status, 429)
    assert.equal(refused.header('retry-after-ms'), '1')
    const { error } = JSON.parse(refused.body().toString())
    assert.match(error.message, /The rpm of the key "ci" is 1 too low for this call\.$/)
    assert.equal((await call(keys[1])).status, 200)
    clock.advance(1)
    assert.equal((await call()).status, 200)
  })

  test('are reserved with the model’s in one: what one of them refuses costs the other nothing', async (t) => {
    const clock = new FakeClock()
    const rate_limit_settings = { per_client: {}, limits: { plain: { rpm: 1 }, renamed: { rpm: 2 } } }
    const { gateway, upstream, keys, call } = await startWith(
      t,
      { rpm: 2 },
      { rate_limit_settings },
      { clock },
    )
    upstream.respondAlways(whole())
    const used = async () => {
      const response = await exchange(t, gateway.url, rawRequest('GET /v1/limits', bearer(keys[0]!)))
      const { client, client_limits, data } = JSON.parse(response.body().toString())
      assert.equal(client, 'key:ci')
      return [client_limits.used.requests, ...data.map((each: typeof client_limits) => each.used.requests)]
    }
    assert.equal((await call()).status, 200)
    for (let count = 0; count < 3; count++) assert.equal((await call()).status, 429)
    assert.deepEqual(await used(), [1, 1, 0])
    assert.equal((await call(keys[0], 'renamed')).status, 200)
    for (let count = 0; count < 3; count++) assert.equal((await call(keys[0], 'renamed')).status, 429)
    assert.deepEqual(await used(), [2, 1, 1])
  })

  test('count on over a rotation, another name of the key, a reload and a restart', async (t) => {
    const clock = new FakeClock()
    const stateDirectory = scratchDirectory(t)
    const running = await startWith(t, { rpm: 2 }, {}, { clock, stateDirectory })
    const { file, gateway, upstream, keys, call } = running
    upstream.respondAlways(whole())
    assert.equal((await call()).status, 200)
    const next = testKey()
    file.write({ ci: { keys: [keys[0]!, next], terms: { rpm: 2 } } })
    // The fake clock does not look at the file by itself; the kernel's notification starts a timer of it.
    await until(() => {
      clock.advance(20)
      return gateway.log().some(({ event, generation }) => event === 'keys_loaded' && generation === 2)
    }, 'the rotated key')
    assert.equal((await call(next)).status, 200)
    assert.deepEqual([(await call()).status, (await call(next)).status], [429, 429])
    await gateway.stop()
    const setup = { keys: file.setup, providers: { scripted: { base_url: `${upstream.url}/v1` } } }
    const restarted = await startGateway(t, setup, { clock, stateDirectory })
    const request = rawRequest('POST /v1/chat/completions', bearer(next), '{"model":"plain","messages":[]}')
    assert.equal((await exchange(t, restarted.gateway.url, request)).status, 429)
    clock.advance(60_000)
    assert.equal((await exchange(t, restarted.gateway.url, request)).status, 200)
  })

  test('are limited exactly over all threads', async (t) => {
    const { upstream, call } = await startWith(t, { rpm: 10 }, { server: { workers: 3 } })
    upstream.respondAlways(whole())
    const statuses = await Promise.all(Array.from({ length: 30 }, async () => (await call()).status))
    assert.equal(statuses.filter((status) => status === 200).length, 10)
    assert.equal(statuses.filter((status) => status === 429).length, 20)
  })
})

test('tokens of a key are limited over all models', async (t) => {
  const clock = new FakeClock()
  const { upstream, keys, call } = await startWith(t, { tpm: 1000 }, {}, { clock })
  upstream.respondAlways(whole({ prompt_tokens: 900, completion_tokens: 100, total_tokens: 1000 }))
  assert.equal((await call()).status, 200)
  const refused = await call(keys[0], 'renamed')
  assert.equal(refused.status, 429)
  assert.equal(JSON.parse(refused.body().toString()).error.type, 'tokens')
  assert.equal((await call(keys[1])).status, 200)
})

suite('parallel calls of a key', () => {
  test('are limited, and no fallback gets around that', async (t) => {
    const models = { plain: { provider: 'scripted', fallbacks: ['other'] }, other: { provider: 'scripted' } }
    const { gateway, upstream, keys, call } = await startWith(t, { maxParallelRequests: 1 }, { models })
    upstream.respond([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
    upstream.respondAlways(whole())
    const client = await connectRaw(t, gateway.url)
    const body = '{"model":"plain","messages":[],"stream":true}'
    client.send(rawRequest('POST /v1/chat/completions', bearer(keys[0]!), body))
    await client.head()
    await client.seen('first')
    const refused = await call()
    assert.equal(refused.status, 429)
    assert.match(JSON.parse(refused.body().toString()).error.message, /parallel requests of this client/)
    assert.equal((await call(keys[1])).status, 200)
    client.leave()
    await gateway.logged({ event: 'call', status: 499 })
    assert.equal((await call()).status, 200)
  })

  test('that are too many do not wait in the model’s line, where they would hold up others', async (t) => {
    const rate_limit_settings = {
      per_client: {},
      when_limited: 'wait',
      max_wait_ms: 60_000,
      limits: { plain: { max_parallel_requests: 1 } },
    } as const
    const { gateway, upstream, keys, call } = await startWith(t, { rpm: 1 }, { rate_limit_settings })
    const { promise, resolve } = Promise.withResolvers<void>()
    upstream.respondAlways(whole())
    assert.equal((await call()).status, 200)
    assert.equal((await call()).status, 429)
    upstream.respond([{ kind: 'wait', gate: promise }, ...(whole() as Iterable<never>)])
    const holding = call(keys[1])
    await until(() => upstream.requests.length === 2, 'the call that holds the slot')
    const waitFor = async (count: number) => {
      for (let waiting = -1; waiting !== count;) {
        const response = await exchange(t, gateway.url, rawRequest('GET /v1/limits', bearer(keys[1]!)))
        waiting = JSON.parse(response.body().toString()).data[0].waiting as number
      }
    }
    // A line is there already when the limited key's call comes.
    const before = call(keys[1])
    await waitFor(1)
    const limited = call()
    await waitFor(2)
    const other = call(keys[1])
    await waitFor(3)
    resolve()
    const ends = await Promise.all([holding, before, limited, other])
    assert.deepEqual(
      ends.map(({ status }) => status),
      [200, 200, 429, 200],
    )
  })
})

test('clients without a key have limits of their own, each of them', async (t) => {
  const clock = new FakeClock()
  const setup: Setup = {
    server: { trusted_proxies: [{ user: 'self' }] },
    clients: { 'ip:203.0.113.0/24': { rpm: 1 } },
  }
  const { gateway, upstream } = await startGateway(t, setup, { clock })
  upstream.respondAlways(whole())
  const call = (address: string) =>
    exchange(
      t,
      gateway.url,
      rawRequest(
        'POST /v1/chat/completions',
        { 'x-forwarded-for': address },
        '{"model":"plain","messages":[]}',
      ),
    )
  assert.equal((await call('203.0.113.1')).status, 200)
  assert.equal((await call('203.0.113.2')).status, 200)
  const refused = await call('203.0.113.1')
  assert.equal(refused.status, 429)
  assert.match(
    JSON.parse(refused.body().toString()).error.message,
    /clients\["?ip:203\.0\.113\.0\/24"?\]\.rpm is 1 too low|clients\.ip:203\.0\.113\.0\/24\.rpm is 1 too low/,
  )
  for (let count = 0; count < 3; count++) assert.equal((await call('198.51.100.1')).status, 200)
})

test('the report of a client without limits of its own is as it was', async (t) => {
  const { gateway } = await startGateway(t, {})
  const response = await exchange(t, gateway.url, rawRequest('GET /v1/limits'))
  assert.deepEqual(Object.keys(JSON.parse(response.body().toString())), ['object', 'client', 'data'])
})

test('a refusal of a provider counts once for the key', async (t) => {
  const { gateway, upstream, keys, call } = await startWith(t, { rpm: 5 })
  upstream.respondAlways(json(400, { error: { message: 'no' } }))
  assert.equal((await call()).status, 400)
  const response = await exchange(t, gateway.url, rawRequest('GET /v1/limits', bearer(keys[0]!)))
  assert.equal(JSON.parse(response.body().toString()).client_limits.used.requests, 1)
})
