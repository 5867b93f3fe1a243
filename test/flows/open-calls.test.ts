// What is reported of calls under way: which phase each is in, how far, how fast; in all threads.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import type { App } from '../../src/app/app.ts'
import type { OpenCall } from '../../src/status/open-call.ts'
import { startGateway } from '../support/app.ts'
import { chat, sendChat } from '../support/calls.ts'
import { bearer, KeyFileOnDisk, testKey } from '../support/client-keys.ts'
import { delta, messages, whole } from '../support/chat-content.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'
import { silentUrl } from '../support/scripted-upstream.ts'
import { chunk, hang, head, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'
import { startLimited } from './limited.ts'

/** The only call, once it looks like this. */
async function onlyCall(app: App, isWanted: (call: OpenCall) => boolean): Promise<OpenCall> {
  let last: readonly OpenCall[] = []
  await until(
    async () => {
      last = await app.openCallReports()
      return last.length === 1 && isWanted(last[0]!)
    },
    `a call as wanted, not ${JSON.stringify(last)}`,
  )
  return last[0]!
}

const inPhase = (phase: OpenCall['phase']) => (call: OpenCall) => call.phase === phase

const event = (text: string) => chunk(`data: ${delta(text)}\n\n`)

suite('a call under way is reported', () => {
  test('while nothing of an answer has come', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways([hang])
    const client = await connectRaw(t, gateway.url)
    const body = JSON.stringify({ model: 'short', messages, stream: true })
    client.send(rawRequest('POST /v1/chat/completions', { 'x-request-id': 'mine-1' }, body))
    await upstream.nextRequest()
    const { age_ms, started_at, client: of, ...call } = await onlyCall(gateway.app, inPhase('waiting'))
    assert.deepEqual(call, {
      id: 'mine-1',
      model: 'renamed',
      key: null,
      program: null,
      dialect: 'chat',
      provider: 'scripted',
      target_model: 'vendor/deep-model:7b',
      phase: 'waiting',
      attempt: 1,
      wait_ms: 0,
      start_ms: 0,
      turn: null,
      stream: true,
      prompt_tokens: call.prompt_tokens,
      tokens: 0,
      tokens_per_second: null,
      first_token_ms: null,
    })
    assert.ok(call.prompt_tokens! > 0)
    assert.match(of, /^user:/)
    assert.ok(age_ms >= 0 && Math.abs(Date.parse(started_at) + age_ms - Date.now()) < 60_000)
    client.leave()
    await until(async () => (await gateway.app.openCallReports()).length === 0, 'the call to end')
  })

  test('while its connection is made', async (t) => {
    const provider = { base_url: `${await silentUrl(t)}/v1`, speaks: ['chat' as const] }
    const { gateway } = await startGateway(t, { providers: { silent: provider } })
    await sendChat(t, gateway, { model: 'plain' })
    const { attempt, provider: name } = await onlyCall(gateway.app, inPhase('connecting'))
    assert.deepEqual([attempt, name], [1, 'silent'])
  })

  test('in line, with its time there', async (t) => {
    const limits = {
      when_limited: 'wait' as const,
      max_wait_ms: 600_000,
      limits: { small: { max_parallel_requests: 1 } },
    }
    const { gateway, upstream, clock } = await startLimited(t, limits)
    upstream.respondAlways([hang])
    const first = await sendChat(t, gateway)
    await upstream.nextRequest()
    clock.advance(1)
    await sendChat(t, gateway)
    await until(async () => (await gateway.app.openCallReports()).length === 2, 'two calls')
    clock.advance(1_500)
    const [served, waiting] = await gateway.app.openCallReports()
    assert.deepEqual([served!.phase, served!.wait_ms, served!.attempt], ['waiting', 0, 1])
    assert.deepEqual([waiting!.phase, waiting!.wait_ms, waiting!.attempt], ['in_line', 1_500, 0])
    assert.deepEqual([waiting!.provider, waiting!.prompt_tokens], [null, null])
    first.leave()
    await upstream.nextRequest()
    const { wait_ms } = await onlyCall(gateway.app, inPhase('waiting'))
    assert.equal(wait_ms, 1_500)
  })

  test('while it streams, with its tokens and their speed', async (t) => {
    const clock = new FakeClock()
    const { gateway, upstream } = await startGateway(t, {}, { clock })
    const gates = [0, 1].map(() => Promise.withResolvers<void>())
    upstream.respond([
      wait(gates[0]!.promise),
      streamHead(),
      event('a'),
      event('b'),
      wait(gates[1]!.promise),
      ...['c', 'd', 'e', 'f'].map(event),
      hang,
    ])
    const client = await sendChat(t, gateway, { model: 'plain', stream: true })
    await upstream.nextRequest()
    clock.advance(700)
    gates[0]!.resolve()
    await client.seen('"b"')
    clock.advance(500)
    const [begun] = await gateway.app.openCallReports()
    assert.deepEqual(
      [begun!.phase, begun!.tokens, begun!.first_token_ms, begun!.tokens_per_second],
      ['streaming', 2, 700, 2],
    )
    gates[1]!.resolve()
    await client.seen('"f"')
    // Since the first look: four tokens in two seconds.
    clock.advance(2_000)
    const [later] = await gateway.app.openCallReports()
    assert.deepEqual([later!.tokens, later!.first_token_ms], [6, 700])
    assert.equal(later!.tokens_per_second, 2)
    clock.advance(4_000)
    const [stalled] = await gateway.app.openCallReports()
    assert.equal(stalled!.tokens_per_second, 0)
  })

  test('while a response that is no stream arrives', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond([head(200, { 'content-type': 'application/json', 'content-length': '100' }), chunk('{')])
    await sendChat(t, gateway, { model: 'plain' })
    const { stream, tokens_per_second } = await onlyCall(gateway.app, inPhase('whole'))
    assert.deepEqual([stream, tokens_per_second], [false, null])
  })

  test('in the pause before its next attempt', async (t) => {
    const clock = new FakeClock()
    const { gateway, upstream } = await startGateway(
      t,
      { routing: { retries: 3, cooldown_ms: 0, max_retry_wait_ms: 5_000 } },
      { clock },
    )
    upstream.respond(json(503, { error: { message: 'busy' } }, { 'retry-after': '2' }))
    upstream.respondAlways([hang])
    await sendChat(t, gateway, { model: 'plain' })
    await upstream.nextRequest()
    const { attempt } = await onlyCall(gateway.app, inPhase('connecting'))
    assert.equal(attempt, 1)
    clock.advance(6_000)
    await upstream.nextRequest()
    assert.equal((await onlyCall(gateway.app, inPhase('waiting'))).attempt, 2)
  })

  test('with its key, and without what it holds', async (t) => {
    const key = testKey()
    const file = new KeyFileOnDisk(t)
    file.write({ ci: { keys: [key] } })
    const { gateway, upstream } = await startGateway(t, { keys: file.setup })
    upstream.respondAlways([hang])
    const client = await connectRaw(t, gateway.url)
    const body = JSON.stringify({ model: 'plain', messages: [{ role: 'user', content: 'marzipan' }] })
    client.send(rawRequest('POST /v1/chat/completions', bearer(key), body))
    await upstream.nextRequest()
    const call = await onlyCall(gateway.app, inPhase('waiting'))
    assert.deepEqual([call.client, call.key], ['key:ci', 'ci'])
    assert.doesNotMatch(JSON.stringify(call), /marzipan|secret|gw_/)
  })

  test('of several threads, the oldest first', async (t) => {
    const { gateway, upstream } = await startGateway(t, { server: { workers: 3 } })
    upstream.respondAlways([hang])
    for (let count = 1; count <= 9; count += 1) {
      await sendChat(t, gateway, { model: 'plain' })
      await upstream.nextRequest()
    }
    const calls = await gateway.app.openCallReports()
    assert.equal(new Set(calls.map(({ id }) => id)).size, 9)
    const ages = calls.map(({ age_ms }) => age_ms)
    assert.deepEqual(
      ages,
      ages.toSorted((one, other) => other - one),
    )
  })
})

test('the log line of a stream has the time to its first token', async (t) => {
  const clock = new FakeClock()
  const { gateway, upstream } = await startGateway(t, {}, { clock })
  const gate = Promise.withResolvers<void>()
  const done = chunk('data: [DONE]\n\n')
  upstream.respond([wait(gate.promise), streamHead(), event('a'), event('b'), done, lastChunk])
  const client = await sendChat(t, gateway, { model: 'plain', stream: true })
  await upstream.nextRequest()
  clock.advance(1_200)
  gate.resolve()
  await client.response()
  const { first_byte_ms, first_token_ms } = await gateway.logged({ event: 'call' })
  assert.deepEqual([first_byte_ms, first_token_ms], [1_200, 1_200])
  upstream.respond(whole())
  await chat(gateway, 'plain')
  await gateway.logged({ stream: false })
  assert.equal(gateway.log().filter(({ first_token_ms: ms }) => ms !== undefined).length, 1)
})
