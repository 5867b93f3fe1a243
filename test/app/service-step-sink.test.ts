import assert from 'node:assert/strict'
import { test } from 'node:test'

import { serviceStepSink } from '../../src/app/open-ledger.ts'
import type { ServiceStep } from '../../src/ledger/service-steps.ts'
import type { GatewayEvent } from '../../src/observe/events.ts'

const of = { provider: 'qwen', unit: 'qwen.service' }

test('what becomes of a server is recorded once each, a stop with its reason', () => {
  const steps: ServiceStep[] = []
  const sink = serviceStepSink({ recordStep: (step) => void steps.push(step) }, () => 7)
  const events: readonly GatewayEvent[] = [
    { kind: 'service_commanded', ...of, verb: 'start', by: 'user:ann' },
    { kind: 'service_starting', ...of, reason: 'command' },
    { kind: 'service_ready', ...of, took_ms: 1_200 },
    { kind: 'service_stopping', ...of, reason: 'idle' },
    { kind: 'service_stopped', ...of },
    { kind: 'service_adopted', ...of },
    { kind: 'service_ready', ...of },
    { kind: 'service_stopped', ...of, reason: 'outside', calls: 1 },
    { kind: 'service_failed', ...of, result: 'oom-kill', was_ready: false },
  ]
  for (const event of events) sink.receive(event)
  assert.deepEqual(
    steps.map(({ what, readyMs, reason }) => [what, readyMs ?? reason]),
    [
      ['started', 'command'],
      ['ready', 1_200],
      ['stopped', 'idle'],
      ['adopted', undefined],
      ['ready', undefined],
      ['stopped', 'outside'],
      ['failed', 'oom-kill'],
    ],
  )
  assert.ok(
    steps.every(({ atMs, provider, unit }) => atMs === 7 && provider === 'qwen' && unit === 'qwen.service'),
  )
})
