// Limits of a gateway whose calls are served by several threads: exact for all of them together.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { until } from '../support/deadline.ts'
import { wait } from '../support/upstream-script.ts'
import { atOnce, callModel, countOf, standing } from './own-connections.ts'
import { whole } from '../support/chat-content.ts'
import { startGateway } from '../support/app.ts'
import { providerKey } from '../support/gateway-config.ts'

test('of 200 calls at once exactly as many are admitted as the limit says', async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    server: { workers: 3 },
    rate_limit_settings: { per_client: {}, limits: { plain: { rpm: 50 } } },
  })
  upstream.respondAlways(whole())

  const answers = await atOnce(200, () => callModel(gateway))

  assert.deepEqual([countOf(answers, 200), countOf(answers, 429)], [50, 150])
  assert.equal(upstream.requests.length, 50)
  assert.ok(upstream.requests.every((request) => request.header('authorization') === `Bearer ${providerKey}`))
})

test('every worker tells of the calls of all', async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    server: { workers: 3 },
    rate_limit_settings: { per_client: {}, limits: { plain: { rpm: 500 } } },
  })
  upstream.respondAlways(whole())
  await atOnce(40, () => callModel(gateway))

  const reports = await atOnce(20, () => standing(gateway))

  for (const { used } of reports) assert.deepEqual(used, { requests: 40, tokens: 480, parallel: 0 })
})

test('no more calls are under way at once than the limit says, and a call that ends frees its place', async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    server: { workers: 3 },
    rate_limit_settings: { per_client: {}, limits: { plain: { max_parallel_requests: 3 } } },
  })
  const gate = Promise.withResolvers<void>()
  upstream.respondAlways([wait(gate.promise), ...whole()])
  let refused = 0
  const calls = atOnce(30, async () => {
    const answer = await callModel(gateway)
    if (answer.status === 429) refused += 1
    return answer
  })
  // A call that comes after the first ones have ended is no call at once.
  await until(() => upstream.requests.length + refused === 30, '30 calls to be admitted or refused')

  assert.equal((await standing(gateway)).used.parallel, 3)
  gate.resolve()

  const answers = await calls
  assert.deepEqual([countOf(answers, 200), countOf(answers, 429)], [3, 27])
  assert.equal((await standing(gateway)).used.parallel, 0)
})

test('calls that wait are all served, whichever worker frees their places, and never two at once', async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    server: { workers: 3 },
    rate_limit_settings: {
      per_client: {},
      when_limited: 'wait',
      limits: { plain: { max_parallel_requests: 1 } },
    },
  })
  let underWay = 0
  let most = 0
  upstream.respondAlways(function* () {
    most = Math.max(most, ++underWay)
    yield wait(new Promise(setImmediate))
    underWay--
    yield* whole()
  })

  const answers = await atOnce(30, () => callModel(gateway))

  assert.deepEqual([countOf(answers, 200), most], [30, 1])
  const { used, waiting } = await standing(gateway)
  assert.deepEqual([used.parallel, waiting], [0, 0])
})

test('a client gets as many requests as the flood limit says, over all workers', async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    server: { workers: 3 },
    rate_limit_settings: { per_client: { rpm: 30 } },
  })
  upstream.respondAlways(whole())

  const answers = await atOnce(100, () => callModel(gateway))

  assert.deepEqual([countOf(answers, 200), countOf(answers, 429)], [30, 70])
})
