import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { overrideVariables, readOverrides, withOverrides } from '../../src/config/environment.ts'
import { loadText } from '../support/config-file.ts'

const good = `server: { port: 1 }
providers:
  local: { base_url: "http://127.0.0.1:11434/v1", timeouts: { idle_ms: 7, connect_ms: 8 } }
models: { llama: { provider: local } }
`

test('every variable wins over the file', (t) => {
  const loaded = loadText(t, good, {
    env: {
      LLM_GATEWAY_PORT: '0',
      LLM_GATEWAY_MAX_REQUEST_BODY_BYTES: '2048',
      LLM_GATEWAY_UPSTREAM_TIMEOUT_MS: '99',
      LLM_GATEWAY_ALLOWED_IPS: '10.0.0.0/8, ::1',
      LLM_GATEWAY_CORS_ALLOWED_ORIGINS: 'http://a.example',
      LLM_GATEWAY_CORS_ALLOW_ALL: 'true',
    },
  })
  assert.ok(loaded.ok)
  const { server, access, cors, providers } = loaded.config
  assert.equal(server.port, 0)
  assert.equal(server.maxRequestBodyBytes, 2048)
  assert.deepEqual(access.allowedIps, ['10.0.0.0/8', '::1/128'])
  assert.deepEqual(cors, {
    enabled: true,
    allowedOrigins: ['http://a.example'],
    allowAll: true,
    allowNullOrigin: false,
  })
  const local = providers.get('local')
  assert.deepEqual(local?.kind === 'openai' && local.timeouts, {
    connectMs: 8,
    firstByteMs: 99,
    idleMs: 99,
    totalMs: 1_800_000,
  })
})

test('the older prefix works, and the newer one wins', () => {
  const { overrides } = readOverrides({
    LLM_ROUTER_PORT: '1',
    LLM_ROUTER_IP_ALLOWLIST: '::1',
    LLM_GATEWAY_PORT: '2',
  })
  assert.deepEqual(overrides, { port: 2, allowedIps: ['::1'] })
})

test('the newer name of the address list wins over the older one', () => {
  const { overrides } = readOverrides({ LLM_GATEWAY_IP_ALLOWLIST: '::1', LLM_ROUTER_ALLOWED_IPS: '::2' })
  assert.deepEqual(overrides.allowedIps, ['::2'])
})

test('an empty variable counts as not set', () => {
  assert.deepEqual(readOverrides({ LLM_GATEWAY_PORT: ' ', LLM_ROUTER_PORT: '5' }).overrides, { port: 5 })
})

describe('a bad variable is a problem by its name:', () => {
  const bad: [name: string, value: string][] = [
    ['LLM_GATEWAY_PORT', '65536'],
    ['LLM_GATEWAY_PORT', '-1'],
    ['LLM_GATEWAY_PORT', '1e3'],
    ['LLM_ROUTER_PORT', 'x'],
    ['LLM_GATEWAY_MAX_REQUEST_BODY_BYTES', '32MB'],
    ['LLM_GATEWAY_UPSTREAM_TIMEOUT_MS', '10s'],
    ['LLM_GATEWAY_ALLOWED_IPS', '10.0.0.0/8,nonsense'],
    ['LLM_GATEWAY_ALLOWED_IPS', ','],
    ['LLM_GATEWAY_IP_ALLOWLIST', '300.0.0.1'],
    ['LLM_GATEWAY_CORS_ALLOWED_ORIGINS', '*'],
    ['LLM_GATEWAY_CORS_ALLOW_ALL', 'maybe'],
  ]
  for (const [name, value] of bad) {
    test(`${name}=${value}`, (t) => {
      const loaded = loadText(t, good, { env: { [name]: value } })
      assert.ok(!loaded.ok)
      assert.deepEqual(
        loaded.problems.map(({ path, line }) => [path, line]),
        [[`env ${name}`, 0]],
      )
    })
  }
})

test('a port of the environment is what base URLs are held against', (t) => {
  const loaded = loadText(t, good, { env: { LLM_GATEWAY_PORT: '11434' } })
  assert.equal(!loaded.ok && loaded.problems[0]?.path, 'providers.local.base_url')
})

test('the given configuration stays as it is', () => {
  const raw = Object.freeze({
    server: Object.freeze({ port: 1 }),
    providers: Object.freeze({ a: Object.freeze({}) }),
  })
  assert.equal(withOverrides(raw, { port: 2, upstreamTimeoutMs: 3 }).server?.port, 2)
  assert.equal(raw.server.port, 1)
})

test('the table of variables is sorted', () => {
  const names = overrideVariables.map(({ name }) => name)
  assert.deepEqual(names, names.toSorted())
})
