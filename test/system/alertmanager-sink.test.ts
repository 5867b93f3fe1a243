// A real Alertmanager that the gateway itself sends its conditions to: they fire there, and they end there.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { startGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { soon, until } from '../support/deadline.ts'
import { missing } from '../support/needs.ts'
import { startReceiver } from '../support/receiver.ts'
import { json } from '../support/upstream-script.ts'

const program = 'prometheus-alertmanager'

interface Forwarded {
  readonly status: string
  readonly alerts: readonly { readonly status: string; readonly labels: Record<string, string> }[]
}

test('a condition fires and ends in Alertmanager', { skip: missing(program) }, async (t) => {
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
  writeFileSync(join(folder, 'config.yml'), config)
  const port = await freePort()
  const args = [
    '--config.file=config.yml',
    '--storage.path=data',
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
  ]
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill()
    await soon(ended, () => 'the end of Alertmanager')
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  const url = `http://127.0.0.1:${port}`
  const isReady = async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true
  await until(async () => child.exitCode !== null || (await isReady()), 'Alertmanager')
  assert.equal(child.exitCode, null, log)
  return url
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}
