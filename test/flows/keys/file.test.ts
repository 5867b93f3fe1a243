// The key file of a running gateway: what of it is in force when, and what becomes of calls whose keys are revoked.
import assert from 'node:assert/strict'
import { readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { parseKeysState } from '../../../src/clients/keys/keys-state.ts'
import { type Options, type Running, startGateway } from '../../support/app.ts'
import { delta, whole } from '../../support/chat-content.ts'
import { bearer, KeyFileOnDisk, type TestKey, testKey } from '../../support/client-keys.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { until } from '../../support/deadline.ts'
import { firstEvents } from '../../support/first-events.ts'
import { at, type Setup } from '../../support/gateway-config.ts'
import { commander, obedientEntry } from '../../support/obedient-workers.ts'
import { connectRaw, exchange, type RawClient, rawRequest } from '../../support/raw-client.ts'
import { chunk, hang, streamHead } from '../../support/upstream-script.ts'

type WithKeys = Running & {
  readonly file: KeyFileOnDisk
  readonly state: () => ReturnType<typeof parseKeysState>
}

async function startWith(
  t: TestContext,
  write: (file: KeyFileOnDisk) => void,
  setup: Setup = {},
  options: Options = {},
): Promise<WithKeys> {
  const file = new KeyFileOnDisk(t)
  write(file)
  const stateDirectory = scratchDirectory(t)
  const keys = { ...file.setup, ...setup.keys }
  const running = await startGateway(t, { ...setup, keys }, { stateDirectory, ...options })
  const state = () => {
    try {
      return parseKeysState(readFileSync(join(stateDirectory, 'keys.state'), 'utf8'))
    } catch {
      return undefined
    }
  }
  return Object.assign(running, { file, state })
}

function inForce({ state }: WithKeys, generation: number): Promise<void> {
  return until(() => state()?.generation === generation, `generation ${generation} in force`)
}

const body = (more: object = {}) => JSON.stringify({ model: 'plain', messages: [], ...more })

function callOf(key: TestKey, more: object = {}): string | Uint8Array {
  return rawRequest('POST /v1/chat/completions', bearer(key), body(more))
}

async function statusOf(t: TestContext, { gateway }: Running, key: TestKey): Promise<number> {
  return (await exchange(t, gateway.url, callOf(key))).status
}

/** A stream of which one event has come. */
async function openStream(
  t: TestContext,
  { gateway }: Running,
  key: TestKey,
  path = '/v1/chat/completions',
): Promise<RawClient> {
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest(`POST ${path}`, bearer(key), body({ stream: true, max_tokens: 5 })))
  await client.head()
  await client.seen('first')
  return client
}

const streaming = [streamHead(), chunk(`data: ${delta('first')}\n\n`), hang]

