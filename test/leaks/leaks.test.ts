// A key that is easy to find, and a gateway that is driven through every way to fail: what clients, operators and other
// users of the machine can see of it has no trace of the key.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { TestContext } from 'node:test'

import { runGateway, startGatewayProcess } from '../support/gateway-process.ts'
import type { GatewayProcess } from '../support/gateway-process.ts'
import { findKey } from '../support/key-forms.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'
import { refusingUrl, startUpstream } from '../support/scripted-upstream.ts'
import { bytes, chunk, content, end, head, json, reset, streamHead } from '../support/upstream-script.ts'
import type { Script } from '../support/upstream-script.ts'
import { leakKey as key } from './known-keys.ts'
import { configText, type Setup } from '../support/gateway-config.ts'
import type { RawProvider } from '../../src/config/raw.ts'

const env = { LEAK_KEY: key }

function configuration(url: string, refusing: string): Setup {
  const provider = (base_url: string, more: RawProvider = {}) => ({
    base_url,
    api_key: { env: 'LEAK_KEY' },
    timeouts: { first_byte_ms: 1000 },
    ...more,
  })
  const providers = {
    plain: provider(`${url}/v1`),
    named: provider(`${url}/v1`, {
      auth: { header: 'x-goog-api-key' },
      headers: { 'x-more': '${LEAK_KEY}' },
    }),
    refusing: provider(`${refusing}/v1`),
    'no-tls': provider(`${url.replace('http:', 'https:')}/v1`),
    'no-host': provider('https://nowhere.invalid/v1'),
  }
  const names = Object.keys(providers).map((name) => [name, { provider: name }] as const)
  return {
    server: { max_request_body_bytes: 10_000 },
    rate_limit_settings: { per_client: {}, limits: { scarce: { rpm: 1 } } },
    providers,
    models: { ...Object.fromEntries(names), scarce: { provider: 'plain' } },
    logging: { format: 'json', level: 'debug' },
  }
}

const echoed = [key, encodeURIComponent(key), Buffer.from(key).toString('base64')].join(' ')
const message = { error: { message: `bad key ${echoed}`, code: key } }

/** What a provider may do that has been handed the key. */
const answers: readonly Script[] = [
  json(200, { choices: [] }),
  json(200, { choices: [] }, { 'set-cookie': key, 'openai-version': key, 'x-own': key }),
  ...[400, 401, 403, 404, 407, 422, 429, 500, 503, 529].map((status) =>
    json(status, message, { 'www-authenticate': `Bearer ${key}`, 'retry-after': '1' }),
  ),
  json(302, message, { location: `http://127.0.0.1:1/?key=${encodeURIComponent(key)}` }),
  content(502, 'text/html', `<h1>${key}</h1>`),
  [bytes(`HTTP/1.1 999 ${key}\r\n\r\n`), end],
  [bytes(`${key}\r\n\r\n`), end],
  [bytes(`HTTP/1.1 200 OK\r\n${key}\r\n\r\n`), end],
  [head(200, { 'content-length': '5000', 'content-type': 'application/json' }), bytes('{"a":'), reset],
  [streamHead(), chunk('data: {"choices":[]}\n\n'), reset],
  [streamHead(), bytes(`zz${key}\r\n`), end],
  [reset],
]

const clientRequests: readonly Buffer[] = [
  rawRequest('GET /v1/models'),
  rawRequest('GET /v1/models/plain'),
  rawRequest('GET /healthz'),
  rawRequest('GET /config'),
  rawRequest('GET /v1/chat/completions'),
  rawRequest('POST /v1/chat/completions', {}, '{'),
  rawRequest('POST /v1/chat/completions', {}, '{"model":"unknown"}'),
  rawRequest('POST /v1/chat/completions', {}, 'x'.repeat(20_000)),
  rawRequest('POST /v1/chat/completions', { 'content-type': 'text/plain' }, '{}'),
  rawRequest('POST /v1/chat/completions', { 'transfer-encoding': 'gzip, chunked' }, '{}'),
  rawRequest('GET /v1/models', { host: 'evil.example' }),
  rawRequest('GET /v1/models', { origin: 'https://evil.example' }),
  rawRequest('GET /v1/models', { upgrade: 'websocket', connection: 'upgrade' }),
  Buffer.from('CONNECT localhost:1 HTTP/1.1\r\nhost: localhost\r\n\r\n'),
  Buffer.from('TRACE / HTTP/1.1\r\nhost: localhost\r\n\r\n'),
  Buffer.from('nonsense\r\n\r\n'),
]

