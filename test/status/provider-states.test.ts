import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ServerFacts } from '../../src/routing/server-facts.ts'
import { CallHistory } from '../../src/status/call-history.ts'
import { providerStates } from '../../src/status/provider-states.ts'
import { loadText } from '../support/config-file.ts'

const text = `providers: { local: { base_url: "http://127.0.0.1:11434/v1" } }
models: { m: { provider: local } }
`

test('a provider fails until a call or a check reaches it again', (t) => {
  let nowMs = Date.parse('2026-11-28T12:00:00Z')
  const history = new CallHistory({ maxCalls: 1, wallNow: () => (nowMs += 1_000) })
  const loaded = loadText(t, text)
  assert.ok(loaded.ok)
  const state = (trouble?: { failureKind: 'unreachable'; untilMs: number | undefined }) =>
    providerStates(loaded.config.providers, {
      troubleOf: () => trouble,
      inFlightOf: () => 0,
      maxParallelOf: () => undefined,
      waitingOf: () => 0,
      facts: new ServerFacts(),
      servedBy: () => [],
      modelsOf: () => 0,
      looks: [history.look()],
      toWallMs: (ms) => ms,
    })[0]!.state
  const attempt = (outcome: 'answered' | 'failed') => {
    const facts = { request_id: 'r', provider: 'local', target_model: 'm', way: 'pass', code: undefined }
    const trouble = outcome === 'failed' ? 'unreachable' : undefined
    history.receive({ kind: 'attempt_ended', ...facts, outcome, trouble, status: undefined, ms: 1 })
  }
  const check = (reason: string | undefined) =>
    history.receive({ kind: 'health_checked', provider: 'local', reason })

  assert.equal(state(), 'unused')
  attempt('failed')
  assert.equal(state({ failureKind: 'unreachable', untilMs: 1 }), 'cooling')
  assert.equal(state({ failureKind: 'unreachable', untilMs: undefined }), 'unwell')
  assert.equal(state(), 'failing')
  attempt('answered')
  assert.equal(state(), 'ok')
  check('connect ECONNREFUSED')
  assert.equal(state(), 'failing')
  check(undefined)
  assert.equal(state(), 'ok')
})
