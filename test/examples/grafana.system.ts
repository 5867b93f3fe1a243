import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { stringify } from 'yaml'

import { missing } from '../support/needs.ts'

interface Dashboard {
  readonly panels: readonly { readonly id: number; readonly targets: readonly { readonly expr: string }[] }[]
}

const path = join(import.meta.dirname, '../../config/examples/grafana-dashboard.json')

test('Prometheus reads each query of the dashboard', { skip: missing('promtool') }, (t) => {
  const { panels } = JSON.parse(readFileSync(path, 'utf8')) as Dashboard
  const scratch = mkdtempSync(join(tmpdir(), 'dashboard-'))
  t.after(() => rmSync(scratch, { recursive: true, force: true }))
  const rules = panels.flatMap(({ id, targets }) =>
    targets.map(({ expr }, index) => ({
      record: `panel:${id}:${index}`,
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*'),
    })),
  )
  const file = join(scratch, 'rules.yml')
  writeFileSync(file, stringify({ groups: [{ name: 'dashboard', rules }] }))
  const printed = execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8' })
  assert.match(printed, new RegExp(`${rules.length} rules`))
})