const ask = (model: string, isStream = false) =>
  rawRequest(
    'POST /v1/chat/completions',
    { connection: 'close', authorization: 'Bearer of-the-client' },
    JSON.stringify({ model, stream: isStream, messages: [{ role: 'user', content: 'hi' }] }),
  )

/** @returns all that the client got, until the connection ended. */
async function get(t: TestContext, gateway: GatewayProcess, request: Buffer): Promise<string> {
  const client = await connectRaw(t, gateway.url)
  client.send(request)
  await client.response().catch(() => {})
  client.endSending()
  await client.ended
  return client.received().toString('latin1')
}

/** Every file that the gateway wrote where it runs, with its name. */
function filesOf({ folder }: GatewayProcess): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const files = names.filter((name) => statSync(join(folder, name)).isFile())
  return new Map(files.map((name) => [name, readFileSync(join(folder, name), 'latin1')]))
}

suite('the key of a provider', () => {
  test('shows nowhere, whatever fails', async (t) => {
    const upstream = await startUpstream(t)
    const setup = configuration(upstream.url, await refusingUrl(t))
    const { gateway } = await startGatewayProcess(t, setup, env)
    const seen = new Map<string, string>()

    for (const request of clientRequests) {
      seen.set(`the answer to ${request.toString('latin1').slice(0, 80)}`, await get(t, gateway, request))
    }
    for (const [index, answer] of answers.entries()) {
      for (const isStream of [false, true]) {
        upstream.respondAlways(answer)
        seen.set(`the answer to call ${index}, ${isStream}`, await get(t, gateway, ask('plain', isStream)))
      }
    }
    upstream.respondAlways(json(400, message))
    for (const model of ['named', 'scarce', 'scarce', 'refusing', 'no-tls', 'no-host']) {
      seen.set(`the answer of ${model}`, await get(t, gateway, ask(model)))
    }
    seen.set('its command line', readFileSync(`/proc/${gateway.pid}/cmdline`, 'latin1'))
    assert.equal(await gateway.stop(), 0)
    seen.set('its log', gateway.stdout())
    seen.set('its standard error', gateway.stderr())
    for (const [name, text] of filesOf(gateway)) seen.set(`its file ${name}`, text)

    for (const [place, text] of seen) assert.deepEqual(findKey(text, key), [], place)
    // It was there to be seen: the provider got it with each call.
    const calls = upstream.requests.filter(({ method }) => method === 'POST')
    assert.ok(calls.length > 2 * answers.length)
    assert.ok(calls.every(({ headers }) => headers.some(([, value]) => value.includes(key))))
    assert.equal(seen.get('its log')!.match(/"event":"call"/g)!.length, calls.length + 3)
  })

  test('shows in no diagnostic report', async (t) => {
    const upstream = await startUpstream(t)
    const setup = configuration(upstream.url, await refusingUrl(t))
    const { gateway } = await startGatewayProcess(t, setup, { ...env, NODE_OPTIONS: '--report-on-signal' })

    process.kill(gateway.pid, 'SIGUSR2')
    await get(t, gateway, ask('refusing'))
    await gateway.stop()

    const reports = [...filesOf(gateway)].filter(([name]) => name.startsWith('report.'))
    assert.equal(reports.length, 1)
    assert.match(reports[0]![1], /"event": "Signal"|"trigger": "Signal"/)
    assert.deepEqual(findKey(reports[0]![1], key), [])
  })

  test('is in no report that nobody asked for: a signal that would make one ends the gateway', async (t) => {
    const upstream = await startUpstream(t)
    const setup = configuration(upstream.url, await refusingUrl(t))
    const { gateway } = await startGatewayProcess(t, setup, env)

    assert.equal(await gateway.stop('SIGUSR2'), 'SIGUSR2')

    const files = [...filesOf(gateway).keys()].filter((name) => !name.endsWith('.lock'))
    assert.deepEqual(files, ['llm-gateway.yaml'])
  })

  test('shows in nothing that the commands print', async (t) => {
    const upstream = await startUpstream(t)
    const yaml = configText(configuration(upstream.url, await refusingUrl(t)))
    // Refused: a key where its reference belongs, and one with a second line.
    for (const [text, value] of [
      [yaml.replace(/\n *env: LEAK_KEY/, ` ${key}`), key],
      [yaml, `${key}\nmore`],
    ] as const) {
      const started = runGateway(t, text, { LEAK_KEY: value })
      await assert.rejects(started, (error: Error) => {
        assert.match(error.message, /api_key|LEAK_KEY/)
        assert.deepEqual(findKey(error.message, key), [])
        return true
      })
    }
  })
})
