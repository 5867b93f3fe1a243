import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { families, type FamilyName } from '../../../src/observe/metrics/families.ts'
import { type GaugeName, gauges } from '../../../src/observe/metrics/gauges.ts'
import { Registry } from '../../../src/observe/metrics/registry.ts'
import { slicesOf } from '../../../src/observe/metrics/render.ts'
import { missing } from '../../support/needs.ts'

test('the text of metrics is what promtool accepts', { skip: missing('promtool') }, () => {
  const registry = new Registry(100_000)
  for (const [name, { labels }] of Object.entries(families)) {
    registry.cell(
      name as FamilyName,
      labels.map((each) => `a ${each}`),
    )
  }
  const readings = new Map(
    Object.entries(gauges).map(
      ([name, { labels }]) =>
        [name as GaugeName, [{ values: labels.map((each) => `a ${each}`), value: 1.5 }]] as const,
    ),
  )
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: [...slicesOf(registry, readings, () => 0)].join(''),
    encoding: 'utf8',
  })
  assert.equal(stdout + stderr, '')
  assert.equal(status, 0)
})
