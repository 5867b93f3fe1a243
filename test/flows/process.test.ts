// The gateway as a process: what it prints, how signals end it, and with which status it gives up.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { soon } from '../support/deadline.ts'
import { missing } from '../support/needs.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'
import { refusingUrl, startUpstream } from '../support/scripted-upstream.ts'
import type { ReceivedRequest, ScriptedResponse, ScriptedUpstream } from '../support/scripted-upstream.ts'
import { chunk, content, hang, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'
import type { Script } from '../support/upstream-script.ts'

const launcher = fileURLToPath(new URL('../../bin/llm-gateway', import.meta.url))

interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
}

class Running {
  stdout = ''
  stderr = ''
  readonly ended: Promise<Ended>
  readonly #kill: (signal: NodeJS.Signals) => void
  #changed = Promise.withResolvers<void>()

  constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    const child = spawn(launcher, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#kill = (signal) => child.kill(signal)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      this.#changed.resolve()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#changed.resolve()
    })
    const ended = new Promise<Ended>((resolve) => {
      child.on('close', (status, signal) => {
        resolve({ status, signal })
        this.#changed.resolve()
      })
    })
    this.ended = soon(ended, () => `the process to end; it said ${this.stderr}${this.stdout}`)
    this.ended.catch(() => {})
  }

  kill(signal: NodeJS.Signals): void {
    this.#kill(signal)
  }

  /** Waits for a text on either stream and gives what the pattern's group caught. */
  async says(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr)
      if (match !== null) return match[1] ?? match[0]
      await soon(this.#changed.promise, () => `${pattern} in ${this.stderr}${this.stdout}`)
      this.#changed = Promise.withResolvers()
    }
  }
}

/** A process with a home of its own and nothing of this one's environment. It is gone after the test. */
function run(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const home = temporaryFolder(t)
  const own = { PATH: process.env['PATH'], HOME: home, LLM_GATEWAY_PORT: '0' }
  const running = new Running(args, { ...own, ...env })
  t.after(() => running.kill('SIGKILL'))
  return running
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-process-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function configFile(t: TestContext, yaml: string): string {
  const file = join(temporaryFolder(t), 'llm-gateway.yaml')
  writeFileSync(file, yaml, { mode: 0o600 })
  return file
}

const echoOnly = `
server: { hosts: [127.0.0.1] }
providers: { echo: { kind: echo } }
models: { echo: { provider: echo } }
`

const serving = /(http:\/\/127\.0\.0\.1:\d+)\/v1/

test('the shipped configuration serves: providers that are not there are warnings', async (t) => {
  const gateway = run(t, ['serve'])

  const url = await gateway.says(serving)
  const warning = JSON.parse(await gateway.says(/^.*"discovery_failed".*"ollama".*$/m))

  assert.equal(warning.level, 'WARN')
  assert.match(gateway.stdout, /"event":"listening"/)
  assert.match(gateway.stderr, /echo, llama3\.1:8b/)
  assert.equal((await fetch(`${url}/healthz`)).status, 200)
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { status: 0, signal: null })
  assert.doesNotMatch(gateway.stderr, /warning/i)
})

