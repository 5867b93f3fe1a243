// A gateway of several threads acts as one: its start, its reload, its end, and what becomes of it when a thread fails.
import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'

import { loadConfig } from '../../src/config/load.ts'
import { startWorkerPool } from '../../src/app/workers/worker-pool.ts'
import { scratchDirectory, writeScratch } from '../support/config-file.ts'
import { commander, obedientEntry } from '../support/obedient-workers.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { chunk, hang, lastChunk, streamHead, wait } from '../support/upstream-script.ts'
import { whole } from './limits-wiring.ts'
import {
  ask,
  atOnce,
  callModel,
  countOf,
  standing,
  startWorkers,
  workersKey,
  workersYaml,
} from './workers-wiring.ts'

const obedient = { workerEntry: obedientEntry }

test('every worker serves, also while the others stand still, and what came to those is answered later', async (t) => {
  const { gateway, upstream } = await startWorkers(t, {}, obedient)
  upstream.answerAlways(whole())
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
  const { gateway } = await startWorkers(t, {}, obedient)
  const { app } = gateway
  const isAlive = () => app.isAlive!()
  assert.equal(isAlive(), true)
  const release = await commander(t).block(1)
  while (isAlive()) await new Promise(setImmediate)
  assert.equal(isAlive(), false)
  release()
  while (!isAlive()) await new Promise(setImmediate)
})

test('its start and its end are told once, and no line of a call is lost', async (t) => {
  const { gateway, upstream } = await startWorkers(t)
  upstream.answerAlways(whole())
  await atOnce(50, () => callModel(gateway))

  await gateway.stop()

  const events = gateway.log().map(({ event }) => event)
  assert.equal(events.filter((event) => event === 'call').length, 50)
  assert.deepEqual(
    events.filter((event) => event !== 'call'),
    ['listening', 'stopping', 'stopped'],
  )
  assert.equal(events.at(-1), 'stopped')
})

test('a reload holds in every worker when it is done, and names what needs a restart', async (t) => {
  const { gateway, upstream } = await startWorkers(t)
  upstream.answerAlways(whole())
  const more = { models: ['added'], server: ', allowed_hosts: [more.example]' }
  const file = writeScratch(t, workersYaml(upstream.url, more).replace('workers: 3', 'workers: 2'))
  const loaded = loadConfig(file, { env: { SCRIPTED_KEY: workersKey, LLM_GATEWAY_PORT: '0' } })
  assert.ok(loaded.ok)
  const { hosts } = loaded.config.server
  assert.equal((await callModel(gateway, 'added')).status, 404)

  const needsRestart = await gateway.app.reload(loaded.config)

  assert.deepEqual(
    needsRestart.filter((key) => key !== 'server.hosts' || hosts.length === 0),
    ['server.workers', 'server.allowed_hosts'],
  )
  const answers = await atOnce(30, () => callModel(gateway, 'added'))
  assert.equal(countOf(answers, 200), 30)
})

test('it stops when the streams of all workers have ended, each with its last byte', async (t) => {
  const { gateway, upstream } = await startWorkers(t)
  const gate = Promise.withResolvers<void>()
  const event = 'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
  upstream.answerAlways([
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
  const { gateway, upstream } = await startWorkers(t, { server: ', shutdown_grace_ms: 1' })
  upstream.answerAlways([hang])
  const calls = atOnce(10, () => callModel(gateway))
  await atOnce(10, () => upstream.nextRequest())

  await gateway.stop()

  assert.equal(countOf(await calls, 503), 10)
})

test('a worker that fails is told of and replaced, and its calls give back their places', async (t) => {
  const { gateway, upstream } = await startWorkers(
    t,
    { limits: '{ per_client: {}, limits: { plain: { max_parallel_requests: 60 } } }' },
    obedient,
  )
  upstream.answerAlways([hang])
  const calls = atOnce(30, () => callModel(gateway).catch(() => undefined))
  await atOnce(30, () => upstream.nextRequest())
  assert.equal((await standing(gateway)).used.parallel, 30)

  commander(t).fail(2)
  const line = await gateway.logged({ event: 'worker_ended', worker: 2 })
  assert.equal(line['reason'], 'a test made this worker fail')
  await gateway.logged({ event: 'worker_restarted', worker: 2 })

  const { parallel } = (await standing(gateway)).used
  assert.ok(parallel > 0 && parallel < 30, `${parallel} are under way`)
  upstream.answerAlways(whole())
  assert.equal(countOf(await atOnce(20, () => callModel(gateway)), 200), 20)
  void calls
})

test('counters are kept over a restart, whichever workers counted', async (t) => {
  const stateDirectory = scratchDirectory(t)
  const settings = { limits: '{ per_client: {}, limits: { plain: { rpm: 50 } } }' }
  const first = await startWorkers(t, settings, { stateDirectory })
  first.upstream.answerAlways(whole())
  await atOnce(20, () => callModel(first.gateway))
  await first.gateway.stop()

  const second = await startWorkers(t, settings, { stateDirectory })

  assert.deepEqual((await standing(second.gateway)).used, { requests: 20, tokens: 240, parallel: 0 })
})

test('a port that another gateway of the same user serves is refused', async (t) => {
  const { gateway, upstream } = await startWorkers(t)
  const { port } = new URL(gateway.url)
  const file = writeScratch(t, workersYaml(upstream.url))
  const loaded = loadConfig(file, { env: { SCRIPTED_KEY: workersKey, LLM_GATEWAY_PORT: port } })
  assert.ok(loaded.ok)
  const config = { ...loaded.config, server: { ...loaded.config.server, hosts: ['127.0.0.1'] } }
  const surroundings = { stdout: process.stderr, version: '0', configFile: file, stateDirectory: undefined }

  await assert.rejects(startWorkerPool(config, surroundings), {
    name: 'StartError',
    message: `127.0.0.1:${port} is in use by another program. Stop that one, or set server.port (or LLM_GATEWAY_PORT) to a free port.`,
  })
})

test('the Unix socket is served by one of them', async (t) => {
  const socketPath = join(scratchDirectory(t), 'own', 'gateway.sock')
  const { gateway } = await startWorkers(t, { server: `, unix_socket: ${socketPath}` })
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
  const upstream = await startUpstream(t)
  const yaml = workersYaml(upstream.url, { server: ', unix_socket: /proc/none.sock' })
  const file = writeScratch(t, yaml)
  const loaded = loadConfig(file, { env: { SCRIPTED_KEY: workersKey, LLM_GATEWAY_PORT: '0' } })
  assert.ok(loaded.ok)
  const surroundings = { stdout: process.stderr, version: '0', configFile: file, stateDirectory: undefined }
  const config = { ...loaded.config, server: { ...loaded.config.server, hosts: ['127.0.0.1'] } }

  await assert.rejects(startWorkerPool(config, surroundings), {
    name: 'StartError',
    message: /^server\.unix_socket: /,
  })
})
