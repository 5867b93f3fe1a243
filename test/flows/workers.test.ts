// A gateway of several threads acts as one: its start, its reload, its end, and what becomes of it when a thread fails.
import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'

import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { commander, obedientEntry } from '../support/obedient-workers.ts'
import { chunk, hang, lastChunk, streamHead, wait } from '../support/upstream-script.ts'
import { ask, atOnce, callModel, countOf, standing } from './own-connections.ts'
import { whole } from '../support/chat-content.ts'
import { startGateway } from '../support/app.ts'
import { at } from '../support/gateway-config.ts'

const workers = { server: { workers: 3 } }
const obedient = { workerEntry: obedientEntry }

test('every worker serves, also while the others stand still, and what came to those is answered later', async (t) => {
  const { gateway, upstream } = await startGateway(t, workers, obedient)
  upstream.respondAlways(whole())
  const command = commander(t)
  for (const others of [
    [1, 2],
    [1, 3],
    [2, 3],
  ]) {
    const releases = await Promise.all(others.map((thread) => command.block(thread)))
    const calls = Array.from({ length: 60 }, () => callModel(gateway))
    await Promise.any(calls)
    for (const release of releases) release()

    assert.equal(countOf(await Promise.all(calls), 200), 60)
  }
})

test('it shows no sign of life while one worker stands still', async (t) => {
  const { gateway } = await startGateway(t, workers, obedient)
  const isAlive = () => gateway.app.isAlive()
  assert.equal(isAlive(), true)
  const release = await commander(t).block(1)
  await until(() => !isAlive(), 'no sign of life')
  release()
  await until(isAlive, 'a sign of life')
})

test('its start and its end are told once, and no line of a call is lost', async (t) => {
  const { gateway, upstream } = await startGateway(t, workers)
  upstream.respondAlways(whole())
  await atOnce(50, () => callModel(gateway))

  await gateway.stop()

  const events = gateway.log().map(({ event }) => event)
  assert.equal(events.filter((event) => event === 'call').length, 50)
  assert.deepEqual(
    events.filter((event) => event !== 'call'),
    ['ledger_off', 'listening', 'stopping', 'stopped'],
  )
  assert.equal(events.at(-1), 'stopped')
})

test('a reload holds in every worker when it is done, and names what needs a restart', async (t) => {
  const { gateway, upstream } = await startGateway(t, workers)
  upstream.respondAlways(whole())
  assert.equal((await callModel(gateway, 'added')).status, 404)

  const needsRestart = await gateway.reload({
    server: { workers: 2, allowed_hosts: ['more.example'] },
    providers: { scripted: at(upstream) },
    models: { added: { provider: 'scripted' } },
  })

  assert.deepEqual(needsRestart, ['server.workers', 'server.allowed_hosts'])
  const answers = await atOnce(30, () => callModel(gateway, 'added'))
  assert.equal(countOf(answers, 200), 30)
})

test('it stops when the streams of all workers have ended, each with its last byte', async (t) => {
  const { gateway, upstream } = await startGateway(t, workers)
  const gate = Promise.withResolvers<void>()
  const event = 'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
  upstream.respondAlways([
    streamHead(),
    wait(gate.promise),
    chunk(event),
    chunk('data: [DONE]\n\n'),
    lastChunk,
  ])
  const calls = atOnce(20, () => callModel(gateway, 'plain', { stream: true }))
  await atOnce(20, () => upstream.nextRequest())

  const stopped = gateway.stop()
  await gateway.logged({ event: 'stopping', open_calls: 20 })
  gate.resolve()

  for (const { status, body } of await calls) {
    assert.equal(status, 200)
    assert.match(body, /data: \[DONE\]\n\n$/)
  }
  await stopped
  await assert.rejects(ask(gateway, '/healthz'), { code: 'ECONNREFUSED' })
})

test('at the end of the grace time calls of all workers end with an error', async (t) => {
  const { gateway, upstream } = await startGateway(t, { server: { workers: 3, shutdown_grace_ms: 1 } })
  upstream.respondAlways([hang])
  const calls = atOnce(10, () => callModel(gateway))
  await atOnce(10, () => upstream.nextRequest())

  await gateway.stop()

  assert.equal(countOf(await calls, 503), 10)
})

test('a worker that fails is told of and replaced, and its calls give back their places', async (t) => {
  const { gateway, upstream } = await startGateway(
    t,
    { ...workers, rate_limit_settings: { limits: { plain: { max_parallel_requests: 60 } } } },
    obedient,
  )
  upstream.respondAlways([hang])
  const calls = atOnce(30, () => callModel(gateway).catch(() => undefined))
  await atOnce(30, () => upstream.nextRequest())
  assert.equal((await standing(gateway)).used.parallel, 30)

  commander(t).fail(2)
  const line = await gateway.logged({ event: 'worker_ended', worker: 2 })
  assert.equal(line['reason'], 'a test made this worker fail')
  await gateway.logged({ event: 'worker_restarted', worker: 2 })

  const { parallel } = (await standing(gateway)).used
  assert.ok(parallel > 0 && parallel < 30, `${parallel} are under way`)
  upstream.respondAlways(whole())
  assert.equal(countOf(await atOnce(20, () => callModel(gateway)), 200), 20)
  void calls
})

test('counters are kept over a restart, whichever workers counted', async (t) => {
  const stateDirectory = scratchDirectory(t)
  const settings = { ...workers, rate_limit_settings: { per_client: {}, limits: { plain: { rpm: 50 } } } }
  const first = await startGateway(t, settings, { stateDirectory })
  first.upstream.respondAlways(whole())
  await atOnce(20, () => callModel(first.gateway))
  await first.gateway.stop()

  const second = await startGateway(t, settings, { stateDirectory })

  assert.deepEqual((await standing(second.gateway)).used, { requests: 20, tokens: 240, parallel: 0 })
})

test('a port that another gateway of the same user serves is refused', async (t) => {
  const { gateway } = await startGateway(t, workers)
  const { host, port } = new URL(gateway.url)

  await assert.rejects(startGateway(t, workers, { env: { LLM_GATEWAY_PORT: port } }), {
    name: 'StartError',
    message: new RegExp(`^${host} is in use`),
  })
})

test('the Unix socket is served by one of them', async (t) => {
  const socketPath = join(scratchDirectory(t), 'own', 'gateway.sock')
  const { gateway } = await startGateway(t, { server: { workers: 3, unix_socket: socketPath } })
  assert.deepEqual(gateway.app.addresses.slice(1), [`unix:${socketPath}`])

  const status = await new Promise((resolve, reject) => {
    httpRequest({ socketPath, path: '/healthz', headers: { host: 'localhost' } }, (response) =>
      resolve(response.resume().statusCode),
    )
      .on('error', reject)
      .end()
  })

  assert.equal(status, 200)
})

test('a worker that can’t start is the end of the start', async (t) => {
  const server = { workers: 3, unix_socket: '/proc/none.sock' }
  await assert.rejects(startGateway(t, { server }), { name: 'StartError', message: /^server\.unix_socket: / })
})
