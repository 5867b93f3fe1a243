// Other models that answer in place of the one that was asked for: when, at whose cost, and under whose name.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { refusingUrl, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { hang, json, type Script } from '../support/upstream-script.ts'
import { call, type Scene, startFaulty } from './fault.ts'
import { chat, used } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'

const limits = {
  limits: { small: { rpm: 10, tpm: 5000 }, one: { rpm: 1, tpm: 5000 }, two: { rpm: 1, tpm: 5000 } },
}
const models = {
  small: { provider: 'a', fallbacks: ['one', 'two'] },
  one: { provider: 'b', model: 'b-model' },
  two: { provider: 'c', model: 'c-model' },
}
const refusal = (status: number, headers = {}) =>
  json(status, { error: { message: `own ${status}` } }, headers)

interface Three extends Scene {
  readonly a: ScriptedUpstream
  readonly b: ScriptedUpstream
  readonly c: ScriptedUpstream
}

async function startThree(t: TestContext, responses: { a: Script; b?: Script; c?: Script }): Promise<Three> {
  const [a, b, c] = await Promise.all([startUpstream(t), startUpstream(t), startUpstream(t)])
  a.respondAlways(responses.a)
  b.respondAlways(responses.b ?? whole())
  c.respondAlways(responses.c ?? whole())
  const scene = await startFaulty(t, { a: a.url, b: b.url, c: c.url }, { models, limits })
  return { ...scene, a, b, c }
}

test('a fallback answers for a model whose targets fail, and is the one that is charged tokens', async (t) => {
  const { gateway, a, b } = await startThree(t, { a: refusal(503) })

  const { status, headers } = await chat(gateway, 'small')

  assert.equal(status, 200)
  assert.equal(headers.get('x-llm-gateway-provider'), 'b')
  assert.deepEqual([a.requests.length, b.requests.length], [3, 1])
  assert.equal(JSON.parse(b.requests[0]!.body.toString()).model, 'b-model')
  assert.deepEqual(await used(gateway, 'small'), { requests: 1, tokens: 0, parallel: 0 })
  assert.deepEqual(await used(gateway, 'one'), { requests: 1, tokens: 12, parallel: 0 })
  assert.deepEqual(await used(gateway, 'two'), { requests: 0, tokens: 0, parallel: 0 })
  const line = await gateway.logged({ event: 'call' })
  const { model, fallback_model, provider, target_model, attempts } = line
  assert.deepEqual(
    { model, fallback_model, provider, target_model, attempts },
    { model: 'small', fallback_model: 'one', provider: 'b', target_model: 'b-model', attempts: 4 },
  )
})

test('a fallback that fails is followed by its own fallbacks', async (t) => {
  const [a, b, c] = await Promise.all([startUpstream(t), startUpstream(t), startUpstream(t)])
  a.respondAlways(refusal(500))
  b.respondAlways(refusal(500))
  c.respondAlways(whole())
  const chain = {
    small: { provider: 'a', fallbacks: ['one'] },
    one: { provider: 'b', fallbacks: ['two'] },
    two: { provider: 'c' },
  }
  const { gateway } = await startFaulty(t, { a: a.url, b: b.url, c: c.url }, { models: chain, limits })

  const { status } = await chat(gateway, 'small')

  assert.equal(status, 200)
  assert.deepEqual(
    [a, b, c].map(({ requests }) => requests.length),
    [1, 1, 1],
  )
  assert.equal((await gateway.logged({ event: 'call' }))['fallback_model'], 'two')
})

test('the rate headers are those of the model that was asked for', async (t) => {
  const { gateway } = await startThree(t, { a: refusal(503) })
  const { headers } = await chat(gateway, 'small')
  assert.equal(headers.get('x-ratelimit-limit-requests'), '10')
})

test('a fallback that is at its own limit is passed over', async (t) => {
  const { gateway, b, c } = await startThree(t, { a: refusal(503) })
  await chat(gateway, 'one')

  const { status, headers } = await chat(gateway, 'small')

  assert.equal(status, 200)
  assert.equal(headers.get('x-llm-gateway-provider'), 'c')
  assert.deepEqual([b.requests.length, c.requests.length], [1, 1])
  assert.deepEqual(await used(gateway, 'two'), { requests: 1, tokens: 12, parallel: 0 })
})

test('when all fallbacks are at their limits, the client hears how its own model failed', async (t) => {
  const { gateway } = await startThree(t, { a: refusal(503) })
  await chat(gateway, 'one')
  await chat(gateway, 'two')

  const { status, headers, body } = await chat(gateway, 'small')

  assert.equal(status, 503)
  assert.equal(JSON.parse(body).error.message, 'own 503')
  assert.equal(headers.get('x-llm-gateway-provider'), 'a')
  assert.deepEqual(await used(gateway, 'small'), { requests: 1, tokens: 0, parallel: 0 })
})

test('the limit of the model that was asked for is no reason for a fallback', async (t) => {
  const { gateway } = await startThree(t, { a: whole() })
  for (let call = 0; call < 10; call++) await chat(gateway, 'small')
  assert.equal((await chat(gateway, 'small')).status, 429)
  assert.equal((await used(gateway, 'one')).requests, 0)
})

const oneSlot = { max_parallel_requests: 1 }
interface Slots {
  readonly model?: typeof oneSlot
  readonly provider?: typeof oneSlot
}
const full: readonly [string, Slots][] = [
  ['a model', { model: oneSlot }],
  ['a provider', { provider: oneSlot }],
]

