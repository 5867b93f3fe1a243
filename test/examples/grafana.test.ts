// The dashboard as JSON; there is no Grafana to run it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { parse } from 'yaml'

const folder = join(import.meta.dirname, '../../config/examples')
const text = readFileSync(join(folder, 'grafana-dashboard.json'), 'utf8')

interface Panel {
  readonly id: number
  readonly title: string
  readonly datasource: unknown
  readonly gridPos: { readonly x: number; readonly w: number }
  readonly targets: readonly { readonly datasource: unknown }[]
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
