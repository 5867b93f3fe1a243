// The rules for Prometheus and what they and the dashboard name, as files.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { parse } from 'yaml'

import { families } from '../../src/observe/metrics/families.ts'
import { gauges } from '../../src/observe/metrics/gauges.ts'
import { rules as ownRules } from '../../src/observe/alerts/rules.ts'

const folder = join(import.meta.dirname, '../../config/examples')

interface Rule {
  readonly alert: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

const rules = (
  parse(readFileSync(join(folder, 'prometheus-rules.yml'), 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[]
  }
).groups.flatMap((group) => group.rules)

test('each alert is expected to fire by a test, and explains itself', () => {
  const tests = readFileSync(join(folder, 'prometheus-rules-test.yml'), 'utf8')
  for (const { alert, labels, annotations } of rules) {
    assert.ok(tests.includes(`{alertname="${alert}"`), alert)
    assert.match(labels['severity'] ?? '', /^(?:critical|warning|info|none)$/, alert)
    assert.deepEqual(Object.keys(annotations), ['summary', 'description'], alert)
  }
})

test('each condition that the gateway looks for by itself has a rule, but the one that is of its log only', () => {
  const names = new Set(rules.map(({ alert }) => alert))
  assert.deepEqual(
    Object.values(ownRules)
      .map(({ alert }) => alert)
      .filter((alert) => !names.has(`LlmGateway${alert}`)),
    ['Degraded'],
  )
})

/** Of a counter or gauge its name, of a histogram those of its parts. */
const seriesNames = new Set([
  ...Object.entries(families).flatMap(([name, family]) =>
    'buckets' in family ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
  ),
  ...Object.keys(gauges),
])

for (const file of ['prometheus-rules.yml', 'prometheus-rules-test.yml', 'grafana-dashboard.json']) {
  test(`the metrics that ${file} names exist`, () => {
    const text = readFileSync(join(folder, file), 'utf8')
    const named = new Set([...text.matchAll(/\b(?:llm_gateway|process)_[a-z_]+/g)].map(([name]) => name))
    assert.ok(named.size > 10)
    assert.deepEqual(
      [...named].filter((name) => !seriesNames.has(name.replace('llm_gateway_', ''))),
      [],
    )
  })
}
