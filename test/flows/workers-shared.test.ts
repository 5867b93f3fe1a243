// What all workers of a gateway know together: the health of targets, the models that providers list.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { listOf } from '../fixtures/model-lists.ts'
import { startGateway } from '../support/app.ts'
import { commander, obedientEntry } from '../support/obedient-workers.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { hang, json } from '../support/upstream-script.ts'
import { whole } from './limits-wiring.ts'
import { ask, atOnce, callModel, countOf, standing, startWorkers, workers } from './workers-wiring.ts'

const env = { SCRIPTED_KEY: 'sk-workers-shared-19' }

/** Whichever worker a connection goes to, some of these go to each. */
const calls = 12

test('a target that has failed one worker is spared by all', async (t) => {
  const [failing, good] = [await startUpstream(t), await startUpstream(t)]
  failing.answerAlways(json(500, { error: { message: 'broken' } }))
  good.answerAlways(whole())
  const gateway = await startGateway(
    t,
    `
server: { workers: ${workers} }
providers:
  failing: { base_url: "${failing.url}/v1", api_key: { env: SCRIPTED_KEY } }
  good: { base_url: "${good.url}/v1", api_key: { env: SCRIPTED_KEY } }
models: { plain: { targets: [{ provider: failing }, { provider: good, tier: 2 }] } }
routing: { cooldown_ms: 600000 }
logging: { format: json }
`,
    env,
  )
  for (let count = 0; count < calls; count++) assert.equal((await callModel(gateway)).status, 200)
  assert.equal(failing.requests.length, 1)
})

test('a provider is asked once for its models, and every worker offers them', async (t) => {
  const upstream = await startUpstream(t)
  upstream.answerAlways(({ method }) => (method === 'GET' ? json(200, listOf('listed')) : whole()))
  const gateway = await startGateway(
    t,
    `
server: { workers: ${workers} }
providers: { server: { base_url: "${upstream.url}/v1", discover_models: true, api_key: { env: SCRIPTED_KEY } } }
models: { plain: { provider: server } }
logging: { format: json }
`,
    env,
  )
  await gateway.logged({ event: 'models_discovered' })
  const answers = await atOnce(calls, () => callModel(gateway, 'server/listed'))
  assert.equal(countOf(answers, 200), calls)
  const unknown = await atOnce(calls, () => callModel(gateway, 'server/other'))
  assert.equal(countOf(unknown, 404), calls)
  assert.ok(upstream.requests.filter(({ method }) => method === 'GET').length < workers)
  const lists = await atOnce(calls, () => ask(gateway, '/v1/models'))
  assert.ok(lists.every(({ body }) => body.includes('"server/listed"')))
})

test('a worker that is gone in the middle of its calls leaves the line to the others', async (t) => {
  const { gateway, upstream } = await startWorkers(
    t,
    {
      limits:
        '{ per_client: {}, when_limited: wait, max_wait_ms: 600000, limits: { plain: { max_parallel_requests: 6 } } }',
    },
    { workerEntry: obedientEntry },
  )
  upstream.answerAlways([hang])
  const ends = Array.from({ length: 60 }, () => callModel(gateway).catch(() => undefined))
  await atOnce(6, () => upstream.nextRequest())
  while ((await standing(gateway)).waiting < 54) await new Promise(setImmediate)

  commander(t).vanish(2)
  await gateway.logged({ event: 'worker_restarted', worker: 2 })

  const { used, waiting } = await standing(gateway)
  assert.equal(used.parallel, 6)
  assert.ok(waiting < 54, `${waiting} wait`)
  upstream.answerAlways(whole())
  commander(t).vanish(1)
  commander(t).vanish(3)
  await Promise.all(ends)
  await gateway.logged({ event: 'worker_restarted', worker: 1 })
  await gateway.logged({ event: 'worker_restarted', worker: 3 })
  assert.equal(countOf(await atOnce(20, () => callModel(gateway)), 200), 20)
  const { used: left, waiting: none } = await standing(gateway)
  assert.deepEqual([left.parallel, none], [0, 0])
})
