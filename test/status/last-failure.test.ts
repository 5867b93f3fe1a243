import assert from 'node:assert/strict'
import { test } from 'node:test'

import { lastFailure } from '../../src/status/last-failure.ts'
import type { RecentCall } from '../../src/status/status-report.ts'

const nowMs = Date.parse('2026-11-28T14:03:20Z')
const ok = { outcome: 'ok', code: null, provider: 'ollama' }
const failed = {
  id: 'req_1',
  outcome: 'provider_auth',
  code: 'provider_auth_failed',
  model: 'claude',
  provider: 'anthropic',
  at: '2026-11-28T14:00:00Z',
  reason: '401',
  fix: 'Set the key again.',
}

function last(...calls: Partial<RecentCall>[]) {
  return lastFailure(calls as RecentCall[], nowMs)
}

test('the last failure is told with its cause', () => {
  const { id, what, why, fix, severity, after } = last(failed, ok, { ...failed, id: 'req_0' })!
  assert.deepEqual(
    [id, what, why, fix, severity, after],
    [
      'req_1',
      'claude at anthropic: key refused',
      '401',
      'Set the key again.',
      'critical',
      'No call has succeeded since.',
    ],
  )
})

test('where calls have succeeded since it, their provider matters', () => {
  const elsewhere = last(ok, { ...ok, outcome: 'client_gone' }, failed)!
  assert.deepEqual(
    [elsewhere.severity, elsewhere.after],
    ['critical', '1 call succeeded since, none at anthropic.'],
  )
  const there = last(ok, { ...ok, provider: 'anthropic' }, failed)!
  assert.deepEqual([there.severity, there.after], ['warning', '2 calls succeeded since, 1 at anthropic.'])
  assert.equal(last({ ...ok, provider: 'anthropic' }, failed)!.after, '1 call succeeded since.')
})

test('a call that fell back is told by the name that its client used', () => {
  const { what } = last({ ...failed, model: 'qwen', asked: 'safe' })!
  assert.equal(what, 'safe → qwen at anthropic: key refused')
})

test('where no provider works, none is blamed, and calls of the same name matter', () => {
  const none = { ...failed, outcome: 'no_target', code: 'no_target_available', model: 'qwen', asked: 'safe' }
  const other = last({ ...ok, model: 'qwen', asked: null, provider: 'anthropic' }, none)!
  assert.deepEqual(
    [other.what, other.severity, other.after],
    ['safe → qwen: no provider works', 'critical', '1 call succeeded since, none for safe.'],
  )
  const same = last({ ...ok, model: 'safe', asked: null }, none)!
  assert.deepEqual([same.severity, same.after], ['warning', '1 call succeeded since.'])
})

test('a bad request hides no outage that goes on', () => {
  const at = (minutes: number) => new Date(nowMs - minutes * 60_000).toISOString()
  const refused = { id: 'bad', outcome: 'refused', code: 'invalid_request', provider: null, model: null }
  const bad = { ...refused, at: at(1), reason: 'No JSON.', fix: 'Change it.' }
  const fault = { ...failed, at: at(10) }
  assert.deepEqual([last(bad, fault)!.id, last(bad, fault)!.severity], ['req_1', 'critical'])
  assert.equal(last(bad, { ...ok, outcome: 'client_error' }, fault)!.id, 'req_1')
  const what = last(bad, { ...failed, at: at(20) })!
  assert.deepEqual([what.id, what.what, what.severity], ['bad', 'A call: bad request', 'warning'])
  assert.equal(last(bad, { ...ok, provider: 'anthropic' }, fault)!.id, 'bad')
  assert.equal(last(bad, { ...ok, provider: 'other' }, fault)!.id, 'req_1')
})

test('what is no fault of a provider is a warning', () => {
  const refusal = { ...failed, outcome: 'refused', code: 'key_revoked', provider: null, model: null }
  assert.deepEqual([last(refusal)!.severity, last(refusal)!.what], ['warning', 'A call: refused'])
})

test('cancelled calls and failures of days before are none', () => {
  assert.equal(last(ok, { ...failed, outcome: 'refused', code: 'call_cancelled' }), null)
  assert.equal(last({ ...failed, at: '2026-11-27T14:00:00Z' }), null)
  assert.equal(last(), null)
})
