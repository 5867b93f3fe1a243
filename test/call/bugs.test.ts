// A bug anywhere on the way back of a response: its call ends with it, is charged no further and logged once, and whatever
// the client has seen by then, it does not take half a response for a whole one. The bugs are put into dialects.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { UpstreamResponse } from '../../src/call/response/upstream-response.ts'
import { createTicker } from '../../src/call/ticker.ts'
import type { ClientDialect, ProviderDialect } from '../../src/dialects/dialect.ts'
import { type Dialects, dialects as productDialects } from '../../src/dialects/table.ts'
import type { ResponseTranslation, Translator } from '../../src/dialects/translator.ts'
import type { Clock } from '../../src/platform/clock.ts'
import { roundTrips, SkippingClock, withoutConditions } from '../faults/fault.ts'
import { type Options, startGateway, type TestGateway } from '../support/app.ts'
import { chat, used } from '../support/calls.ts'
import { delta, whole } from '../support/chat-content.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { scrape } from '../support/metrics-text.ts'
import { connectRaw, exchange, rawRequest, type RawResponse } from '../support/raw-client.ts'
import {
  chunk,
  content,
  hang,
  head,
  lastChunk,
  type Script,
  sse,
  streamHead,
  wait,
} from '../support/upstream-script.ts'
import { dialects as toyDialects } from './toy-translator.ts'

const bug = () => {
  throw new Error('a bug')
}

interface Bugs {
  readonly client?: Partial<ClientDialect>
  readonly provider?: Partial<ProviderDialect>
  readonly translation?: Partial<ResponseTranslation>
}

/** All formats, each with these members in place of its own. */
function withBugs(dialects: Dialects, { client, provider, translation }: Bugs): Dialects {
  const brokenWay = (way: Translator): Translator => ({
    ...way,
    provider: { ...way.provider, ...provider },
    begin(request, target) {
      const begun = way.begin(request, target)
      if ('response' in begun && begun.response !== undefined) Object.assign(begun.response, translation)
      return begun
    },
  })
  return new Map(Array.from(dialects, ([each, ways]) => [{ ...each, ...client }, ways.map(brokenWay)]))
}

function start(
  t: TestContext,
  bugs: Bugs,
  { options, dialects }: { options?: Options; dialects?: Dialects } = {},
) {
  const setup = {
    ...withoutConditions,
    providers: { scripted: {} },
    models: { small: { provider: 'scripted' } },
    rate_limit_settings: { limits: { small: { rpm: 10, tpm: 5000 } } },
  }
  return startGateway(t, setup, { dialects: withBugs(dialects ?? productDialects, bugs), ...options })
}

async function send(t: TestContext, gateway: TestGateway, path: string, more: object) {
  const client = await connectRaw(t, gateway.url)
  const messages = [{ role: 'user', content: 'hi' }]
  const body = JSON.stringify({ model: 'small', say: 'hi', messages, ...more })
  client.send(rawRequest(`POST ${path}`, {}, body))
  return client
}

/** The call has ended, holds nothing, and one line of the log has the bug. */
async function assertEnded(gateway: TestGateway): Promise<void> {
  assert.equal((await gateway.logged({ event: 'call' }))['code'], 'internal_error')
  const bugs = gateway.log().filter(({ event }) => event === 'internal_error')
  assert.deepEqual(
    bugs.map(({ reason }) => reason),
    ['a bug'],
  )
  assert.equal((await used(gateway)).parallel, 0)
}

