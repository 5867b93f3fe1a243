// A real Alertmanager with the example file, of which only waiting times, secrets' files and addresses are replaced.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { soon, until } from '../support/deadline.ts'
import { missing } from '../support/needs.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

const example = readFileSync(join(import.meta.dirname, '../../config/examples/alertmanager.yml'), 'utf8')

type Alert = Readonly<Record<'labels' | 'annotations', Readonly<Record<string, string>>>>

const auth: Alert = {
  labels: {
    alertname: 'LlmGatewayProviderAuth',
    job: 'llm-gateway',
    provider: 'openai',
    severity: 'critical',
  },
  annotations: { summary: 'Provider openai refuses the key.', description: 'Set a valid key.' },
}
const errors = (model: string): Alert => ({
  labels: { alertname: 'LlmGatewayErrorRate', job: 'llm-gateway', model, severity: 'warning' },
  annotations: { summary: `20% of the calls to ${model} fail.`, description: 'Look at /status.' },
})

suite('Alertmanager', { skip: missing('prometheus-alertmanager') }, () => {
  test('pages for a critical alert and writes it to the team, at its end too', async (t) => {
    const { post, pager, team } = await startAlertmanager(t)
    await post([auth])
    await until(() => pager.length === 1 && team.length === 1, 'both messages')
    assert.partialDeepStrictEqual(JSON.parse(pager[0]!), {
      routing_key: 'routing-key',
      event_action: 'trigger',
      payload: {
        summary: 'LlmGatewayProviderAuth: Provider openai refuses the key.',
        severity: 'critical',
        custom_details: { description: 'Set a valid key.', firing: '1' },
      },
    })
    assert.match(team[0]!, /FIRING: LlmGatewayProviderAuth/)
    await post([auth], { isOver: true })
    await until(() => pager.length === 2 && team.length === 2, 'both ends')
    const [begun, ended] = pager.map((body) => JSON.parse(body) as Record<string, unknown>)
    assert.equal(ended!['event_action'], 'resolve')
    assert.equal(ended!['dedup_key'], begun!['dedup_key'])
    assert.match(team[1]!, /RESOLVED: LlmGatewayProviderAuth/)
  })

  test('writes a warning to the team only, one message for each group', async (t) => {
    const { post, pager, team } = await startAlertmanager(t)
    const second = { ...errors('gpt'), labels: { ...errors('gpt').labels, instance: 'localhost:4001' } }
    await post([errors('gpt'), second, errors('qwen')])
    await until(() => team.length === 2, 'the messages of two models')
    assert.deepEqual(pager, [])
    const ofGpt = team.find((body) => body.includes('calls to gpt'))
    assert.equal(ofGpt?.split('calls to gpt').length, 3, 'both alerts are in one message')
  })

  test('lets no name of a model page a channel or disguise a link', async (t) => {
    const { post, team } = await startAlertmanager(t)
    await post([errors('ollama/<!channel> & <https://evil.example|docs>')])
    await until(() => team.length === 1, 'the message')
    const { text } = (JSON.parse(team[0]!) as { readonly attachments: readonly { readonly text: string }[] })
      .attachments[0]!
    assert.match(text, /calls to ollama\/!channel/)
    assert.doesNotMatch(text, /[<>&]/)
  })

  test('is silent about the rest while the gateway is away, and about what is information', async (t) => {
    const { post, pager, team } = await startAlertmanager(t)
    const down: Alert = {
      labels: { alertname: 'LlmGatewayDown', job: 'llm-gateway', severity: 'critical' },
      annotations: { summary: 'It does not answer.', description: 'Start it.' },
    }
    const info: Alert = {
      ...auth,
      labels: { ...auth.labels, alertname: 'LlmGatewayKeyOld', severity: 'info' },
    }
    const watchdog: Alert = { ...auth, labels: { alertname: 'LlmGatewayWatchdog', severity: 'none' } }
    await post([down])
    await until(() => pager.length === 1 && team.length === 1, 'both messages')
    await post([errors('gpt'), info, watchdog])
    // What the others would have led to comes before this one, which is about another group and later.
    await post([{ ...down, labels: { ...down.labels, job: 'other', alertname: 'OtherAlert' } }])
    await until(() => team.length === 2, 'the message of the other alert')
    assert.doesNotMatch(team.join(), /ErrorRate|KeyOld|Watchdog/)
  })
})

interface Scene {
  /** Sends alerts as Prometheus does. */
  readonly post: (alerts: readonly Alert[], options?: { readonly isOver?: boolean }) => Promise<void>
  /** Bodies that PagerDuty and Slack have received. */
  readonly pager: readonly string[]
  readonly team: readonly string[]
}

async function startAlertmanager(t: Cleanup): Promise<Scene> {
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
  writeFileSync(join(folder, 'config.yml'), config)
  const port = await freePort()
  const child = spawn(
    'prometheus-alertmanager',
    [
      '--config.file=config.yml',
      '--storage.path=data',
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
    ],
    { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  )
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
  return {
    pager,
    team,
    async post(alerts, { isOver = false } = {}) {
      const now = Date.now()
      const sent = alerts.map((alert) => ({
        ...alert,
        startsAt: new Date(now - 60_000).toJSON(),
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

/** Alertmanager does not report the port that it was given by the system. */
async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  server.close()
  return port
}
