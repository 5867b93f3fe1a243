// What one client, or many bodies, may take of the gateway, and what becomes of everybody else.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway, type TestGateway } from '../support/app.ts'
import { report } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'
import type { Setup } from '../support/gateway-config.ts'
import { unless } from '../support/needs.ts'
import { connectRaw, exchange, type RawClient, rawRequest } from '../support/raw-client.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { json, wait } from '../support/upstream-script.ts'

const isLinux = { skip: unless(process.platform === 'linux', 'needs Linux') }

/** Sends a call through a front proxy, for the client at this address. */
async function sendFor(t: Cleanup, gateway: TestGateway, address: string): Promise<RawClient> {
  const client = await connectRaw(t, gateway.url)
  const body = JSON.stringify({ model: 'plain', messages: [{ role: 'user', content: address }] })
  client.send(rawRequest('POST /v1/chat/completions', { 'x-forwarded-for': address }, body))
  return client
}

suite('A full waiting line', isLinux, () => {
  test('takes the call of another client in place of one of the client with the most calls', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      server: { trusted_proxies: [{ user: 'self' }] },
      rate_limit_settings: {
        when_limited: 'wait',
        max_wait_ms: 600_000,
        limits: { plain: { max_parallel_requests: 1 } },
      },
    })
    const gate = Promise.withResolvers<void>()
    upstream.respondAlways([wait(gate.promise), ...whole()])
    const waiting = async (count: number) => (await report(gateway, 'plain')).waiting === count

    const greedy = []
    for (let count = 0; count < 101; count += 1) {
      greedy.push(await sendFor(t, gateway, '203.0.113.1'))
      await until(() => waiting(count), `${count} calls to wait`)
    }
    const other = await sendFor(t, gateway, '203.0.113.2')
    const refused = await greedy.at(-1)!.response()
    gate.resolve()

    assert.equal(refused.status, 429)
    assert.notEqual(refused.header('retry-after'), undefined)
    assert.equal((await other.response()).status, 200)
    const texts = upstream.requests.slice(0, 3).map(({ body }) => body.toString())
    assert.ok(
      texts.some((text) => text.includes('203.0.113.2')),
      'the other client has its turn behind one call of the first',
    )
    assert.equal((await greedy[99]!.response()).status, 200)
  })
})

const settings = { server: { max_request_body_bytes: 1_000_000, body_memory_bytes: 2_000_000 } }

/** A chat body of so many bytes. */
function bodyOf(length: number): string {
  const [start, end] = ['{"model":"plain","messages":[{"role":"user","content":"', '"}]}']
  return start + 'x'.repeat(length - start.length - end.length) + end
}

const path = 'POST /v1/chat/completions'
const large = rawRequest(path, {}, bodyOf(900_000))