test('the curl line that is printed works as it stands', { skip: missing('curl') }, async (t) => {
  const gateway = run(t, ['serve', '--config', configFile(t, echoOnly)])
  const line = await gateway.says(/(curl -N [^]*?\n[^\n]*'\n)/)

  const { stdout } = await promisify(execFile)('sh', ['-c', line])

  assert.match(stdout, /"content":"hello"/)
  assert.match(stdout, /"total_tokens":\d+/)
  assert.ok(stdout.endsWith('data: [DONE]\n\n'))
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`on ${signal} a stream under way comes to its end, then the process does`, async (t) => {
    const upstream = await startUpstream(t)
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
    const file = configFile(t, yamlFor(`${upstream.url}/v1`))
    const gateway = run(t, ['serve', '-c', file])
    const url = await gateway.says(serving)
    const idle = await connectRaw(t, url)
    idle.send(rawRequest('GET /healthz'))
    await idle.response()
    const client = await connectRaw(t, url)
    client.send(rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","stream":true}'))
    await client.seen('one')

    gateway.kill(signal)
    await gateway.says(new RegExp(`"stopping".*"${signal}".*"open_calls":1`))
    await assert.rejects(fetch(`${url}/healthz`), 'nothing new is accepted')
    idle.send(rawRequest('GET /readyz'))
    assert.equal((await idle.response()).status, 503)
    gate.resolve()

    // The client does not close its connection: the gateway must not wait for that.
    const response = await client.response()
    assert.ok(response.complete)
    assert.equal(response.body().toString(), 'data: {"one":1}\n\ndata: [DONE]\n\n')
    assert.deepEqual(await gateway.ended, { status: 0, signal: null })
    assert.match(gateway.stdout, /"stopped"/)
    assert.match(gateway.stdout, /"event":"call".*"status":200/)
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

function yamlFor(baseUrl: string, server = ''): string {
  return `
server: { hosts: [127.0.0.1]${server} }
providers: { scripted: { base_url: "${baseUrl}" } }
models: { plain: { provider: scripted } }
`
}

test('a stream that outlasts the grace time ends with an error event, and at the provider', async (t) => {
  const upstream = await startUpstream(t)
  upstream.respondAlways(toCalls([streamHead(), chunk('data: {"one":1}\n\n'), hang]))
  const file = configFile(t, yamlFor(`${upstream.url}/v1`, ', shutdown_grace_ms: 50'))
  const gateway = run(t, ['serve', '-c', file])
  const client = await connectRaw(t, await gateway.says(serving))
  client.send(rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","stream":true}'))
  await client.seen('one')

  gateway.kill('SIGTERM')

  assert.deepEqual(await gateway.ended, { status: 0, signal: null })
  const response = await client.response()
  assert.ok(response.complete)
  assert.match(
    response.body().toString(),
    /^data: \{"one":1\}\n\ndata: \{"error":\{.*"code":"shutting_down"\}\}\n\n$/,
  )
  assert.equal((await (await nextCall(upstream)).outcome).kind, 'aborted')
})

test('a large answer under way to a slow client comes to its end', async (t) => {
  const upstream = await startUpstream(t)
  const body = `"${'x'.repeat(30_000_000)}"`
  upstream.respondAlways(toCalls(content(200, 'application/json', body)))
  const gateway = run(t, ['serve', '-c', configFile(t, yamlFor(`${upstream.url}/v1`))])
  const client = await connectRaw(t, await gateway.says(serving))
  client.send(rawRequest('POST /v1/chat/completions', {}, '{"model":"plain"}'))
  await client.seen('x')
  client.pause()

  gateway.kill('SIGTERM')
  await gateway.says(/"stopping"/)
  client.resume()

  const response = await client.response()
  assert.ok(response.complete)
  assert.equal(response.body().length, body.length)
  assert.deepEqual(await gateway.ended, { status: 0, signal: null })
})

test('a second signal ends the process at once', async (t) => {
  const upstream = await startUpstream(t)
  upstream.respondAlways(toCalls([hang]))
  const gateway = run(t, ['serve', '-c', configFile(t, yamlFor(`${upstream.url}/v1`))])
  const client = await connectRaw(t, await gateway.says(serving))
  client.send(rawRequest('POST /v1/chat/completions', {}, '{"model":"plain"}'))
  await nextCall(upstream)

  gateway.kill('SIGINT')
  await gateway.says(/"stopping"/)
  gateway.kill('SIGINT')

  assert.deepEqual(await gateway.ended, { status: 130, signal: null })
})

test('a start that fails and a wrong command line are told by the exit status', async (t) => {
  const failed = run(t, ['serve', '-c', configFile(t, `${echoOnly}servers: {}`)])
  const wrong = run(t, ['sevre'])

  assert.deepEqual(await failed.ended, { status: 1, signal: null })
  assert.match(failed.stderr, /llm-gateway\.yaml:5:1/)
  assert.deepEqual(await wrong.ended, { status: 2, signal: null })
})

test('a provider that is not there is a warning, and calls to it are answered', async (t) => {
  const gateway = run(t, ['serve', '-c', configFile(t, yamlFor(await refusingUrl(t)))])
  const url = await gateway.says(serving)
  await gateway.says(/"WARN".*"provider_unreachable".*ECONNREFUSED/)

  const headers = { 'content-type': 'application/json' }
  const body = '{"model":"plain"}'
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body })

  assert.equal(response.status, 502)
  assert.equal(response.headers.get('x-llm-gateway-error'), 'provider_unreachable')
})
