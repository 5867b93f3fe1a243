import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Registry } from '../../../src/observe/metrics/registry.ts'
import { slicesOf } from '../../../src/observe/metrics/render.ts'
import { metricsSink } from '../../../src/observe/sinks/metrics.ts'
import { callFacts } from '../../support/call-facts.ts'
import { readMetrics } from '../../support/metrics-text.ts'

const textOf = (registry: Registry) => [...slicesOf(registry, new Map(), () => 0)].join('')

suite('names', () => {
  test('of 100,000 models, providers and clients make no more series than may be', () => {
    let full = 0
    const registry = new Registry(2_000, () => (full += 1))
    const sink = metricsSink(registry, { maxModels: 200, hasClients: true })
    for (let index = 0; index < 100_000; index += 1) {
      const call = callFacts({ model: `x/${index}`, provider: `p${index % 300}`, client: `ip:${index}` })
      sink.receive({ kind: 'call_ended', call, counted_model: 'x/*' })
      sink.receive({ kind: 'call_ended', call, counted_model: `listed/${index}` })
    }
    const metrics = readMetrics(textOf(registry))
    assert.ok(registry.lines < 3_000, String(registry.lines))
    assert.equal(full, 1)
    assert.equal(metrics.sum('llm_gateway_calls_total'), 200_000)
    assert.equal(metrics.sum('llm_gateway_client_calls_total'), 200_000)
    assert.ok(metrics.value('llm_gateway_metrics_overflow_total')! > 100_000)
    const models = new Set(metrics.samples.map(({ labels }) => labels['model']).filter(Boolean))
    assert.ok(models.size <= 100, [...models].join())
  })

  test('below a wildcard count by themselves once a provider has answered for them', () => {
    const registry = new Registry(1_000)
    const sink = metricsSink(registry, { maxModels: 1, hasClients: false })
    const count = (model: string, status: number) =>
      sink.receive({ kind: 'call_ended', call: callFacts({ model, status }), counted_model: 'x/*' })
    count('x/made-up', 404)
    count('x/real', 200)
    count('x/real', 404)
    count('x/second', 200)
    const metrics = readMetrics(textOf(registry))
    assert.equal(metrics.sum('llm_gateway_calls_total', { model: 'x/*' }), 2)
    assert.equal(metrics.sum('llm_gateway_calls_total', { model: 'x/real' }), 2)
  })

  test('of clients are in no label unless the configuration wants them', () => {
    const registry = new Registry(1_000)
    const sink = metricsSink(registry, { maxModels: 10, hasClients: false })
    sink.receive({ kind: 'call_ended', call: callFacts({ client: 'mail:ann@example.org' }) })
    assert.doesNotMatch(textOf(registry), /ann/)
  })
})

test('values that are no numbers are dropped and counted, and nothing throws', () => {
  const registry = new Registry(1_000)
  const sink = metricsSink(registry, { maxModels: 10, hasClients: false })
  const odd = [NaN, Infinity, -1]
  for (const value of odd) {
    const call = callFacts({ prompt_tokens: value, duration_ms: value, gateway_ms: value, provider: 'p' })
    sink.receive({ kind: 'call_ended', call, counted_model: 'm' })
  }
  const metrics = readMetrics(textOf(registry))
  assert.equal(metrics.sum('llm_gateway_calls_total'), 3)
  assert.ok(metrics.value('llm_gateway_metrics_dropped_total')! >= 8)
})

test('messages and spans are counted by what became of them', () => {
  const registry = new Registry(1_000)
  const sink = metricsSink(registry, { maxModels: 10, hasClients: false })
  sink.receive({ kind: 'notification_sent', sink: 'team', notices: 3 })
  sink.receive({ kind: 'notification_failed', sink: 'team', reason: 'status 500', retry_in_ms: 1 })
  sink.receive({ kind: 'notification_suppressed', sink: 'team', notices: 2, reason: 'old' })
  sink.receive({ kind: 'spans_counted', result: 'dropped', count: 7 })
  const metrics = readMetrics(textOf(registry))
  const messages = (result: string) =>
    metrics.value('llm_gateway_notifications_total', { sink: 'team', result })
  assert.deepEqual(['sent', 'failed', 'suppressed'].map(messages), [1, 1, 2])
  assert.equal(metrics.value('llm_gateway_otlp_spans_total', { result: 'dropped' }), 7)
})

