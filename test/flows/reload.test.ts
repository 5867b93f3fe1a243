// Another configuration while calls run: on SIGHUP, and by itself when the file changes.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'

import { startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { reloadUnderLoad, replace, setupFor } from './reload-load.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { chunk, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'
import { configText, type Setup } from '../support/gateway-config.ts'

/** Sends SIGHUP and waits for what becomes of it. */
async function reload(gateway: GatewayProcess, setup: Setup): Promise<Record<string, unknown>> {
  const from = gateway.stdout().length
  replace(gateway, configText(setup))
  process.kill(gateway.pid, 'SIGHUP')
  return JSON.parse(await gateway.says(/^.*"event":"reload.*$/m, from)) as Record<string, unknown>
}

function call(model: string, isStream = false): Buffer {
  return rawRequest('POST /v1/chat/completions', {}, JSON.stringify({ model, stream: isStream }))
}

test('a reload serves new models by new providers, and open streams end as they began', async (t) => {
  const [old, next] = [await startUpstream(t), await startUpstream(t)]
  const gate = Promise.withResolvers<void>()
  const event = 'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
  const toGet = json(200, { data: [] })
  const script = [streamHead(), chunk(event), wait(gate.promise), chunk('data: [DONE]\n\n'), lastChunk]
  old.respondAlways(({ method }) => (method === 'POST' ? script : toGet))
  next.respondAlways(({ method }) => (method === 'POST' ? json(200, { from: 'next' }) : toGet))
  const { gateway } = await startGatewayProcess(t, setupFor(old))
  const client = await connectRaw(t, gateway.url)
  client.send(call('plain', true))
  await client.seen('one')

  const line = await reload(gateway, setupFor(next, { models: ['more'] }))

  assert.deepEqual([line['event'], line['level']], ['reloaded', 'INFO'])
  for (const model of ['plain', 'more']) {
    const response = await exchange(t, gateway.url, call(model))
    assert.equal(response.body().toString(), '{"from":"next"}')
  }
  gate.resolve()
  const response = await client.response()
  assert.equal(response.body().toString(), `${event}data: [DONE]\n\n`)
})

test('the connections of a provider that is no longer configured end with its last call', async (t) => {
  const [old, next] = [await startUpstream(t), await startUpstream(t)]
  const gate = Promise.withResolvers<void>()
  // Without the reload this connection would be kept for ten minutes.
  const first = streamHead({ 'content-type': 'text/event-stream', 'keep-alive': 'timeout=600' })
  const event = 'data: {"one":1}\n\n'
  old.respondAlways([first, chunk(event), wait(gate.promise), chunk('data: [DONE]\n\n'), lastChunk])
  next.respondAlways(json(200, { data: [] }))
  const { gateway } = await startGatewayProcess(t, setupFor(old))
  const client = await connectRaw(t, gateway.url)
  client.send(call('plain', true))
  await client.seen('one')

  await reload(gateway, setupFor(next))
  assert.notEqual(old.openConnections, 0)
  gate.resolve()
  await client.response()

  await old.allClosed()
})

test('counts carry over', async (t) => {
  const upstream = await startUpstream(t)
  upstream.respondAlways(json(200, {}))
  const { gateway } = await startGatewayProcess(t, setupFor(upstream, { rpm: 3 }))
  for (let number = 0; number < 2; number++) await exchange(t, gateway.url, call('plain'))

  await reload(gateway, setupFor(upstream, { rpm: 2 }))

  assert.equal((await exchange(t, gateway.url, call('plain'))).status, 429)
})

test('what only a restart applies is named key by key, and the rest applies', async (t) => {
  const upstream = await startUpstream(t)
  upstream.respondAlways(json(200, {}))
  const { gateway } = await startGatewayProcess(t, setupFor(upstream))
  const server = { port: 4999, unix_socket: '/run/other.sock', shutdown_grace_ms: 5 }

  const line = await reload(gateway, setupFor(upstream, { models: ['other'], server }))

  assert.equal(line['event'], 'reloaded')
  assert.equal(line['level'], 'WARN')
  // The port comes from the environment here, which wins over the file.
  assert.deepEqual(line['needs_restart'], ['server.unix_socket'])
  assert.equal((await exchange(t, gateway.url, call('other'))).status, 200)
})

test('a watched file is loaded when it changes, refused when it is wrong, and no longer watched when it says so', async (t) => {
  const upstream = await startUpstream(t)
  upstream.respondAlways(json(200, {}))
  const { gateway } = await startGatewayProcess(t, setupFor(upstream, { server: { watch_config: true } }))

  replace(gateway, 'nonsense: [')
  await gateway.says(/"event":"reload_refused"/)
  assert.equal((await exchange(t, gateway.url, call('plain'))).status, 200)

  // In place, in two steps.
  const yaml = configText(setupFor(upstream, { models: ['other'] })) // not watched any more
  writeFileSync(gateway.file, yaml.slice(0, 40))
  writeFileSync(gateway.file, yaml)
  const from = gateway.stdout().length
  await gateway.says(/"event":"reloaded"/, from)
  assert.equal((await exchange(t, gateway.url, call('other'))).status, 200)
})

test('100 reloads under 32 connections fail no call', (t) => reloadUnderLoad(t, (count) => count < 100))
