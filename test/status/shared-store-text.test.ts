import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { MachineRow, SharedStoreReport } from '../../src/status/shared-store.ts'
import { machineCells, shownStore, storeText } from '../../src/status/shared-store-text.ts'

const box: MachineRow = {
  name: 'box-a',
  id: 'a1',
  version: '0.1.0',
  state: 'here',
  is_this: true,
  since: '2026-11-28T12:00:00Z',
  last_seen: '2026-11-28T14:00:00Z',
  uses: [
    { kind: 'model', name: 'qwen', requests: 3, tokens: 812, parallel: 1 },
    { kind: 'provider', name: 'ollama', requests: 1, tokens: 1, parallel: 0 },
  ],
}

const store: SharedStoreReport = {
  up: true,
  fault: null,
  server: 'Valkey 8.0.1',
  in_force: 'all',
  members: 3,
  here: 2,
  machines: [box, { ...box, name: 'box-b', uses: [] }],
  conflicts: [],
}

test('a store is shown with the texts that a terminal has', () => {
  const { text, machines, ...rest } = shownStore(store)
  assert.equal(text, '2 of at most 3 machines share limits over Valkey 8.0.1')
  assert.equal(text, storeText(store))
  assert.deepEqual(
    machines.map((machine) => machine.uses_text),
    ['qwen: 3 requests, 812 tokens, 1 under way; provider ollama: 1 request, 1 token', null],
  )
  assert.equal(machineCells(box, Date.parse(box.last_seen)).at(-1), machines[0]!.uses_text)
  assert.deepEqual({ ...rest, machines: store.machines }, store)
})