/** The same body in chunks. */
function chunked(body: string): Buffer {
  const head = rawRequest(path, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })
  const chunks = body.match(/.{1,50000}/gs)!.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`)
  return Buffer.concat([head, Buffer.from(`${chunks.join('')}0\r\n\r\n`)])
}

suite('The bodies of all calls', () => {
  /** A gateway whose memory for one client's bodies a call at a silent provider takes. */
  async function startFull(t: Cleanup, more: Setup<'scripted'> = {}) {
    const clock = new FakeClock()
    const server = { ...settings.server, ...more.server }
    const running = await startGateway(t, { ...more, server }, { clock })
    const { gateway, upstream } = running
    const gate = Promise.withResolvers<void>()
    upstream.respond([wait(gate.promise), ...whole()])
    upstream.respondAlways(whole())
    const holder = await connectRaw(t, gateway.url)
    holder.send(large)
    await upstream.nextRequest()
    return { ...running, clock, holder, answer: () => gate.resolve() }
  }

  const untilTimer = (clock: FakeClock, timers: number) =>
    until(() => clock.pendingTimers > timers, 'a body to wait')

  for (const [name, request] of [
    ['with its length', large],
    ['in chunks', chunked(bodyOf(900_000))],
  ] as const) {
    test(`share one budget: a body beyond it, sent ${name}, waits until there is room`, async (t) => {
      const { gateway, upstream, clock, holder, answer } = await startFull(t)
      const timers = clock.pendingTimers
      const client = await connectRaw(t, gateway.url)
      client.send(request)
      await untilTimer(clock, timers)
      assert.equal(upstream.requests.length, 1)

      answer()
      assert.equal((await holder.response()).status, 200)
      assert.equal((await client.response()).status, 200)
      assert.equal(upstream.requests[1]!.body.toString(), bodyOf(900_000))
    })

    test(`share one budget: a body beyond it, sent ${name}, gets 503 after a while`, async (t) => {
      const { gateway, upstream, clock, holder, answer } = await startFull(t)
      const timers = clock.pendingTimers
      const client = await connectRaw(t, gateway.url)
      client.send(request)
      await untilTimer(clock, timers)

      clock.advance(10_000)
      const refused = await client.response()
      assert.equal(refused.status, 503)
      assert.equal(refused.header('x-llm-gateway-error'), 'overloaded')
      assert.equal(refused.header('retry-after'), '5')
      await gateway.logged({ event: 'overloaded', status: 503 })

      answer()
      assert.equal((await holder.response()).status, 200)
      assert.equal((await exchange(t, gateway.url, large)).status, 200, 'the refused body has freed its part')
      assert.equal(upstream.requests.length, 2)
    })
  }

  test('share one budget: small ones count, and wait as well', async (t) => {
    const { gateway, upstream, clock, answer } = await startFull(t)
    const timers = clock.pendingTimers
    const gate = Promise.withResolvers<void>()
    upstream.respondAlways([wait(gate.promise), ...whole()])
    const small = rawRequest(path, {}, bodyOf(60_000))
    for (let count = 0; count < 10; count += 1) {
      const each = await connectRaw(t, gateway.url)
      each.send(small)
      await upstream.nextRequest()
    }
    const client = await connectRaw(t, gateway.url)
    client.send(small)
    await untilTimer(clock, timers)
    assert.equal(upstream.requests.length, 11)
    gate.resolve()
    answer()
    assert.equal((await client.response()).status, 200)
  })

  test('share one budget: those of a waiting line count', async (t) => {
    const { gateway, upstream, clock, answer } = await startFull(t, {
      server: { ...settings.server, body_memory_bytes: 3_000_000 },
      rate_limit_settings: {
        when_limited: 'wait',
        max_wait_ms: 600_000,
        limits: { plain: { max_parallel_requests: 1 } },
      },
    })
    const waiting = await connectRaw(t, gateway.url)
    waiting.send(large)
    await until(async () => (await report(gateway, 'plain')).waiting === 1, 'a call in line')
    const timers = clock.pendingTimers
    const beyond = await connectRaw(t, gateway.url)
    beyond.send(large)
    await untilTimer(clock, timers)
    assert.equal((await report(gateway, 'plain')).waiting, 1)
    answer()
    for (const client of [waiting, beyond]) assert.equal((await client.response()).status, 200)
    assert.equal(upstream.requests.length, 3)
  })

  test('that have arrived in part do not wait for each other for ever', async (t) => {
    const clock = new FakeClock()
    const { gateway, upstream } = await startGateway(t, settings, { clock })
    upstream.respondAlways(whole())
    const request = chunked(bodyOf(900_000))
    const clients = await Promise.all(Array.from({ length: 3 }, () => connectRaw(t, gateway.url)))
    for (const client of clients) client.send(request.subarray(0, 450_000))
    for (const client of clients) client.send(request.subarray(450_000))
    const statuses: number[] = []
    for (const client of clients) void client.response().then(({ status }) => statuses.push(status))
    await until(() => {
      clock.advance(1_000)
      return statuses.length === clients.length
    }, 'a response to each')
    assert.deepEqual(
      statuses.filter((status) => status !== 200 && status !== 503),
      [],
    )
    assert.ok(statuses.includes(200), `one goes on once another is refused: ${statuses.join()}`)
    assert.equal((await exchange(t, gateway.url, large)).status, 200)
  })

  test('of clients that leave before their end are forgotten', async (t) => {
    const { gateway, upstream } = await startGateway(t, settings)
    upstream.respondAlways(whole())
    for (const request of [large, chunked(bodyOf(900_000))]) {
      for (let count = 0; count < 6; count += 1) {
        const client = await connectRaw(t, gateway.url)
        client.send(request.subarray(0, 700_000))
        client.leave(count % 2 === 0 ? 'reset' : 'close')
      }
      assert.equal((await exchange(t, gateway.url, large)).status, 200)
    }
  })

  test('of one client leave room for those of others', isLinux, async (t) => {
    const clock = new FakeClock()
    const { gateway, upstream } = await startGateway(
      t,
      { server: { ...settings.server, trusted_proxies: [{ user: 'self' }] } },
      { clock },
    )
    const timers = clock.pendingTimers
    const gate = Promise.withResolvers<void>()
    upstream.respondAlways([wait(gate.promise), ...whole()])
    const send = async (address: string, length: number) => {
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest(path, { 'x-forwarded-for': address }, bodyOf(length)))
      return client
    }
    const greedy = [await send('203.0.113.1', 900_000), await send('203.0.113.1', 900_000)]
    await untilTimer(clock, timers)
    const other = await send('203.0.113.2', 900_000)
    await upstream.nextRequest()
    await upstream.nextRequest()
    gate.resolve()
    for (const client of [...greedy, other]) assert.equal((await client.response()).status, 200)
  })
})

suite('An unknown name of 95 letters', () => {
  test('beside 2,000 listed names of 96 gets its 404 without being compared with all of them', async (t) => {
    const names = Array.from(
      { length: 2_000 },
      (_, index) => `b${'ab'.repeat(45)}${String(index).padStart(4, '0')}b`,
    )
    const providers = { scripted: { discover_models: true } }
    const { gateway, upstream } = await startGateway(t, {
      providers,
      models: { plain: { provider: 'scripted' } },
    })
    upstream.respondAlways(json(200, { object: 'list', data: names.map((id) => ({ id })) }))
    await gateway.logged({ event: 'models_discovered' })
    const compared = t.mock.method(String.prototype, 'toLowerCase')
    const body = JSON.stringify({ model: `a${'ab'.repeat(45)}wxya`, messages: [] })
    const { status } = await exchange(t, gateway.url, rawRequest(path, {}, body))
    assert.equal(status, 404)
    assert.ok(compared.mock.callCount() <= 200, `${compared.mock.callCount()} names`)
  })
})
