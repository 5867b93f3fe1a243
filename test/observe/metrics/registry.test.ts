import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Registry } from '../../../src/observe/metrics/registry.ts'

suite('the registry', () => {
  test('reads the series of a counter by its labels', () => {
    const registry = new Registry(100)
    registry.add(registry.cell('attempts_total', ['a', 'ok']), 2)
    registry.add(registry.cell('attempts_total', ['a', 'timeout']), 0)
    registry.add(registry.cell('attempts_total', ['a', 'ok']), 1)
    assert.deepEqual(
      [...registry.series('attempts_total')],
      [
        { labels: { provider: 'a', result: 'ok' }, value: 3 },
        { labels: { provider: 'a', result: 'timeout' }, value: 0 },
      ],
    )
  })

  test('keeps its numbers while it grows', () => {
    const registry = new Registry(100_000)
    const cells = Array.from({ length: 5_000 }, (_, index) => {
      const cell = registry.cell('refusals_total', [`c${index}`])
      registry.add(cell, index)
      return cell
    })
    assert.deepEqual(
      cells.map((cell) => registry.at(cell)),
      cells.map((_, index) => index),
    )
  })

  test('counts further names as other ones when it is full', () => {
    const registry = new Registry(3)
    for (let index = 0; index < 1_000; index += 1) {
      registry.add(registry.cell('attempts_total', [`p${index}`, 'ok']), 1)
    }
    // With `other` and the number of the updates under that name.
    assert.equal(registry.lines, 5)
    assert.deepEqual([...registry.series('attempts_total')].at(-1), {
      labels: { provider: 'other', result: 'ok' },
      value: 997,
    })
  })
})
