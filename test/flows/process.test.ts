// The gateway as a process: what it prints, how signals end it, and with which status it gives up.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { runGateway, startGatewayProcess } from '../support/gateway-process.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'
import type { ReceivedRequest, ScriptedResponse, ScriptedUpstream } from '../support/scripted-upstream.ts'
import { chunk, content, hang, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'
import type { Script } from '../support/upstream-script.ts'
import { writeScratch } from '../support/config-file.ts'
import { at, configText, echo } from '../support/gateway-config.ts'

const launcher = fileURLToPath(new URL('../../bin/llm-gateway', import.meta.url))
const ask = (isStream = false) =>
  rawRequest('POST /v1/chat/completions', {}, JSON.stringify({ model: 'plain', stream: isStream }))

test('the shipped configuration serves without its local servers, which one line each mentions', async (t) => {
  const gateway = await runGateway(t, undefined)

  const line = JSON.parse(await gateway.says(/^.*"discovery_failed".*"ollama".*$/m))

  assert.equal(line.level, 'INFO')
  assert.match(gateway.stdout(), /"event":"listening"/)
  await gateway.says(/echo, llama3\.1:8b/)
  const [, page] = /^ {2}status +(\S+)$/m.exec(await gateway.says(/(^ {2}status .*$)/m))!
  const answer = await fetch(page!, { headers: { accept: 'text/html' } })
  assert.match(await answer.text(), /<!doctype html>/i)
  assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200)
  assert.equal(await gateway.stop(), 0)
  assert.doesNotMatch(gateway.stderr(), /warning/i)
})

test('a client that left in the middle of its request does not hold the end of the process up', async (t) => {
  const { gateway } = await startGatewayProcess(t)
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest('POST /v1/chat/completions', { 'content-length': '100' }, '{'))
  // A further exchange, so that the request has been read.
  assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200)
  client.leave('reset')
  await gateway.says(/The connection broke before the body was complete/)

  // By the signal itself, it would end because something lasts for more than a second.
  assert.equal(await gateway.stop(), 0)
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`on ${signal} a stream under way comes to its end, then the process does`, async (t) => {
    const { gateway, upstream } = await startGatewayProcess(t)
    const { url } = gateway
    const gate = Promise.withResolvers<void>()
    upstream.respondAlways(
      toCalls([
        streamHead(),
        chunk('data: {"one":1}\n\n'),
        wait(gate.promise),
        chunk('data: [DONE]\n\n'),
        lastChunk,
      ]),
    )
    const idle = await connectRaw(t, url)
    idle.send(rawRequest('GET /healthz'))
    await idle.response()
    const client = await connectRaw(t, url)
    client.send(ask(true))
    await client.seen('one')

    process.kill(gateway.pid, signal)
    await gateway.says(new RegExp(`"stopping".*"${signal}".*"open_calls":1`))
    await assert.rejects(fetch(`${url}/healthz`), 'nothing new is accepted')
    idle.send(rawRequest('GET /readyz'))
    assert.equal((await idle.response()).status, 503)
    gate.resolve()

    // The client does not close its connection: the gateway must not wait for that.
    const response = await client.response()
    assert.ok(response.complete)
    assert.equal(response.body().toString(), 'data: {"one":1}\n\ndata: [DONE]\n\n')
    assert.equal(await gateway.ended(), 0)
    assert.match(gateway.stdout(), /"stopped"/)
    assert.match(gateway.stdout(), /"event":"call".*"status":200/)
  })
}

/** At its start the gateway asks providers whether they are there. */
function toCalls(script: Script): ScriptedResponse {
  return ({ method }) => (method === 'POST' ? script : json(200, { data: [] }))
}

/** The call among the requests. */
async function nextCall(upstream: ScriptedUpstream): Promise<ReceivedRequest> {
  const request = await upstream.nextRequest()
  return request.method === 'POST' ? request : nextCall(upstream)
}

test('a stream that outlasts the grace time ends with an error event, and at the provider', async (t) => {
  const { gateway, upstream } = await startGatewayProcess(t, { server: { shutdown_grace_ms: 50 } })
  upstream.respondAlways(toCalls([streamHead(), chunk('data: {"one":1}\n\n'), hang]))
  const client = await connectRaw(t, gateway.url)
  client.send(ask(true))
  await client.seen('one')

  assert.equal(await gateway.stop(), 0)
  const response = await client.response()
  assert.ok(response.complete)
  assert.match(
    response.body().toString(),
    /^data: \{"one":1\}\n\ndata: \{"error":\{.*"code":"shutting_down"\}\}\n\n$/,
  )
  assert.equal((await (await nextCall(upstream)).outcome).kind, 'aborted')
})

test('a large answer under way to a slow client comes to its end', async (t) => {
  const { gateway, upstream } = await startGatewayProcess(t)
  const body = `"${'x'.repeat(30_000_000)}"`
  upstream.respondAlways(toCalls(content(200, 'application/json', body)))
  const client = await connectRaw(t, gateway.url)
  client.send(ask())
  await client.seen('x')
  client.pause()

  process.kill(gateway.pid, 'SIGTERM')
  await gateway.says(/"stopping"/)
  client.resume()

  const response = await client.response()
  assert.ok(response.complete)
  assert.equal(response.body().length, body.length)
  assert.equal(await gateway.ended(), 0)
})

test('a second signal ends the process at once', async (t) => {
  const { gateway, upstream } = await startGatewayProcess(t)
  upstream.respondAlways(toCalls([hang]))
  const client = await connectRaw(t, gateway.url)
  client.send(ask())
  await nextCall(upstream)

  process.kill(gateway.pid, 'SIGINT')
  await gateway.says(/"stopping"/)

  assert.equal(await gateway.stop('SIGINT'), 'SIGINT')
})

test('a start that fails and a wrong command line are told by the exit status', (t) => {
  const run = (...args: readonly string[]) => spawnSync(launcher, args, { encoding: 'utf8' })
  const failed = run('serve', '-c', writeScratch(t, `${configText(echo)}servers: {}\n`))

  assert.equal(failed.status, 1)
  assert.match(failed.stderr, /llm-gateway\.yaml:\d+:1/)
  assert.equal(run('sevre').status, 2)
})

test('a provider that is not there is a warning, and calls to it are answered', async (t) => {
  const down = { providers: { scripted: at({ url: await refusingUrl(t) }) } }
  const { gateway } = await startGatewayProcess(t, down)
  await gateway.says(/"WARN".*"provider_unreachable".*ECONNREFUSED/)

  const headers = { 'content-type': 'application/json' }
  const body = '{"model":"plain"}'
  const response = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers, body })

  assert.equal(response.status, 502)
  assert.equal(response.headers.get('x-llm-gateway-error'), 'provider_unreachable')
})
