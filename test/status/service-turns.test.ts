// What a call waits for while its server does not run.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { OpenCall } from '../../src/status/open-call.ts'
import { serviceRows } from '../../src/status/service-rows.ts'
import { withTurns } from '../../src/status/service-turns.ts'
import { startWaitText } from '../../src/status/services-text.ts'
import { serviceState } from '../support/service-state.ts'

function waitOf(states: Parameters<typeof serviceState>[0][], phase: OpenCall['phase'] = 'starting'): string {
  const call = { phase, provider: 'qwen', turn: null } as OpenCall
  return startWaitText(withTurns([call], serviceRows(states.map(serviceState), true))[0]!)
}

const qwen = { provider: 'qwen', group: 'gpu0', state: 'stopped' } as const
const gemma = { provider: 'gemma', group: 'gpu0', state: 'ready' } as const

test('a call waits for its turn while others of the group keep the place', () => {
  const inTurn = 'waiting for its turn in gpu0 (gemma runs)'
  for (const state of ['starting', 'ready', 'draining', 'stopping'] as const) {
    assert.equal(waitOf([qwen, { ...gemma, state }]), inTurn)
  }
  assert.equal(waitOf([{ ...qwen, state: 'failed' }, gemma]), inTurn)
  const llama = { ...gemma, provider: 'llama' }
  assert.equal(waitOf([qwen, gemma, llama]), 'waiting for its turn in gpu0 (gemma, llama run)')
})

test('a call that waits for a server has it in words, and no other call has', () => {
  const states = serviceRows([qwen, gemma].map(serviceState), true)
  const calls = (['starting', 'waiting'] as const).map(
    (phase) => ({ phase, provider: 'qwen', turn: null }) as OpenCall,
  )
  assert.deepEqual(
    withTurns(calls, states).map((call) => call.waits_for),
    ['waiting for its turn in gpu0 (gemma runs)', undefined],
  )
})

test('a call waits for its own server when that starts, or nothing else has the place', () => {
  const own = 'waiting for qwen to start'
  assert.equal(waitOf([{ ...qwen, state: 'starting' }, gemma]), own)
  assert.equal(waitOf([qwen, { ...gemma, state: 'stopped' }]), own)
  assert.equal(waitOf([qwen, { ...gemma, group: 'gpu1' }]), own)
  assert.equal(
    waitOf([
      { ...qwen, group: undefined },
      { ...gemma, group: undefined },
    ]),
    own,
  )
  assert.equal(waitOf([]), own)
  assert.equal(waitOf([qwen, gemma], 'waiting'), own, 'no call that waits for a server')
})