suite('a bug at the end of a provider’s body', () => {
  const bodies: [string, Bugs, Script][] = [
    ['in the judgement of a whole body', { provider: { judgeWhole: bug } }, whole()],
    ['in the search for an error', { provider: { errorHeadOf: bug } }, sse([delta('hello'), '[DONE]'])],
    ['in the judgement of a stream’s first event', { provider: { isEndMark: bug } }, sse([delta('hello')])],
  ]
  for (const [where, bugs, script] of bodies) {
    test(`${where} is a 500`, async (t) => {
      const { gateway, upstream } = await start(t, bugs)
      upstream.respond(script)
      const response = await chat(gateway, 'small')
      assert.equal(response.status, 500)
      assert.equal(response.headers.get('x-llm-gateway-error'), 'internal_error')
      assert.doesNotMatch(response.body, /a bug/)
      await assertEnded(gateway)
      assert.equal(upstream.requests.length, 1)
    })
  }

  test('in a translation that has written nothing is a 500', async (t) => {
    const gate = Promise.withResolvers<void>()
    const { gateway, upstream } = await start(t, { translation: { end: bug } }, { dialects: toyDialects })
    const event = chunk(`data: ${delta('hello')}\n\n`)
    upstream.respond([streamHead(), event, wait(gate.promise), chunk('data: [DONE]\n\n'), lastChunk])
    const client = await send(t, gateway, '/v1/shout', { stream: false })
    gate.resolve()
    assert.equal((await client.response()).status, 500)
    await assertEnded(gateway)
  })

  test('in a translation ends a stream with an error event', async (t) => {
    const gate = Promise.withResolvers<void>()
    const { gateway, upstream } = await start(t, { translation: { end: bug } }, { dialects: toyDialects })
    upstream.respond([
      streamHead(),
      chunk(`data: ${delta('hello')}\n\n`),
      wait(gate.promise),
      chunk('data: [DONE]\n\n'),
      lastChunk,
    ])
    const client = await send(t, gateway, '/v1/shout', { stream: true })
    await client.seen('HELLO')
    gate.resolve()
    const body = (await client.response()).body().toString()
    assert.match(body, /^data: HELLO\n\ndata: !The gateway failed to handle this call/)
    await assertEnded(gateway)
  })

  test('in the judgement of a stream’s end ends it with an error event', async (t) => {
    const { gateway, upstream } = await start(t, { provider: { ending: bug } })
    upstream.respond(sse([delta('hello'), '[DONE]']))
    const client = await send(t, gateway, '/v1/chat/completions', { stream: true })
    const body = (await client.response()).body().toString()
    assert.match(body, /hello[^]*data: \{"error":.*internal_error/)
    await assertEnded(gateway)
  })
})

test('a bug while a client leaves ends the provider’s request and the call', async (t) => {
  const { gateway, upstream } = await start(t, { provider: { ending: bug } })
  upstream.respond([streamHead(), chunk(`data: ${delta('hello')}\n\n`), hang])
  const client = await send(t, gateway, '/v1/chat/completions', { stream: true })
  await client.seen('hello')
  client.leave()
  await assertEnded(gateway)
  assert.equal((await upstream.requests[0]!.outcome).kind, 'aborted')
})

suite('a bug in the body of another media type', () => {
  const large = JSON.stringify({ choices: [{ message: { content: 'a'.repeat(300_000) } }] })
  const usage = {
    ...[...productDialects.keys()].find(({ name }) => name === 'chat')!.native.usage,
    readPart: bug,
  }

  for (const [when, script] of [
    ['with its length', content(200, 'application/json', large)],
    [
      'without a length',
      [
        head(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }),
        chunk(large),
        lastChunk,
      ],
    ],
  ] as [string, Script][]) {
    test(`${when} cuts the connection, and writes no event into it`, async (t) => {
      const { gateway, upstream } = await start(t, { provider: { usage } })
      upstream.respond(script)
      const client = await send(t, gateway, '/v1/chat/completions', {})
      await client.ended
      assert.doesNotMatch(client.received().toString('latin1'), /data:|internal_error/)
      await assertEnded(gateway)
    })
  }
})

