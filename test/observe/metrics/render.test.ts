import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { families } from '../../../src/observe/metrics/families.ts'
import { Registry } from '../../../src/observe/metrics/registry.ts'
import { slicesOf } from '../../../src/observe/metrics/render.ts'
import { readMetrics } from '../../support/metrics-text.ts'
import { fc } from '../../support/properties.ts'

const textOf = (registry: Registry, readings = new Map()) =>
  [...slicesOf(registry, readings, () => 0)].join('')

suite('the text of metrics', () => {
  test('has a counter and its labels, escaped as the format wants it', () => {
    const registry = new Registry(100)
    registry.add(registry.cell('attempts_total', ['a "b"\\c\nd', 'ok']), 3)
    assert.equal(
      textOf(registry),
      `# HELP llm_gateway_attempts_total ${families.attempts_total.help}\n` +
        '# TYPE llm_gateway_attempts_total counter\n' +
        'llm_gateway_attempts_total{provider="a \\"b\\"\\\\c\\nd",result="ok"} 3\n',
    )
  })

  test('has the buckets of a histogram one above the other', () => {
    const registry = new Registry(100)
    const first = registry.cell('queue_wait_seconds', ['m'])
    registry.add(first + 2, 1)
    registry.add(first + 12, 1)
    registry.add(first + 13, 700.1)
    const metrics = readMetrics(textOf(registry))
    const bucket = (le: string) => metrics.value('llm_gateway_queue_wait_seconds_bucket', { le })
    assert.deepEqual(['0.005', '0.05', '0.1', '600', '+Inf'].map(bucket), [0, 0, 1, 1, 2])
    assert.equal(metrics.value('llm_gateway_queue_wait_seconds_sum', { model: 'm' }), 700.1)
    assert.equal(metrics.value('llm_gateway_queue_wait_seconds_count', { model: 'm' }), 2)
  })

  test('gives names back as they are, whatever is in them', () => {
    const name = fc.string({ unit: 'binary', maxLength: 40 })
    const hostile = fc.oneof(name, fc.constantFrom('"', '\\', '\n', '\\n', '"} 1\n', '\ud800', '\r', ',a="'))
    fc.assert(
      fc.property(fc.uniqueArray(hostile, { minLength: 1, maxLength: 20 }), (names) => {
        const registry = new Registry(10_000)
        for (const each of names) registry.add(registry.cell('attempts_total', [each, 'ok']), 1)
        const { samples } = readMetrics(textOf(registry))
        assert.deepEqual(
          new Set(samples.map(({ labels }) => labels['provider'])),
          new Set(names.map((each) => each.toWellFormed())),
        )
      }),
    )
  })

  test('leaves out what cannot be read, and the head of a gauge without readings', () => {
    const readings = new Map([
      ['process_open_fds', [{ values: [], value: NaN }]],
      ['draining', [{ values: [], value: 1 }]],
    ] as const)
    const { samples, types } = readMetrics(textOf(new Registry(100), readings as never))
    assert.deepEqual(samples, [{ name: 'llm_gateway_draining', labels: {}, value: 1 }])
    assert.deepEqual([...types.keys()], ['llm_gateway_draining'])
  })

  test('comes in slices of whole lines, each with whole histograms', () => {
    const registry = new Registry(200_000)
    for (let index = 0; index < 1_000; index += 1) registry.cell('call_duration_seconds', [`m${index}`, 'p'])
    let nowMs = 0
    const slices = [...slicesOf(registry, new Map(), () => (nowMs += 0.3))]
    assert.ok(slices.length > 20)
    for (const slice of slices) {
      assert.match(slice, /llm_gateway_call_duration_seconds_count\{[^}]*\} 0\n$/)
      assert.ok(slice.length < 140_000)
    }
  })
})