/** `small`, whose one slot is taken by a call that hangs, with the fallback `one`, which has room for one call. */
async function startFull(
  t: TestContext,
  { model, provider }: Slots,
): Promise<Pick<Three, 'gateway' | 'a' | 'b'>> {
  const [a, b] = await Promise.all([startUpstream(t), startUpstream(t)])
  a.respondAlways([hang])
  b.respondAlways(whole())
  const limits = { limits: { small: { rpm: 10, tpm: 5000, ...model }, one: { rpm: 1 } } }
  const models = { small: { provider: 'a', fallbacks: ['one'] }, one: { provider: 'b' } }
  const scene = await startFaulty(
    t,
    { a: a.url, b: b.url },
    { models, limits, ...(provider && { provider }) },
  )
  const holder = await call(t, scene, 'whole')
  t.after(() => holder.leave())
  await a.nextRequest()
  return { gateway: scene.gateway, a, b }
}

for (const [what, where] of full) {
  test(`a fallback answers for ${what} whose slots are taken`, async (t) => {
    const { gateway, a, b } = await startFull(t, where)

    const { status, headers } = await chat(gateway, 'small')

    assert.equal(status, 200)
    assert.equal(headers.get('x-llm-gateway-provider'), 'b')
    assert.equal(headers.get('x-ratelimit-limit-requests'), '10')
    assert.deepEqual([a.requests.length, b.requests.length], [1, 1])
    assert.equal((await used(gateway, 'one')).requests, 1)
    assert.deepEqual((await gateway.logged({ event: 'call' }))['fallback_model'], 'one')
  })

  test(`when ${what} is full and its fallback at its limit, the client hears of the former`, async (t) => {
    const { gateway } = await startFull(t, where)
    await chat(gateway, 'one')

    const { status, headers, body } = await chat(gateway, 'small')

    assert.equal(status, 429)
    assert.match(JSON.parse(body).error.message, /for small on parallel requests/)
    assert.equal(headers.get('x-ratelimit-limit-requests'), '10')
    assert.equal((await used(gateway, 'small')).parallel, 1)
  })
}

test('a fallback that stands in for a full model keeps its own limits', async (t) => {
  const { gateway, b } = await startFull(t, { model: oneSlot })
  assert.equal((await chat(gateway, 'small')).status, 200)
  assert.equal((await chat(gateway, 'small')).status, 429)
  assert.equal(b.requests.length, 1)
})

test('a model that is full and at its limit of requests is refused for the latter', async (t) => {
  const [a, b] = await Promise.all([startUpstream(t), startUpstream(t)])
  a.respondAlways([hang])
  const limits = { limits: { small: { rpm: 1, tpm: 5000, max_parallel_requests: 1 } } }
  const models = { small: { provider: 'a', fallbacks: ['one'] }, one: { provider: 'b' } }
  const scene = await startFaulty(t, { a: a.url, b: b.url }, { models, limits })
  const holder = await call(t, scene, 'whole')
  await a.nextRequest()

  const { status, body } = await chat(scene.gateway, 'small')

  holder.leave()
  assert.equal(status, 429)
  assert.match(JSON.parse(body).error.message, /requests per min/)
  assert.equal(b.requests.length, 0)
})

for (const status of [400, 413, 422]) {
  test(`a client's mistake (${status}) is no reason for a fallback`, async (t) => {
    const { gateway, a, b } = await startThree(t, { a: refusal(status) })
    assert.equal((await chat(gateway, 'small')).status, status)
    assert.deepEqual([a.requests.length, b.requests.length], [1, 0])
  })
}

test('when every model fails, the client hears of every target, and when to come back', async (t) => {
  const slow = (seconds: string) => refusal(429, { 'retry-after': seconds })
  const { gateway } = await startThree(t, { a: slow('90'), b: refusal(500), c: slow('30') })

  const { status, headers, body } = await chat(gateway, 'small')

  assert.equal(status, 503)
  assert.equal(headers.get('retry-after'), '30')
  const { error } = JSON.parse(body)
  assert.equal(error.code, 'no_target_available')
  assert.match(
    error.message,
    /a \(small\): rate_limit, status 429; b \(b-model\): broken, status 500; c \(c-model\)/,
  )
  const line = await gateway.logged({ event: 'call' })
  assert.equal(line['provider_status'], 429)
  for (const model of ['small', 'one', 'two']) {
    assert.deepEqual(await used(gateway, model), { requests: 1, tokens: 0, parallel: 0 })
  }
})

test('a call that reached nobody is charged nothing, however many were tried', async (t) => {
  const urls = { a: await refusingUrl(t), b: await refusingUrl(t) }
  const targets = { small: { targets: [{ provider: 'a' }, { provider: 'b', tier: 2 }] } }
  const { gateway } = await startFaulty(t, urls, { models: targets })

  const { status, body } = await chat(gateway, 'small')

  assert.equal(status, 503)
  assert.match(JSON.parse(body).error.message, /a \(small\): unreachable; b \(small\): unreachable/)
  assert.deepEqual(await used(gateway), { requests: 0, tokens: 0, parallel: 0 })
})

test('a target that one attempt worked on counts, though the last one reached nobody', async (t) => {
  const a = await startUpstream(t)
  a.respondAlways(refusal(500))
  const targets = { small: { targets: [{ provider: 'a' }, { provider: 'b', tier: 2 }] } }
  const urls = { a: a.url, b: await refusingUrl(t) }
  const { gateway } = await startFaulty(t, urls, { models: targets, retries: 1 })

  assert.equal((await chat(gateway, 'small')).status, 503)

  assert.deepEqual(await used(gateway), { requests: 1, tokens: 0, parallel: 0 })
})
