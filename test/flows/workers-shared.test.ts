// What all workers of a gateway know together: the health of targets, the models that providers list.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { LocalCoordinator } from '../../src/call/local-coordinator.ts'
import { LocalHold } from '../../src/call/local-hold.ts'
import { startGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { at } from '../support/gateway-config.ts'
import { commander, obedientEntry } from '../support/obedient-workers.ts'
import { hang, json } from '../support/upstream-script.ts'
import { startModelServer } from './model-servers.ts'
import { ask, atOnce, callModel, countOf, standing } from './own-connections.ts'

const workers = 3

/** Whichever worker a connection goes to, some of these go to each. */
const calls = 12

test('a target that has failed one worker is spared by all', async (t) => {
  const { gateway, upstreams } = await startGateway(t, {
    server: { workers },
    providers: { failing: {}, good: {} },
    models: { plain: { targets: [{ provider: 'failing' }, { provider: 'good', tier: 2 }] } },
    routing: { cooldown_ms: 600_000 },
  })
  upstreams.failing.respondAlways(json(500, { error: { message: 'broken' } }))
  upstreams.good.respondAlways(whole())

  for (let count = 0; count < calls; count++) assert.equal((await callModel(gateway)).status, 200)

  assert.equal(upstreams.failing.requests.length, 1)
})

test('a provider is asked once for its models, and every worker offers them', async (t) => {
  const server = await startModelServer(t, 'listed')
  const { gateway } = await startGateway(t, {
    server: { workers },
    providers: { server: at(server, { discover_models: true }) },
    models: { plain: { provider: 'server' } },
  })
  await gateway.logged({ event: 'models_discovered' })

  const answers = await atOnce(calls, () => callModel(gateway, 'server/listed'))
  const unknown = await atOnce(calls, () => callModel(gateway, 'other'))
  const lists = await atOnce(calls, () => ask(gateway, '/v1/models'))

  assert.equal(countOf(answers, 200), calls)
  assert.equal(countOf(unknown, 404), calls)
  assert.ok(server.listings().length < workers)
  assert.ok(lists.every(({ body }) => body.includes('"server/listed"')))
})

test('a bug of the main thread ends the call that met it, and never the process', async (t) => {
  const bug = () => {
    throw new Error('a bug')
  }
  const { gateway, upstream } = await startGateway(t, { server: { workers } })
  upstream.respondAlways(whole())

  t.mock.method(LocalCoordinator.prototype, 'admit', bug, { times: 1 })
  const failed = await chat(gateway, 'plain')
  assert.equal(failed.status, 500)
  assert.equal(failed.headers.get('x-llm-gateway-error'), 'internal_error')
  assert.doesNotMatch(failed.body, /a bug/)
  const line = await gateway.logged({ event: 'internal_error', where: 'call' })
  assert.equal(line['reason'], 'a bug')
  assert.match(String(line['stack']), /worker-session/, 'the stack is of the thread that has it')

  // Nobody waits for an answer to this one.
  t.mock.method(LocalHold.prototype, 'settle', bug, { times: 1 })
  assert.equal((await chat(gateway, 'plain')).status, 200)
  await gateway.logged({ event: 'internal_error', where: 'the main thread', reason: 'a bug' })
  assert.equal((await chat(gateway, 'plain')).status, 200)
  assert.deepEqual(
    gateway.log().filter(({ event }) => event === 'worker_ended'),
    [],
  )
})

test('a worker that is gone in the middle of its calls leaves the line to the others', async (t) => {
  const { gateway, upstream } = await startGateway(
    t,
    {
      server: { workers },
      rate_limit_settings: {
        per_client: {},
        when_limited: 'wait',
        max_wait_ms: 600_000,
        limits: { plain: { max_parallel_requests: 6 } },
      },
    },
    { workerEntry: obedientEntry },
  )
  upstream.respondAlways([hang])
  const ends = Array.from({ length: 60 }, () => callModel(gateway).catch(() => undefined))
  await atOnce(6, () => upstream.nextRequest())
  while ((await standing(gateway)).waiting < 54) await new Promise(setImmediate)

  commander(t).vanish(2)
  await gateway.logged({ event: 'worker_restarted', worker: 2 })

  const { used, waiting } = await standing(gateway)
  assert.equal(used.parallel, 6)
  assert.ok(waiting < 54, `${waiting} wait`)
  upstream.respondAlways(whole())
  commander(t).vanish(1)
  commander(t).vanish(3)
  await Promise.all(ends)
  await gateway.logged({ event: 'worker_restarted', worker: 1 })
  await gateway.logged({ event: 'worker_restarted', worker: 3 })
  assert.equal(countOf(await atOnce(20, () => callModel(gateway)), 200), 20)
  const { used: left, waiting: none } = await standing(gateway)
  assert.deepEqual([left.parallel, none], [0, 0])
})
