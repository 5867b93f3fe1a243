import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import type { ProviderConfig } from '../../src/config/provider-types.ts'
import { hasSameSettings, isSameServer } from '../../src/upstream/same-settings.ts'
import { loadText } from '../support/config-file.ts'

function provider(t: TestContext, service: string): ProviderConfig {
  const text = `providers:\n  a: { base_url: "http://127.0.0.1:8081/v1"${service} }\nmodels: { m: { provider: a } }\n`
  const loaded = loadText(t, text, { hasServiceManager: true })
  assert.ok(loaded.ok)
  return loaded.config.providers.get('a')!
}

test('another unit or command at the same address is another server, and other times are not', (t) => {
  const one = provider(t, ', service: { unit: a.service }')
  assert.ok(isSameServer(one, provider(t, ', service: { unit: a.service, stop_after_idle_ms: 5000 }')))
  assert.ok(!isSameServer(one, provider(t, ', service: { unit: b.service }')))
  assert.ok(!isSameServer(one, provider(t, '')))
  const run = provider(t, ', service: { run: [/x, -c, "1"] }')
  assert.ok(!isSameServer(one, run))
  assert.ok(isSameServer(run, provider(t, ', service: { run: [/x, -c, "1"] }')))
  assert.ok(!isSameServer(run, provider(t, ', service: { run: [/x, -c, "2"] }')))
  assert.ok(!isSameServer(run, provider(t, ', service: { run: [/x, -c, "1"], environment: { A: b } }')))
})

test('a provider keeps its connections where only the times of its service change', (t) => {
  const one = provider(t, ', service: { unit: a.service }')
  const times =
    'stop_after_idle_ms: 5000, start_timeout_ms: 1000, start: boot, when_starting: failover, ready: /up'
  assert.ok(hasSameSettings(one, provider(t, `, service: { unit: a.service, ${times} }`)))
  assert.ok(!hasSameSettings(one, provider(t, ', service: { unit: b.service }')))
  assert.ok(!hasSameSettings(one, provider(t, '')))
  const run = provider(t, ', service: { run: [/x, -c, "1"] }')
  assert.ok(!hasSameSettings(run, provider(t, ', service: { run: [/x, -c, "2"] }')))
})