test('failures to keep state, and bugs, are counted', () => {
  const registry = new Registry(1_000)
  const sink = metricsSink(registry, { maxModels: 10, hasClients: false })
  const cause = new Error('full')
  sink.receive({ kind: 'limits_not_saved', cause })
  sink.receive({ kind: 'owners_not_kept', cause })
  sink.receive({ kind: 'internal_error', error: cause, where: 'a test' })
  sink.receive({ kind: 'peer_users_unreadable', cause })
  sink.receive({ kind: 'polled', provider: 'p', poll: 'health', is_ok: false })
  const metrics = readMetrics(textOf(registry))
  assert.equal(metrics.value('llm_gateway_state_save_failures_total'), 2)
  assert.equal(metrics.value('llm_gateway_internal_errors_total'), 1)
  assert.equal(metrics.value('llm_gateway_peer_users_unreadable_total'), 1)
  assert.equal(metrics.value('llm_gateway_health_checks_total', { provider: 'p', result: 'failed' }), 1)
})

test('refusals that were not reported by themselves are counted with the next one', () => {
  const registry = new Registry(1_000)
  const sink = metricsSink(registry, { maxModels: 10, hasClients: false })
  const refused = { kind: 'refused', client: 'c', method: 'GET', status: 403, reason: 'r' } as const
  sink.receive({ ...refused, code: 'host_not_allowed' })
  sink.receive({ ...refused, code: 'host_not_allowed', unlogged: 9 })
  sink.receive({ ...refused, code: 'user_not_allowed', has_left: true })
  const metrics = readMetrics(textOf(registry))
  assert.equal(metrics.value('llm_gateway_refusals_total', { code: 'host_not_allowed' }), 11)
  assert.equal(metrics.sum('llm_gateway_refusals_total'), 11)
})

suite('model servers', () => {
  const of = { provider: 'qwen', unit: 'qwen.service' }

  test('are counted by how their starts and stops came out', () => {
    const registry = new Registry(1_000)
    const sink = metricsSink(registry, { maxModels: 10, hasClients: false })
    sink.receive({ kind: 'service_adopted', ...of })
    sink.receive({ kind: 'service_ready', ...of, took_ms: 3 })
    sink.receive({ kind: 'service_starting', ...of, reason: 'call' })
    sink.receive({ kind: 'service_ready', ...of, took_ms: 4_200 })
    sink.receive({ kind: 'service_starting', ...of, reason: 'restart', calls: 1 })
    sink.receive({ kind: 'service_ready', ...of, took_ms: 5 })
    sink.receive({ kind: 'service_starting', ...of, reason: 'boot' })
    sink.receive({ kind: 'service_failed', ...of, result: 'exit-code 1', was_ready: false })
    sink.receive({ kind: 'service_failed', ...of, result: 'oom-kill', was_ready: true })
    sink.receive({ kind: 'service_stopping', ...of, reason: 'idle' })
    sink.receive({ kind: 'service_stopped', ...of })
    sink.receive({ kind: 'service_stopped', ...of, reason: 'outside' })
    const metrics = readMetrics(textOf(registry))
    const starts = (result: string) =>
      metrics.value('llm_gateway_service_starts_total', { provider: 'qwen', result })
    const stops = (reason: string) =>
      metrics.value('llm_gateway_service_stops_total', { provider: 'qwen', reason })
    assert.deepEqual([starts('ok'), starts('failed')], [1, 1])
    assert.deepEqual([stops('idle'), stops('failed'), stops('outside')], [1, 2, 1])
    assert.equal(metrics.value('llm_gateway_service_start_seconds_sum', { provider: 'qwen' }), 4.2)
    assert.equal(metrics.value('llm_gateway_service_start_seconds_count', { provider: 'qwen' }), 1)
  })

  test('have calls wait for them, which is no time in line', () => {
    const registry = new Registry(1_000)
    const sink = metricsSink(registry, { maxModels: 10, hasClients: false })
    const count = (wait_ms: number, start_ms?: number) =>
      sink.receive({ kind: 'call_ended', call: callFacts({ wait_ms, start_ms }), counted_model: 'm' })
    count(5_000, 5_000)
    count(6_500, 6_000)
    count(250)
    const metrics = readMetrics(textOf(registry))
    assert.equal(metrics.value('llm_gateway_service_wait_seconds_sum', { model: 'm' }), 11)
    assert.equal(metrics.value('llm_gateway_service_wait_seconds_count', { model: 'm' }), 2)
    assert.equal(metrics.value('llm_gateway_queue_wait_seconds_sum', { model: 'm' }), 0.75)
    assert.equal(metrics.value('llm_gateway_queue_wait_seconds_count', { model: 'm' }), 2)
  })
})
