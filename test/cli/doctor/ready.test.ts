// What doctor finds at the address of a server that systemd starts.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import type { ModelServer } from '../../../src/cli/doctor/model-servers.ts'
import { examineReady, type ReadyParts } from '../../../src/cli/doctor/ready.ts'
import type { HttpProvider } from '../../../src/config/provider-types.ts'
import { loadText } from '../../support/config-file.ts'
import { refusingUrl, startUpstream, type ScriptedUpstream } from '../../support/scripted-upstream.ts'
import { json } from '../../support/upstream-script.ts'

const active: ModelServer = { findings: [], state: 'active', activeSinceMs: 1_000 }
const stopped: ModelServer = { findings: [], state: 'stopped' }

function providerAt(t: TestContext, url: string, service = '', kind = 'llama_cpp'): HttpProvider {
  const text = `providers:
  a: { kind: ${kind}, base_url: "${url}/v1", service: { unit: a.service, start_timeout_ms: 60000${service} } }
models: { m: { provider: a } }
`
  const loaded = loadText(t, text, { hasServiceManager: true })
  assert.ok(loaded.ok)
  return loaded.config.providers.get('a') as HttpProvider
}

async function examine(config: HttpProvider, server: ModelServer, more: Partial<ReadyParts> = {}) {
  const { findings, isReady } = await examineReady(config, server, {
    userAgent: 'test',
    now: () => performance.now(),
    monotonicMs: () => 601_000,
    command: 'llm-gateway',
    sharesPort: false,
    ...more,
  })
  assert.equal(findings.length, 1)
  const [{ state, subject, detail, fix }] = findings as [(typeof findings)[0]]
  return { isReady, shown: `${state} ${subject}: ${detail} → ${fix ?? ''}` }
}

async function upstreamWith(t: TestContext, status: number): Promise<ScriptedUpstream> {
  const upstream = await startUpstream(t)
  upstream.respondAlways(() => json(status, {}))
  return upstream
}

test('an active server is asked at its ready path', async (t) => {
  for (const [kind, service, path] of [
    ['llama_cpp', '', '/health'],
    ['vllm', '', '/health'],
    ['ollama', '', '/api/version'],
    ['openai', '', '/v1/models'],
    ['openai', ', ready: /up', '/up'],
  ] as const) {
    const upstream = await upstreamWith(t, 200)
    const { isReady, shown } = await examine(providerAt(t, upstream.url, service, kind), active)
    assert.ok(isReady)
    assert.equal(shown, `ok a: ready: ${upstream.url}${path} answers with 200 → `)
    assert.deepEqual(
      upstream.requests.map(({ target }) => target),
      [path],
    )
  }
})

test('a server that asks for a key is ready', async (t) => {
  const upstream = await upstreamWith(t, 401)
  assert.ok((await examine(providerAt(t, upstream.url), active)).isReady)
})

test('a ready path that never answers with 2xx keeps all calls away', async (t) => {
  const upstream = await upstreamWith(t, 404)
  const { isReady, shown } = await examine(providerAt(t, upstream.url), active)
  assert.ok(!isReady)
  assert.match(
    shown,
    /^fail .*\/health answers with 404, and a\.service has been active for 10 min: no call gets to it/,
  )
  assert.match(shown, /→ set providers\.a\.service\.ready to a path/)
})

test('within the time for its start it may be starting', async (t) => {
  const upstream = await upstreamWith(t, 503)
  const { isReady, shown } = await examine(providerAt(t, upstream.url), active, { monotonicMs: () => 11_000 })
  assert.ok(!isReady)
  assert.match(shown, /^warn .* answers with 503: it has been starting for 10 s, of 1 min that it may take/)
})

test('an active unit whose server listens elsewhere is a failure', async (t) => {
  const { shown } = await examine(providerAt(t, await refusingUrl(t)), active)
  assert.match(shown, /^fail .* does not answer \(.*→ check that the server of a\.service listens where/)
  const { shown: undated } = await examine(providerAt(t, await refusingUrl(t)), {
    findings: [],
    state: 'active',
  })
  assert.match(undated, /^fail .* and a\.service is active: no call/)
})

test('a stopped server is not asked, and nobody else may listen at its address', async (t) => {
  const free = await examine(providerAt(t, await refusingUrl(t)), stopped)
  assert.match(free.shown, /^skipped a: ready: it does not run; .* llm-gateway services start a → $/)
  const upstream = await upstreamWith(t, 200)
  const taken = await examine(providerAt(t, upstream.url), stopped)
  assert.ok(!taken.isReady)
  assert.match(
    taken.shown,
    new RegExp(`^fail .*${upstream.url} is taken by .*\\(pid ${process.pid}\\), while a\\.service`),
  )
  assert.deepEqual(upstream.requests, [])
  const inTurn = await examine(providerAt(t, upstream.url), stopped, { sharesPort: true })
  assert.match(inTurn.shown, /^skipped /)
})

test('while its unit changes or cannot be started, nothing is asked', async (t) => {
  const upstream = await upstreamWith(t, 200)
  for (const state of ['changing', 'unknown'] as const) {
    const { isReady, shown } = await examine(providerAt(t, upstream.url), { findings: [], state })
    assert.ok(!isReady)
    assert.match(shown, /^skipped a: ready: not asked/)
  }
  assert.deepEqual(upstream.requests, [])
})