suite('a change of the key file', () => {
  test('is in force in all threads when it is acknowledged', async (t) => {
    const [one, two] = [testKey(), testKey()]
    for (const workers of [1, 3]) {
      const running = await startWith(t, (file) => file.write({ one: { keys: [one] } }), {
        server: { workers },
      })
      const { file, upstream, state } = running
      upstream.respondAlways(whole())
      await inForce(running, 1)
      assert.equal(state()!.threads, workers)
      assert.deepEqual([await statusOf(t, running, one), await statusOf(t, running, two)], [200, 401])
      await inForce(running, file.write({ two: { keys: [two] } }))
      assert.equal(state()!.threads, workers)
      for (let count = 0; count < 2 * workers; count++) {
        assert.deepEqual([await statusOf(t, running, one), await statusOf(t, running, two)], [401, 200])
      }
    }
  })

  test('that has a fault is refused as a whole, and the last good one stays', async (t) => {
    const key = testKey()
    const running = await startWith(t, (file) => file.write({ one: { keys: [key] } }))
    const { file, upstream, gateway, state } = running
    upstream.respondAlways(whole())
    for (const text of ['', '{', '{"version":1,"generation":9,"keys":[{}]}', '{"version":2}']) {
      file.writeText(text)
      await until(() => state()?.refused !== undefined, 'the refusal')
      await gateway.logged({ event: 'keys_refused', level: 'ERROR' })
      assert.equal(await statusOf(t, running, key), 200)
      assert.equal(state()!.generation, file.generation)
      await inForce(running, file.write({ one: { keys: [key] }, two: { keys: [] } }))
      assert.equal(state()!.refused, undefined)
    }
    assert.ok(!JSON.stringify(gateway.log()).includes(key.text))
  })

  test('to none is an emergency stop', async (t) => {
    const key = testKey()
    const running = await startWith(t, (file) => file.write({ one: { keys: [key] } }))
    const { file, upstream, gateway } = running
    upstream.respond(streaming)
    upstream.respondAlways(whole())
    const client = await openStream(t, running, key)
    file.remove()
    await gateway.logged({ event: 'keys_missing', level: 'ERROR' })
    await client.seen('key_revoked')
    await inForce(running, 0)
    assert.equal(await statusOf(t, running, key), 401)
    assert.equal((await exchange(t, gateway.url, rawRequest('GET /healthz'))).status, 200)
    await inForce(running, file.write({ one: { keys: [key] } }))
    assert.equal(await statusOf(t, running, key), 200)
  })

  test('is seen behind a link at once', async (t) => {
    const key = testKey()
    const link = join(scratchDirectory(t), 'link.json')
    const running = await startWith(
      t,
      (file) => {
        file.write({})
        symlinkSync(file.path, link)
      },
      { keys: { file: link } },
    )
    running.upstream.respondAlways(whole())
    await inForce(running, 1)
    await inForce(running, running.file.write({ one: { keys: [key] } }))
    assert.equal(await statusOf(t, running, key), 200)
  })

  test('is not acknowledged before a thread that stands still has it, and the others have it at once', async (t) => {
    const [one, two] = [testKey(), testKey()]
    const setup = { server: { workers: 2 } }
    const running = await startWith(t, (file) => file.write({ one: { keys: [one] } }), setup, {
      workerEntry: obedientEntry,
    })
    const { file, upstream, state } = running
    upstream.respondAlways(streaming)
    const streams = await Promise.all(Array.from({ length: 20 }, () => openStream(t, running, one)))
    const release = await commander(t).block(2)
    file.write({ two: { keys: [two] } })
    // Those of the other thread end. A later version reaches that thread, too.
    await Promise.any(streams.map((client) => client.seen('key_revoked')))
    const last = file.write({})
    assert.equal(state()!.generation, 1)
    release()
    await inForce(running, last)
    await Promise.all(streams.map((client) => client.seen('key_revoked')))
    for (let count = 0; count < 4; count++) {
      assert.deepEqual([await statusOf(t, running, one), await statusOf(t, running, two)], [401, 401])
    }
  })

  test('holds in a thread that takes the place of one that died meanwhile', async (t) => {
    const [one, two] = [testKey(), testKey()]
    const setup = { server: { workers: 2 } }
    const running = await startWith(t, (file) => file.write({ one: { keys: [one] } }), setup, {
      workerEntry: obedientEntry,
    })
    const { file, upstream, gateway } = running
    upstream.respondAlways(whole())
    commander(t).vanish(2)
    await inForce(running, file.write({ two: { keys: [two] } }))
    await gateway.logged({ event: 'worker_restarted' })
    for (let count = 0; count < 4; count++) {
      assert.deepEqual([await statusOf(t, running, one), await statusOf(t, running, two)], [401, 200])
    }
  })
})

test('another mode needs a restart', async (t) => {
  const running = await startWith(t, (file) => file.write({}))
  const { gateway, upstream } = running
  const keys = { ...running.file.setup, mode: 'off' } as const
  const restart = await gateway.reload({ keys, providers: { scripted: at(upstream) } })
  // The audit log is on where keys are.
  assert.deepEqual(restart, ['keys', 'audit'])
  assert.equal(await statusOf(t, running, testKey()), 401)
})

suite('at the start', () => {
  test('without a file nobody but users without need of a key is served', async (t) => {
    const running = await startWith(t, () => {})
    await running.gateway.logged({ event: 'keys_missing' })
    assert.equal(await statusOf(t, running, testKey()), 401)
  })

  test('with a faulty file the same', async (t) => {
    const running = await startWith(t, (file) => file.writeText('{'))
    await running.gateway.logged({ event: 'keys_refused' })
    await until(() => running.state()?.refused !== undefined, 'the refusal in keys.state')
    assert.equal(await statusOf(t, running, testKey()), 401)
  })

  test('of mode optional, a request without a key is served', async (t) => {
    const running = await startWith(t, () => {}, { keys: { mode: 'optional' } })
    running.upstream.respondAlways(whole())
    const response = await exchange(
      t,
      running.gateway.url,
      rawRequest('POST /v1/chat/completions', {}, body()),
    )
    assert.equal(response.status, 200)
    assert.equal(await statusOf(t, running, testKey()), 401)
  })
})

