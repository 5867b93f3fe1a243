// What doctor finds of messages to the operator: places, never values.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { examineNotify } from '../../../src/cli/doctor/notify.ts'
import { loadText, scratchDirectory } from '../../support/config-file.ts'

const text = `providers: { e: { kind: echo } }
models: { m: { provider: e } }
notify:
  sinks:
    team: { kind: slack, url: { env: HOOK } }
    am: { kind: alertmanager, url: "http://127.0.0.1:9093", min_severity: info }
  heartbeat: { url: { env: HOOK } }
`

test('each sink is named with the place of its secret, and what waits is a warning', (t) => {
  const loaded = loadText(t, text, { env: { HOOK: 'https://hooks.example/secret-path' } })
  assert.ok(loaded.ok)
  const { notify } = loaded.config
  const command = 'llm-gateway'
  const findings = examineNotify(notify, { state: undefined, command })
  assert.deepEqual(findings, [
    { subject: 'notify.sinks.team', state: 'ok', detail: 'slack, from warning on; env HOOK' },
    { subject: 'notify.sinks.am', state: 'ok', detail: 'alertmanager, from info on' },
    { subject: 'notify.heartbeat', state: 'ok', detail: 'every 60 s; env HOOK' },
  ])
  const path = scratchDirectory(t)
  mkdirSync(path, { recursive: true })
  const notice = {
    kind: 'firing',
    rule: 'ProviderAuth',
    subject: 'openai',
    severity: 'critical',
    at: '2026-11-28T10:00:00Z',
    since: '2026-11-28T10:00:00Z',
    what: 'a',
    why: 'b',
    fix: 'c',
  }
  const alerts = {
    version: 1,
    conditions: [],
    waiting: { team: [notice, { ...notice, kind: 'odd' }], am: [] },
  }
  writeFileSync(join(path, 'alerts.json'), JSON.stringify(alerts))
  const [team, am] = examineNotify(notify, { state: { path }, command })
  assert.deepEqual(team, {
    subject: 'notify.sinks.team',
    state: 'warn',
    detail: '1 message could not be sent so far; notification_failed in the log has the reason',
    fix: 'llm-gateway notify test team',
  })
  assert.equal(am?.state, 'ok')
  writeFileSync(join(path, 'alerts.json'), '{"version":1,"waiting":[1],"conditions":{"a":1}}')
  assert.equal(examineNotify(notify, { state: { path }, command })[0]?.state, 'ok')
})
