// Streamed calls whose provider says nothing for long: clients hear heartbeats, and everything can still be tried.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { connectRaw, type RawClient, rawRequest } from '../support/raw-client.ts'
import { type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import {
  after,
  chunk,
  hang,
  json,
  reset,
  type Script,
  type Step,
  sse,
  streamHead,
  wait,
} from '../support/upstream-script.ts'
import { createTicker } from '../../src/call/ticker.ts'
import { startGateway } from '../support/app.ts'
import { sendChat, used } from '../support/calls.ts'
import { at } from '../support/gateway-config.ts'
import {
  call,
  type Form,
  roundTrips,
  type Scene,
  SkippingClock,
  startFaulty,
  withoutConditions,
} from './fault.ts'
import { delta, whole } from '../support/chat-content.ts'
import type { RawTarget } from '../../src/config/raw.ts'

const patient = { timeouts: { first_byte_ms: 600_000, idle_ms: 600_000 } }
const good = sse([delta('good'), '[DONE]'])
const goodBody = `data: ${delta('good')}\n\ndata: [DONE]\n\n`

interface Silence {
  readonly scene: Scene
  readonly client: RawClient
  readonly second: ScriptedUpstream
  /** The first provider speaks. */
  readonly speak: () => void
}

/** A call under way whose provider does `before` and is silent then, until it does `then`; a second one stands by. */
async function startSilence(
  t: TestContext,
  of: {
    readonly form?: Form
    readonly before?: Script
    readonly reply: Script
    readonly targets?: RawTarget[]
  },
): Promise<Silence> {
  const [a, second] = [await startUpstream(t), await startUpstream(t)]
  const gate = Promise.withResolvers<void>()
  a.respond(scriptOf(of.before ?? [], gate.promise, of.reply))
  a.respondAlways(json(500, {}))
  second.respondAlways(good)
  const targets = of.targets ?? [{ provider: 'a' }, { provider: 'b', tier: 2 }]
  const models = { small: { targets } }
  const scene = await startFaulty(t, { a: a.url, b: second.url }, { models, provider: patient })
  const client = await call(t, scene, of.form ?? 'streamed')
  await a.nextRequest()
  await roundTrips(t, scene)
  return { scene, client, second, speak: gate.resolve }
}

async function* scriptOf(before: Script, gate: Promise<void>, reply: Script): AsyncGenerator<never> {
  yield* before as Iterable<never>
  yield* after(gate, reply) as AsyncIterable<never>
}

/** Two heartbeats' time. */
async function passTime({ scene, client }: Silence): Promise<void> {
  scene.clock.fake.advance(14_900)
  assert.equal(client.received().length, 0, 'a short silence commits to nothing')
  scene.clock.fake.advance(200)
  await client.seen(': ping\n')
  scene.clock.fake.advance(15_000)
}

async function bodyOf(silence: Silence): Promise<string> {
  silence.speak()
  const response = await silence.client.response()
  assert.equal(response.status, 200)
  assert.equal(response.header('content-type'), 'text/event-stream; charset=utf-8')
  assert.ok(response.complete)
  const body = response.body().toString()
  assert.ok(body.startsWith(': ping\n: ping\n'), body)
  return body.replaceAll(': ping\n', '')
}

test('a provider that is silent before its head is covered by heartbeats', async (t) => {
  const silence = await startSilence(t, { reply: good })
  await passTime(silence)
  assert.equal(await bodyOf(silence), goodBody)
})

test('so is one that is silent between its head and its first event', async (t) => {
  const [, ...events] = good as Iterable<Step>
  const silence = await startSilence(t, { before: [streamHead()], reply: events })
  await passTime(silence)
  assert.equal(await bodyOf(silence), goodBody)
})

const failures: readonly [string, Script, Script][] = [
  ['fails', [], json(500, {})],
  ['resets', [], [reset]],
  ['begins with an error', [streamHead()], [chunk('data: {"error":{"message":"no"}}\n\n'), hang]],
  ['ends before its first event', [streamHead()], [reset]],
]

for (const [what, before, reply] of failures) {
  test(`after heartbeats a provider that ${what} is followed by the next one`, async (t) => {
    const silence = await startSilence(t, { before, reply })
    await passTime(silence)
    assert.equal(await bodyOf(silence), goodBody)
    assert.equal(silence.second.requests.length, 1)
  })
}

const bad = 'provider_bad_response'
const refusal = { message: 'own words', type: 'invalid_request_error', param: null, code: 'too_long' }
const late: readonly [string, Script, RegExp, string][] = [
  ['an error response', json(400, { error: refusal }), /^own words$/, 'too_long'],
  ['an error without words', json(400, {}), / 400/, bad],
]

for (const [what, reply, message, code] of late) {
  test(`after heartbeats ${what} becomes an error event`, async (t) => {
    const silence = await startSilence(t, { reply, targets: [{ provider: 'a' }] })
    await passTime(silence)
    const body = await bodyOf(silence)
    const { error } = JSON.parse(body.replace(/^data: /, ''))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    const line = await silence.scene.gateway.logged({ event: 'call' })
    assert.deepEqual([line['status'], line['code']], [200, bad])
    assert.ok(!JSON.stringify(line).includes('own words'))
    assert.deepEqual(await used(silence.scene.gateway), { requests: 1, tokens: 0, parallel: 0 })
  })
}

test('after heartbeats a whole response becomes events', async (t) => {
  const silence = await startSilence(t, { reply: whole(), targets: [{ provider: 'a' }] })
  await passTime(silence)
  const body = await bodyOf(silence)
  assert.match(body, /^data: .*"content":"Hi!".*\n\ndata: .*"finish_reason":"stop".*\n\ndata: \[DONE\]\n\n$/)
  assert.deepEqual(await used(silence.scene.gateway), { requests: 1, tokens: 12, parallel: 0 })
})

test('a whole call hears no heartbeats', async (t) => {
  const { scene, client, speak } = await startSilence(t, { form: 'whole', reply: whole() })
  scene.clock.fake.advance(60_000)
  await roundTrips(t, scene)
  assert.equal(client.received().length, 0)
  speak()
  assert.equal((await client.response()).header('content-type'), 'application/json')
})

test('nor does one for speech, which comes in pieces of sound', async (t) => {
  const a = await startUpstream(t)
  const gate = Promise.withResolvers<void>()
  a.respond([
    wait(gate.promise),
    streamHead({ 'content-type': 'audio/mpeg' }),
    chunk('sound'),
    { kind: 'end' },
  ])
  const scene = await startFaulty(
    t,
    { a: a.url },
    { models: { small: { provider: 'a' } }, provider: patient },
  )
  const client = await connectRaw(t, scene.gateway.url)
  client.send(rawRequest('POST /v1/audio/speech', {}, '{"model":"small","input":"a","stream":true}'))
  await a.nextRequest()
  scene.clock.fake.advance(60_000)
  await roundTrips(t, scene)
  assert.equal(client.received().length, 0)
  gate.resolve()
  await client.seen('sound')
  client.leave()
})

test('nothing follows the end of a stream whose body stays open, and it is not kept alive', async (t) => {
  const a = await startUpstream(t)
  a.respond([...(good as Iterable<Step>)].slice(0, -1).concat(hang))
  const clock = new SkippingClock()
  const setup = {
    ...withoutConditions,
    server: { heartbeat_after_ms: 1_000 },
    providers: { a: at(a, { speaks: ['chat'], ...patient }) },
    models: { small: { provider: 'a' } },
  } as const
  const { gateway } = await startGateway(t, setup, { clock, ticker: createTicker(clock.fake) })
  const client = await sendChat(t, gateway, { stream: true })
  await client.seen('[DONE]')
  clock.fake.advance(10_000)

  assert.equal((await client.response()).body().toString(), goodBody)
  const line = await gateway.logged({ event: 'call' })
  assert.deepEqual([line['status'], line['code']], [200, undefined])
})

test('a client that leaves between heartbeats ends the provider’s request', async (t) => {
  const silence = await startSilence(t, { reply: good })
  await passTime(silence)
  silence.client.leave()
  const line = await silence.scene.gateway.logged({ event: 'call' })
  assert.equal(line['status'], 499)
  assert.equal((await used(silence.scene.gateway)).parallel, 0)
})

test('a pause between attempts is covered too', async (t) => {
  const a = await startUpstream(t)
  for (let count = 0; count < 40; count++) a.respond(json(503, { error: { message: 'Loading model' } }))
  a.respondAlways(good)
  const scene = await startFaulty(
    t,
    { a: a.url },
    { models: { small: { provider: 'a' } }, provider: patient },
  )
  const response = await (await call(t, scene, 'streamed')).response()
  assert.match(response.body().toString(), /^(?:: ping\n){2}data: .*good/)
})
