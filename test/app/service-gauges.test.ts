import assert from 'node:assert/strict'
import { test } from 'node:test'

import { serviceReadings } from '../../src/app/service-gauges.ts'
import { Registry } from '../../src/observe/metrics/registry.ts'
import { slicesOf } from '../../src/observe/metrics/render.ts'
import { serviceState } from '../support/service-state.ts'
import { readMetrics } from '../support/metrics-text.ts'

test('each service has one state, and memory only while it runs', () => {
  const failed = { provider: 'gemma', state: 'failed', failure: 'timeout', memoryBytes: undefined } as const
  const readings = new Map(serviceReadings([serviceState({ waiting: 3 }), serviceState(failed)]))
  const metrics = readMetrics([...slicesOf(new Registry(100), readings, () => 0)].join(''))
  const value = (name: string, provider: string, labels = {}) =>
    metrics.value(`llm_gateway_service_${name}`, { provider, ...labels })
  assert.equal(metrics.sum('llm_gateway_service_state'), 2)
  assert.equal(value('state', 'qwen', { state: 'ready' }), 1)
  assert.equal(value('state', 'gemma', { state: 'failed' }), 1)
  assert.deepEqual([value('failing', 'qwen'), value('failing', 'gemma')], [0, 1])
  assert.deepEqual([value('waiting', 'qwen'), value('waiting', 'gemma')], [3, 0])
  assert.deepEqual(
    [value('memory_bytes', 'qwen'), value('memory_bytes', 'gemma')],
    [4.5 * 2 ** 30, undefined],
  )
})