suite('a bug in a deadline', () => {
  test('of a stream’s relay ends its call, and no other', async (t) => {
    const clock = new SkippingClock()
    const heartbeat = { translation: { heartbeat: bug } }
    const options = { clock, ticker: createTicker(clock.fake) }
    const { gateway, upstream } = await start(t, heartbeat, { dialects: toyDialects, options })
    const gate = Promise.withResolvers<void>()
    upstream.respond([streamHead(), chunk(`data: ${delta('hello')}\n\n`), hang])
    upstream.respond([
      streamHead(),
      wait(gate.promise),
      chunk(`data: ${delta('hello')}\n\ndata: [DONE]\n\n`),
      lastChunk,
    ])
    const bad = await send(t, gateway, '/v1/shout', { stream: true })
    await bad.seen('HELLO')
    const good = await send(t, gateway, '/v1/shout', { stream: true })
    await upstream.nextRequest()
    await roundTrips(t, { gateway })
    clock.fake.advance(100)
    clock.fake.advance(15_100)
    assert.match((await bad.response()).body().toString(), /HELLO\n\ndata: !The gateway failed/)
    await good.seen(': hush')
    gate.resolve()
    assert.match((await good.response()).body().toString(), /data: \.0\n\n$/)
    await assertEnded(gateway)
    assert.equal((await upstream.requests[0]!.outcome).kind, 'aborted')
  })

  test('of the heartbeat leaves its stream without one', async (t) => {
    const clock = new SkippingClock()
    const ownEvents = () => ({ sent() {}, heartbeat: bug, error: () => Buffer.from('data: no\n\n') })
    const options = { clock, ticker: createTicker(clock.fake) }
    const { gateway, upstream } = await start(t, { client: { ownEvents } }, { options })
    const gate = Promise.withResolvers<void>()
    upstream.respond([wait(gate.promise), ...(sse([delta('hello'), '[DONE]']) as [])])
    const client = await send(t, gateway, '/v1/chat/completions', { stream: true })
    await upstream.nextRequest()
    await roundTrips(t, { gateway })
    clock.fake.advance(15_100)
    clock.fake.advance(15_100)
    gate.resolve()
    assert.match((await client.response()).body().toString(), /hello[^]*data: \[DONE\]\n\n$/)
    assert.equal(gateway.log().filter(({ event }) => event === 'internal_error').length, 1)
  })
})

suite('a bug in the attempt of a request that is no model call', () => {
  const rejecting = () => Promise.reject(new Error('a bug'))
  const assertFailed = async (gateway: TestGateway, response: RawResponse) => {
    assert.equal(response.status, 500)
    assert.equal(response.header('x-llm-gateway-error'), 'internal_error')
    const attempts = (await scrape(gateway)).sum('llm_gateway_attempts_total', { provider: 'scripted' })
    assert.equal(attempts, 1)
    const bugs = gateway.log().filter(({ event }) => event === 'internal_error')
    assert.deepEqual(
      bugs.map(({ reason }) => reason),
      ['a bug'],
    )
  }

  test('ends the attempt of one that passes', async (t) => {
    t.mock.method(UpstreamResponse.prototype, 'pass', rejecting)
    const { gateway } = await startGateway(t, { routes: { rest: { provider: 'scripted' } } })
    await assertFailed(gateway, await exchange(t, gateway.url, rawRequest('GET /v1/files/file-1')))
  })

  test('ends the attempt of one that counts tokens, and its timer', async (t) => {
    t.mock.method(UpstreamResponse.prototype, 'begin', rejecting)
    const fake = new FakeClock()
    const pending = new Set<object>()
    let started = 0
    const setTimer: Clock['setTimer'] = (fn, delayMs) => {
      const stop = fake.setTimer(fn, delayMs)
      // What a provider has for a count.
      if (delayMs !== 10_000) return stop
      const timer = {}
      pending.add(timer)
      started += 1
      return () => {
        pending.delete(timer)
        stop()
      }
    }
    const clock: Clock = { now: fake.now, wallNow: fake.wallNow, setTimer }
    const options = { clock, ticker: createTicker(fake) }
    const { gateway } = await startGateway(t, withoutConditions, options)
    const [pendingBefore, startedBefore] = [pending.size, started]
    const body = JSON.stringify({ model: 'plain', messages: [{ role: 'user', content: 'hi' }] })
    const request = rawRequest('POST /v1/messages/count_tokens', {}, body)
    await assertFailed(gateway, await exchange(t, gateway.url, request))
    assert.deepEqual([pending.size, started], [pendingBefore, startedBefore + 1])
  })
})

test('a bug in what writes errors cuts the connection and ends the call', async (t) => {
  const { gateway, upstream } = await start(t, {
    client: { renderError: bug },
    provider: { judgeWhole: bug },
  })
  upstream.respond(whole())
  const client = await send(t, gateway, '/v1/chat/completions', {})
  await client.ended
  assert.equal(client.received().length, 0)
  assert.equal((await gateway.logged({ event: 'call' }))['code'], 'internal_error')
  assert.equal(gateway.log().filter(({ event }) => event === 'internal_error').length, 2)
  assert.equal((await used(gateway)).parallel, 0)
})
