// A real Alertmanager that the gateway itself sends its conditions to: they fire there, and they end there.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { alertmanagerProgram, runAlertmanager } from '../support/alertmanager-process.ts'
import { startGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { missing } from '../support/needs.ts'
import { startReceiver } from '../support/receiver.ts'
import { json } from '../support/upstream-script.ts'

interface Forwarded {
  readonly status: string
  readonly alerts: readonly { readonly status: string; readonly labels: Record<string, string> }[]
}

test('a condition fires and ends in Alertmanager', { skip: missing(alertmanagerProgram) }, async (t) => {
  const receiver = await startReceiver(t)
  const url = await startAlertmanager(t, `${receiver.url}/in`)
  const notify = { sinks: { am: { kind: 'alertmanager', url } }, quiet_start_ms: 0 } as const
  const { gateway, upstream } = await startGateway(t, { notify })
  upstream.respond(json(401, {}))
  await chat(gateway, 'plain')
  await receiver.count(1)
  const [firing] = receiver.received.map(({ body }) => body as Forwarded)
  assert.ok(firing?.status === 'firing')
  const { instance, ...labels } = firing.alerts[0]!.labels
  assert.ok(instance)
  assert.deepEqual(labels, {
    alertname: 'LlmGatewayProviderAuth',
    job: 'llm-gateway',
    provider: 'scripted',
    severity: 'critical',
  })
  upstream.respondAlways(whole())
  await chat(gateway, 'plain')
  await receiver.count(2)
  const ended = receiver.received[1]!.body as Forwarded
  assert.equal(ended.status, 'resolved')
  assert.deepEqual(ended.alerts[0]?.labels, firing.alerts[0]?.labels)
})

/** @param hook receives what it forwards. @returns its address. */
async function startAlertmanager(t: TestContext, hook: string): Promise<string> {
  const folder = scratchDirectory(t)
  const config = `route: { receiver: hook, group_wait: 200ms, group_interval: 300ms, group_by: [alertname] }
receivers: [{ name: hook, webhook_configs: [{ url: "${hook}", send_resolved: true }] }]
`
  return runAlertmanager(t, folder, config)
}
