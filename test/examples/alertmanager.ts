// A real Alertmanager, and servers that play the services it sends to.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { runAlertmanager } from '../support/alertmanager-process.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

const example = readFileSync(join(import.meta.dirname, '../../config/examples/alertmanager.yml'), 'utf8')

export type Alert = Readonly<Record<'labels' | 'annotations', Readonly<Record<string, string>>>>

export interface Alertmanager {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  /** Sends alerts as Prometheus does. */
  readonly post: (alerts: readonly Alert[], options?: { readonly isOver?: boolean }) => Promise<void>
  /** Bodies that PagerDuty and Slack have received. */
  readonly pager: readonly string[]
  readonly team: readonly string[]
}

/** Starts it with the example file, short waits and receivers of its own, and ends it after the test. */
export async function startAlertmanager(t: Cleanup): Promise<Alertmanager> {
  const folder = mkdtempSync(join(tmpdir(), 'alertmanager-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const [pager, team]: [string[], string[]] = [[], []]
  const pagerUrl = await startReceiver(t, pager, 202)
  const teamUrl = await startReceiver(t, team, 200)
  writeFileSync(join(folder, 'pagerduty-routing-key'), 'routing-key')
  writeFileSync(join(folder, 'slack-webhook-url'), teamUrl)
  const config = example
    .replaceAll('/etc/alertmanager/', `${folder}/`)
    .replace('send_resolved: true', `send_resolved: true\n        url: ${pagerUrl}`)
    .replace('group_wait: 30s', 'group_wait: 200ms')
    .replace('group_interval: 5m', 'group_interval: 300ms')
  const url = await runAlertmanager(t, folder, config)
  return {
    url,
    pager,
    team,
    async post(alerts, { isOver = false } = {}) {
      const now = Date.now()
      const sent = alerts.map((alert) => ({
        ...alert,
        // One that began earlier than `group_wait` ago is sent at once, without the others of its group.
        startsAt: new Date(isOver ? now - 60_000 : now).toJSON(),
        endsAt: new Date(isOver ? now - 1 : now + 600_000).toJSON(),
      }))
      const response = await fetch(`${url}/api/v2/alerts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(sent),
      })
      assert.equal(response.status, 200, await response.text())
    },
  }
}

/** @returns the URL of a service that accepts every message with this status. */
async function startReceiver(t: Cleanup, bodies: string[], status: number): Promise<string> {
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      bodies.push(body)
      response.writeHead(status, { 'content-type': 'application/json' }).end('{"status":"success"}')
    })
  })
  const port = await listen(server)
  t.after(() => server.close().closeAllConnections())
  return `http://127.0.0.1:${port}/in`
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
