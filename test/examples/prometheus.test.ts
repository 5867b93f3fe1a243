// The files for Prometheus and Alertmanager, checked by the programs that read them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { parse } from 'yaml'

import { families } from '../../src/observe/metrics/families.ts'
import { gauges } from '../../src/observe/metrics/gauges.ts'
import { rules as ownRules } from '../../src/observe/alerts/rules.ts'
import { missing } from '../support/needs.ts'

const folder = join(import.meta.dirname, '../../config/examples')

/** @returns what the program prints. @throws where its exit status is not 0. */
function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
}

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

const rules = (
  parse(readFileSync(join(folder, 'prometheus-rules.yml'), 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[]
  }
).groups.flatMap((group) => group.rules)

suite('Prometheus', { skip: missing('promtool') }, () => {
  test('accepts the configuration and the rules that it names', () => {
    assert.match(run('promtool', 'check', 'config', 'prometheus.yml'), /1 rule files found/)
    assert.match(
      run('promtool', 'check', 'rules', 'prometheus-rules.yml'),
      new RegExp(`${rules.length} rules`),
    )
  })

  test('fires each alert when it should, and no other', () => {
    assert.match(run('promtool', 'test', 'rules', 'prometheus-rules-test.yml'), /SUCCESS/)
  })
})

test('Alertmanager accepts its configuration', { skip: missing('amtool') }, () => {
  assert.match(run('amtool', 'check-config', 'alertmanager.yml'), /SUCCESS[^]*3 receivers/)
})

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