suite('a revoked key', () => {
  const paths: [path: string, marks: readonly string[]][] = [
    ['/v1/chat/completions', ['"code":"key_revoked"']],
    ['/v1/messages', ['event: error', 'authentication_error']],
    ['/v1/responses', ['response.failed', 'key_revoked']],
  ]
  for (const [path, marks] of paths) {
    test(`ends its streams of ${path} with an error event, and no others`, async (t) => {
      const [leaked, rotated, other] = [testKey(), testKey(), testKey()]
      const running = await startWith(t, (file) =>
        file.write({ ci: { keys: [leaked, rotated] }, other: { keys: [other] } }),
      )
      const { file, upstream, gateway } = running
      const event = firstEvents[path]!
      upstream.respondAlways([streamHead(), chunk(event), hang])
      const [ended, kept, others] = await Promise.all(
        [leaked, rotated, other].map((key) => openStream(t, running, key, path)),
      )
      await inForce(running, file.write({ ci: { keys: [rotated] }, other: { keys: [other] } }))
      const response = await ended!.response()
      for (const mark of marks) assert.ok(response.body().toString().includes(mark), mark)
      assert.ok(response.complete)
      await gateway.logged({ key_secret: leaked.secret.id, code: 'key_revoked', status: 200 })
      for (const client of [kept!, others!]) assert.ok(!client.received().includes('revoked'))
      assert.equal(upstream.openConnections, 2)
    })
  }

  test('ends a call that has no response yet with 401', async (t) => {
    const key = testKey()
    const running = await startWith(t, (file) => file.write({ ci: { keys: [key] } }))
    const { file, upstream, gateway } = running
    upstream.respondAlways([hang])
    const client = await connectRaw(t, gateway.url)
    client.send(callOf(key))
    await upstream.nextRequest()
    await inForce(running, file.write({}))
    const response = await client.response()
    assert.equal(response.status, 401)
    assert.equal(response.header('x-llm-gateway-error'), 'key_revoked')
    await upstream.allClosed()
  })

  test('ends a call whose body arrives later, before anything is sent on', async (t) => {
    const key = testKey()
    const running = await startWith(t, (file) => file.write({ ci: { keys: [key] } }))
    const { file, upstream, gateway } = running
    upstream.respondAlways(whole())
    const client = await connectRaw(t, gateway.url)
    const text = body()
    const headers = {
      ...bearer(key),
      'content-length': String(text.length),
      'content-type': 'application/json',
    }
    client.send(rawRequest('POST /v1/chat/completions', { ...headers, expect: '100-continue' }))
    assert.equal((await client.response()).status, 100)
    await inForce(running, file.write({}))
    client.send(text)
    assert.equal((await client.response()).header('x-llm-gateway-error'), 'key_revoked')
    assert.equal(upstream.requests.length, 0)
  })

  test('that is disabled only lets running calls end', async (t) => {
    const key = testKey()
    const running = await startWith(t, (file) => file.write({ ci: { keys: [key] } }))
    const { file, upstream } = running
    const { promise, resolve } = Promise.withResolvers<void>()
    upstream.respond([
      streamHead(),
      chunk(`data: ${delta('first')}\n\n`),
      { kind: 'wait', gate: promise },
      chunk(`data: ${delta('second')}\n\n`),
      chunk('data: [DONE]\n\n'),
      hang,
    ])
    const client = await openStream(t, running, key)
    await inForce(running, file.write({ ci: { keys: [key], isDisabled: true } }))
    resolve()
    await client.seen('[DONE]')
    assert.ok(client.received().includes('second') && !client.received().includes('error'))
    assert.equal(await statusOf(t, running, key), 401)
  })

  test('ends 200 streams in 4 threads, and leaves another key’s alone', async (t) => {
    const [leaked, other] = [testKey(), testKey()]
    const running = await startWith(
      t,
      (file) => file.write({ ci: { keys: [leaked] }, other: { keys: [other] } }),
      { server: { workers: 4 } },
    )
    const { file, upstream } = running
    upstream.respondAlways(streaming)
    const open = (key: TestKey) => Promise.all(Array.from({ length: 100 }, () => openStream(t, running, key)))
    const ended = await open(leaked)
    const kept = await open(other)
    await inForce(running, file.write({ other: { keys: [other] } }))
    // Acknowledged: from now on no thread serves the key.
    for (let count = 0; count < 20; count++) assert.equal(await statusOf(t, running, leaked), 401)
    await Promise.all(ended.map(async (client) => assert.ok((await client.response()).complete)))
    for (const client of ended) assert.ok(client.received().includes('key_revoked'))
    for (const client of kept) assert.ok(!client.received().includes('revoked'))
    await until(() => upstream.openConnections === 100, 'the streams of the other key alone')
  })
})
