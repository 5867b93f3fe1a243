import assert from 'node:assert/strict'
import { test } from 'node:test'

import { serviceReporter } from '../../../src/app/services/report-changes.ts'
import type { ServiceChange } from '../../../src/upstream/services/service-change.ts'
import type { GatewayEvent } from '../../../src/observe/events.ts'

const of = { provider: 'qwen', unit: 'llama@qwen.service' }

const cases: readonly [
  name: string,
  step: Omit<ServiceChange, 'provider' | 'unit' | 'calls' | 'group'> & { calls?: number },
  event: object | undefined,
][] = [
  [
    'a start',
    { from: 'stopped', to: 'starting', reason: 'call' },
    { kind: 'service_starting', reason: 'call' },
  ],
  [
    'a unit that runs already',
    { from: 'stopped', to: 'starting', reason: 'adopted' },
    { kind: 'service_adopted' },
  ],
  [
    'the end of a start',
    { from: 'starting', to: 'ready', tookMs: 4_200.4 },
    { kind: 'service_ready', took_ms: 4_200 },
  ],
  ['one that others have started', { from: 'starting', to: 'ready' }, { kind: 'service_ready' }],
  ['its last calls', { from: 'ready', to: 'draining', reason: 'group', calls: 2 }, undefined],
  ['one that goes on after all', { from: 'draining', to: 'ready' }, undefined],
  [
    'an idle stop',
    { from: 'ready', to: 'stopping', reason: 'idle' },
    { kind: 'service_stopping', reason: 'idle' },
  ],
  [
    'a stop for a reason of a later version',
    { from: 'ready', to: 'stopping', reason: 'weather' },
    { kind: 'service_stopping', reason: 'outside' },
  ],
  ['the end of a stop', { from: 'stopping', to: 'stopped' }, { kind: 'service_stopped' }],
  [
    'a stop by hand in the middle of calls',
    { from: 'ready', to: 'stopped', calls: 2 },
    { kind: 'service_stopped', reason: 'outside', calls: 2 },
  ],
  [
    'a start that fails',
    { from: 'starting', to: 'failed', reason: 'exit-code 1', calls: 0, retryAfterMs: 1_000 },
    { kind: 'service_failed', result: 'exit-code 1', was_ready: false, retry_in_ms: 1_000 },
  ],
  [
    'an end in the middle of calls',
    { from: 'draining', to: 'failed', reason: 'oom-kill', calls: 1 },
    { kind: 'service_failed', result: 'oom-kill', was_ready: true, calls: 1 },
  ],
]

for (const [name, step, expected] of cases) {
  test(`${name} is reported as what it is`, () => {
    assert.deepEqual(
      reported({ from: 'stopped', to: 'starting', reason: 'call', calls: 0 }, { calls: 0, ...step }).slice(1),
      expected === undefined ? [] : [{ ...of, ...expected }],
    )
  })
}

test('how long a start took is of the gateway’s own starts only', () => {
  const ready = { from: 'starting', to: 'ready', tookMs: 40, calls: 0 } as const
  const adopted = { from: 'stopped', to: 'starting', reason: 'adopted', calls: 0 } as const
  assert.deepEqual(reported(adopted, ready), [
    { kind: 'service_adopted', ...of },
    { kind: 'service_ready', ...of },
  ])
})

/** The events of steps, one after the other. */
function reported(...steps: readonly Omit<ServiceChange, 'provider' | 'unit' | 'group'>[]): object[] {
  const events: GatewayEvent[] = []
  const report = serviceReporter({ emit: (event) => events.push(event) })
  for (const step of steps) report({ ...of, group: undefined, ...step })
  return events.map((event) => ({ ...event }))
}
