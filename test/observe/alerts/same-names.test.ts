// The gateway's own conditions and the rules for Prometheus have the same names.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { rules } from '../../../src/observe/alerts/rules.ts'

const root = join(import.meta.dirname, '../../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

/** States of a process that Prometheus has other rules for. */
const ownOnly = new Set(['Degraded'])

test('each condition has a rule for Prometheus', () => {
  const forPrometheus = new Set(
    Array.from(
      read('config/examples/prometheus-rules.yml').matchAll(/- alert: LlmGateway(\w+)/g),
      ([, name]) => name,
    ),
  )
  assert.deepEqual(
    Object.values(rules)
      .map(({ alert }) => alert)
      .filter((alert) => !ownOnly.has(alert) && !forPrometheus.has(alert)),
    [],
  )
})

test('the page of alerts has each condition', () => {
  const page = read('docs/alerts.md')
  for (const [rule, { alert }] of Object.entries(rules))
    assert.ok(page.includes(`| \`${rule}\` | ${alert} |`), rule)
})
