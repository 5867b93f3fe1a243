// The dashboard as JSON and as queries; there is no Grafana to run it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { parse, stringify } from 'yaml'

import { missing } from '../support/needs.ts'

const folder = join(import.meta.dirname, '../../config/examples')
const text = readFileSync(join(folder, 'grafana-dashboard.json'), 'utf8')

interface Panel {
  readonly id: number
  readonly title: string
  readonly datasource: unknown
  readonly gridPos: { readonly x: number; readonly w: number }
  readonly targets: readonly { readonly expr: string; readonly datasource: unknown }[]
}

const dashboard = JSON.parse(text) as {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] }
}

test('a dashboard that Grafana loads by itself names no data source but a variable', () => {
  assert.doesNotMatch(text, /__inputs|\$\{DS_/)
  assert.deepEqual(
    dashboard.templating.list.map(({ name, type }) => `${name} ${type}`),
    ['datasource datasource', 'instance query'],
  )
  for (const { title, datasource, targets } of dashboard.panels)
    for (const each of [datasource, ...targets.map((target) => target.datasource)])
      assert.deepEqual(each, { type: 'prometheus', uid: '${datasource}' }, title)
})

test('there are fifteen panels, each with a number of its own, within the width of the page', () => {
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, 15)
  for (const { title, gridPos } of dashboard.panels) assert.ok(gridPos.x + gridPos.w <= 24, title)
})

test('Prometheus reads each query', { skip: missing('promtool') }, (t) => {
  const scratch = mkdtempSync(join(tmpdir(), 'dashboard-'))
  t.after(() => rmSync(scratch, { recursive: true, force: true }))
  const rules = dashboard.panels.flatMap(({ id, targets }) =>
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

test('the provisioning file finds the dashboard in its folder', () => {
  const { apiVersion, providers } = parse(
    readFileSync(join(folder, 'grafana-provisioning.yaml'), 'utf8'),
  ) as {
    readonly apiVersion: number
    readonly providers: readonly { readonly options: { readonly path: string } }[]
  }
  assert.equal(apiVersion, 1)
  assert.match(providers[0]!.options.path, /dashboards\/llm-gateway$/)
})
