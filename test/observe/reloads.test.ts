import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reloads } from '../../src/observe/reloads.ts'

test('a refused load leaves the time of the one in force, and the next good one ends the refusal', () => {
  let nowMs = 1_000
  const reloads = new Reloads(() => nowMs)
  assert.deepEqual([reloads.isLastRefused, reloads.loadedAtMs, reloads.latest], [false, 1_000, undefined])
  nowMs = 2_000
  reloads.receive({ kind: 'reload_refused', config: 'x', problems: ['line 3: no such key'] })
  assert.deepEqual([reloads.isLastRefused, reloads.loadedAtMs], [true, 1_000])
  assert.deepEqual(reloads.latest, {
    atMs: 2_000,
    isRefused: true,
    problems: ['line 3: no such key'],
    needsRestart: [],
  })
  nowMs = 3_000
  reloads.receive({ kind: 'reloaded', config: 'x', needs_restart: ['logging'] })
  assert.deepEqual([reloads.isLastRefused, reloads.loadedAtMs], [false, 3_000])
  assert.deepEqual(reloads.latest?.needsRestart, ['logging'])
})
