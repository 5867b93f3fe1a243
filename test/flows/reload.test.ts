// Another configuration while calls run: on SIGHUP, and by itself when the file changes.
import assert from 'node:assert/strict'
import { Agent, request as httpRequest } from 'node:http'
import { renameSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'

import { startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { bytes, chunk, head, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'
import { at, configText, type Setup } from '../support/gateway-config.ts'

/** A gateway of one provider at this address with the model `plain` and others. */
function setupFor(
  { url }: { url: string },
  {
    models = [],
    rpm = 1_000_000,
    server = {},
  }: { models?: string[]; rpm?: number; server?: Setup['server'] } = {},
): Setup {
  return {
    server,
    providers: { scripted: at({ url }) },
    models: Object.fromEntries(['plain', ...models].map((name) => [name, { provider: 'scripted' }])),
    rate_limit_settings: { per_client: {}, limits: { plain: { rpm } } },
  }
}

/** As careful editors do: no moment in which the file is half written. */
function replace({ file }: GatewayProcess, yaml: string): void {
  writeFileSync(`${file}.new`, yaml, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

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

test('1,000 reloads under 32 connections fail no call', async (t) => {
  const event = 'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
  const done = 'data: [DONE]\n\n'
  const reloads = new Reloads()
  const upstreams = [await startUpstream(t), await startUpstream(t)]
  for (const upstream of upstreams) {
    upstream.respondAlways(({ method, body }) => {
      const gate = wait(reloads.passed(4))
      if (method !== 'POST') return json(200, { data: [] })
      if (!body.includes('"stream":true'))
        return [
          gate,
          head(200, { 'content-type': 'application/json', 'content-length': '13' }),
          bytes('{"fine":true}'),
        ]
      return [streamHead(), chunk(event), gate, chunk(event), chunk(done), lastChunk]
    })
  }
  // Providers, limits and models change each time, but for the model that is called.
  const setups = upstreams.map((upstream, index) =>
    setupFor(upstream, { models: [`only${index}`], rpm: 1_000_000 + index }),
  )
  const yamls = setups.map(configText)
  const { gateway } = await startGatewayProcess(t, setups[0])
  gateway.drainInto((text) => reloads.read(text))
  const failures: string[] = []
  let calls = 0
  const agent = new Agent({ keepAlive: true })
  const clients = Array.from({ length: 32 }, async (_, index) => {
    const isStream = index % 2 === 0
    const whole = isStream ? event + event + done : '{"fine":true}'
    while (reloads.count < 1_000) {
      const { status, body } = await post(gateway.url, { model: 'plain', stream: isStream }, agent)
      calls += 1
      if (status !== 200 || body !== whole) failures.push(`${status} ${body.slice(0, 200)}`)
    }
  })

  while (reloads.count < 1_000) {
    const isTaken = reloads.passed(1)
    replace(gateway, yamls[(reloads.count + 1) % 2]!)
    process.kill(gateway.pid, 'SIGHUP')
    await isTaken
  }
  reloads.release()
  await Promise.all(clients)
  agent.destroy()

  assert.deepEqual(failures, [])
  assert.ok(calls >= 32 * 10, `${calls} calls`)
})

/** Counts the reloads that a log tells of. */
class Reloads {
  count = 0
  #unread = ''
  #isOver = false
  #waiting: { at: number; resolve: () => void }[] = []

  read(text: string): void {
    const lines = (this.#unread + text).split('\n')
    this.#unread = lines.pop()!
    for (const line of lines) if (line.includes('"event":"reloaded"')) this.count += 1
    this.#resolveUpTo(this.count)
  }

  /** Resolves after so many further ones. */
  passed(further: number): Promise<void> {
    if (this.#isOver) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ at: this.count + further, resolve }))
  }

  /** There are no more of them. */
  release(): void {
    this.#isOver = true
    this.#resolveUpTo(Number.POSITIVE_INFINITY)
  }

  #resolveUpTo(count: number): void {
    for (const { at, resolve } of this.#waiting) if (at <= count) resolve()
    this.#waiting = this.#waiting.filter(({ at }) => at > count)
  }
}

function post(
  url: string,
  body: Record<string, unknown>,
  agent: Agent,
): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve) => {
    const request = httpRequest(
      `${url}/v1/chat/completions`,
      { method: 'POST', agent, headers: { 'content-type': 'application/json' } },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
        response.on('close', () => resolve({ status: response.statusCode, body: text }))
      },
    )
    request.on('error', (error) => resolve({ status: undefined, body: String(error) }))
    request.end(JSON.stringify(body))
  })
}
