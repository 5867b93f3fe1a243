// What becomes of a call whose targets fail, as it was reported: which response its client gets, and how long it waits.
import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import { suite, test, type TestContext } from 'node:test'

import type { RawConfig } from '../../src/config/raw.ts'
import { type Scene, startFaulty } from '../faults/fault.ts'
import { chat } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { until } from '../support/deadline.ts'
import { refusingUrl, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { hang, head, json, type Script } from '../support/upstream-script.ts'
import { freePort } from '../support/free-port.ts'

/** A server that is waited for by the time of a restart alone. */
const restarting = { models: { small: { provider: 'a' } }, retries: 0, restartWaitMs: 3000 }

interface Pair extends Scene {
  readonly a: ScriptedUpstream
  readonly b: ScriptedUpstream
}

const targets = { small: { targets: [{ provider: 'a' }, { provider: 'b', tier: 2 }] } }
const fallbacks = { small: { provider: 'a', fallbacks: ['large'] }, large: { provider: 'b' } }

async function startPair(
  t: TestContext,
  a: Script,
  b: Script,
  models: RawConfig['models'] = targets,
): Promise<Pair> {
  const upstreams = { a: await startUpstream(t), b: await startUpstream(t) }
  upstreams.a.respondAlways(a)
  upstreams.b.respondAlways(b)
  const scene = await startFaulty(t, { a: upstreams.a.url, b: upstreams.b.url }, { models })
  return { ...scene, ...upstreams }
}

function refusal(
  status: number,
  message: string,
  more: object = {},
  headers: Record<string, string> = {},
): Script {
  return json(status, { error: { message, type: 'own_type', param: null, code: null, ...more } }, headers)
}

const noImages = 'image input is not supported'

suite('what the client gets when all targets refuse', () => {
  for (const status of [500, 501]) {
    test(`${status} with the same words from all targets passes on, and none of them is left out`, async (t) => {
      const { gateway, a, b } = await startPair(t, refusal(status, noImages), refusal(status, noImages))

      const { status: received, body } = await chat(gateway, 'small')

      assert.equal(received, status)
      assert.equal(JSON.parse(body).error.message, noImages)
      assert.deepEqual([a.requests.length, b.requests.length], [1, 1])
      a.respondAlways(whole())
      const next = await chat(gateway, 'small')
      assert.equal(next.headers.get('x-llm-gateway-provider'), 'a')
    })
  }

  test('501 of one target leads to another, and is no failure of it', async (t) => {
    const { gateway, a } = await startPair(t, refusal(501, noImages), whole())
    assert.equal((await chat(gateway, 'small')).headers.get('x-llm-gateway-provider'), 'b')
    a.respondAlways(whole())
    assert.equal((await chat(gateway, 'small')).headers.get('x-llm-gateway-provider'), 'a')
  })

  test('different refusals are listed with the status and code of each, without the words', async (t) => {
    const { gateway } = await startPair(
      t,
      refusal(500, 'secret words', { code: 'oom' }),
      refusal(503, 'other words', { code: 'queue_full' }, { 'retry-after': '9' }),
    )
    const { status, body, headers } = await chat(gateway, 'small')
    assert.equal(status, 503)
    assert.equal(headers.get('retry-after'), '9')
    assert.match(
      body,
      /a \(small\): broken, status 500, code oom; b \(small\): overloaded, status 503, code queue_full/,
    )
    assert.doesNotMatch(body, /words/)
  })

  test('of targets that are all at their limits the client gets the one that is free first', async (t) => {
    const { gateway } = await startPair(
      t,
      refusal(429, 'slow', {}, { 'retry-after': '5' }),
      refusal(429, 'slower', {}, { 'retry-after': '50' }),
    )
    const { status, body, headers } = await chat(gateway, 'small')
    assert.equal(status, 429)
    assert.equal(JSON.parse(body).error.message, 'slow')
    assert.equal(headers.get('retry-after'), '5')
    assert.equal(headers.get('x-llm-gateway-provider'), 'a')
    assert.equal((await gateway.logged({ event: 'call' }))['provider'], 'a')
  })

  test('where money is wanting at all targets, the client gets the words of the quota', async (t) => {
    const { gateway } = await startPair(
      t,
      refusal(429, 'no quota', { code: 'insufficient_quota' }),
      refusal(402, 'no credits left', { code: 'insufficient_credits' }),
    )
    const { status, body } = await chat(gateway, 'small')
    assert.equal(status, 402)
    assert.equal(JSON.parse(body).error.message, 'no credits left')
  })

  test('a limit that waiting helps comes before a quota that it does not', async (t) => {
    const { gateway } = await startPair(
      t,
      refusal(429, 'slow', {}, { 'retry-after': '5' }),
      refusal(429, 'no quota', { code: 'insufficient_quota' }),
      fallbacks,
    )
    const { status, body } = await chat(gateway, 'small')
    assert.equal(status, 429)
    assert.equal(JSON.parse(body).error.message, 'slow')
  })
})

suite('how long a call waits for a provider', () => {
  test('a 429 with retry-after: 7 of the only target is passed on at once with its header', async (t) => {
    const a = await startUpstream(t)
    a.respondAlways(refusal(429, 'slow', {}, { 'retry-after': '7' }))
    const { gateway, clock } = await startFaulty(t, { a: a.url }, { models: { small: { provider: 'a' } } })

    const { status, headers } = await chat(gateway, 'small')

    assert.deepEqual([status, headers.get('retry-after')], [429, '7'])
    assert.deepEqual([a.requests.length, clock.pausesMs], [1, []])
  })

  test('a local server that restarts is asked again, while it refuses and while it loads', async (t) => {
    const up = await startUpstream(t)
    up.respond(refusal(503, 'Loading model'))
    up.respond(whole())
    const port = await freePort()
    const urls = { a: `http://127.0.0.1:${port}` }
    const { gateway, clock } = await startFaulty(t, urls, restarting)
    clock.isSkipping = false
    const response = chat(gateway, 'small')
    await until(() => clock.pausesMs.length === 1, 'the pause after a refused connection')
    await listen(t, port, up)
    clock.fake.advance(500)
    await until(() => clock.pausesMs.length === 2, 'the pause while the model loads')
    clock.fake.advance(1000)

    assert.equal((await response).status, 200)
    assert.equal(up.requests.length, 2)
  })

  test('a local server that stays away is given up after restart_wait_ms', async (t) => {
    const urls = { a: await refusingUrl(t) }
    const { gateway, clock } = await startFaulty(t, urls, restarting)

    const { status, headers } = await chat(gateway, 'small')

    assert.deepEqual([status, headers.get('x-llm-gateway-error')], [502, 'provider_unreachable'])
    const waitedMs = clock.pausesMs.reduce((sum, pauseMs) => sum + pauseMs, 0)
    assert.ok(waitedMs >= 2500 && waitedMs <= 3500, `${waitedMs}`)
  })

  test('a restart is not waited for while a fallback may answer', async (t) => {
    const b = await startUpstream(t)
    b.respondAlways(whole())
    const urls = { a: await refusingUrl(t), b: b.url }
    const { gateway, clock } = await startFaulty(t, urls, { ...restarting, models: fallbacks })
    assert.equal((await chat(gateway, 'small')).headers.get('x-llm-gateway-provider'), 'b')
    assert.deepEqual(clock.pausesMs, [])
  })
})

suite('a provider that works on the request', () => {
  test('100 Continue that was not asked for is named, and the call is not sent again', async (t) => {
    const { gateway, a, b } = await startPair(t, [head(100), ...whole()], whole())

    const { status, headers, body } = await chat(gateway, 'small')

    assert.equal(status, 502)
    assert.match(JSON.parse(body).error.message, /100 Continue/)
    assert.equal(headers.get('x-should-retry'), 'false')
    assert.deepEqual([a.requests.length, b.requests.length], [1, 0])
  })
})

suite('a fallback and a target that is known to be away', () => {
  async function startAway(t: TestContext): Promise<Pair> {
    const scene = await startPair(t, [hang], whole(), fallbacks)
    const first = chat(scene.gateway, 'small')
    await scene.a.nextRequest()
    scene.clock.fake.advance(5300)
    assert.equal((await first).headers.get('x-llm-gateway-provider'), 'b')
    return scene
  }

  test('the healthy fallback comes first, within the limits of the model that was asked for', async (t) => {
    const { gateway, a, b } = await startAway(t)

    const { status, headers } = await chat(gateway, 'small')

    assert.deepEqual([status, headers.get('x-llm-gateway-provider')], [200, 'b'])
    assert.equal(headers.get('x-ratelimit-limit-requests'), '10')
    assert.deepEqual([a.requests.length, b.requests.length], [1, 2])
    assert.equal((await gateway.logged({ event: 'call', attempts: 1 }))['fallback_model'], 'large')
  })

  test('when the fallback fails too, the model that was asked for is tried last', async (t) => {
    const { gateway, a, b } = await startAway(t)
    a.respondAlways(whole())
    b.respondAlways(refusal(500, 'broken'))

    const { status, headers } = await chat(gateway, 'small')

    assert.deepEqual([status, headers.get('x-llm-gateway-provider')], [200, 'a'])
    assert.deepEqual([a.requests.length, b.requests.length], [2, 2])
    assert.equal(
      (await gateway.logged({ event: 'call', attempts: 2, provider: 'a' }))['fallback_model'],
      undefined,
    )
  })

  test('when all are away, the order is that of the file', async (t) => {
    const { gateway, a, b } = await startAway(t)
    b.respondAlways(refusal(500, 'broken'))
    a.respondAlways(refusal(500, 'broken too'))
    await chat(gateway, 'small')
    a.respondAlways(whole())
    b.respondAlways(whole())
    assert.equal((await chat(gateway, 'small')).headers.get('x-llm-gateway-provider'), 'a')
  })
})

/** Forwards connections of a port to an upstream. */
async function listen(t: TestContext, port: number, { url }: ScriptedUpstream): Promise<void> {
  const server = createServer((socket) => {
    const up = connect(Number(new URL(url).port), '127.0.0.1')
    for (const end of [socket, up]) end.on('error', () => end.destroy())
    socket.pipe(up).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.after(() => server.close())
}
