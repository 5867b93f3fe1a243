// From a gateway to the pager with the example files: Prometheus scrapes it, evaluates the rules and sends alerts to Alertmanager.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { startGatewayProcess } from '../support/gateway-process.ts'
import { soon, until } from '../support/deadline.ts'
import { missing } from '../support/needs.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { freePort } from '../support/free-port.ts'
import { startAlertmanager } from './alertmanager.ts'

const folder = join(import.meta.dirname, '../../config/examples')
const skip = missing('prometheus', 'prometheus-alertmanager')

test('the first refusal of a key pages, and so does the end of the gateway', { skip }, async (t) => {
  const { gateway, upstream } = await startGatewayProcess(t)
  const alertmanager = await startAlertmanager(t)
  const prometheus = await startPrometheus(t, gateway.url, alertmanager.url)
  await until(async () => (await prometheus.value('up')) === '1', 'the scrape')

  upstream.respondAlways(json(401, { error: { message: 'no' } }))
  await exchange(
    t,
    gateway.url,
    rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","messages":[]}'),
  )
  await until(() => alertmanager.pager.some((body) => body.includes('ProviderAuth')), 'the page')
  assert.match(alertmanager.pager[0]!, /"event_action":"trigger".*Provider scripted refuses the key\./)
  await until(() => alertmanager.team.some((body) => body.includes('ProviderAuth')), 'the message')

  await gateway.stop()
  await until(() => alertmanager.pager.some((body) => body.includes('LlmGatewayDown')), 'the page of the end')
})

interface Prometheus {
  /** Of the only series of an expression; undefined: there is none so far. */
  readonly value: (expression: string) => Promise<string | undefined>
}

/** With the example files, of which addresses and intervals are replaced, and the two minutes until it is down. */
async function startPrometheus(t: Cleanup, gateway: string, alertmanager: string): Promise<Prometheus> {
  const directory = mkdtempSync(join(tmpdir(), 'prometheus-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const read = (file: string) => readFileSync(join(folder, file), 'utf8')
  const config = read('prometheus.yml')
    .replace('scrape_interval: 15s', 'scrape_interval: 200ms\n  scrape_timeout: 200ms')
    .replace('evaluation_interval: 15s', 'evaluation_interval: 200ms')
    .replace('localhost:4000', new URL(gateway).host)
    .replace('127.0.0.1:9093', new URL(alertmanager).host)
  writeFileSync(join(directory, 'prometheus.yml'), config)
  writeFileSync(
    join(directory, 'prometheus-rules.yml'),
    read('prometheus-rules.yml').replace('for: 2m', 'for: 400ms'),
  )
  const port = await freePort()
  const child = spawn(
    'prometheus',
    ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${port}`],
    { cwd: directory, stdio: 'ignore' },
  )
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill()
    await soon(ended, () => 'the end of Prometheus')
  })
  const url = `http://127.0.0.1:${port}`
  await until(async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true, 'Prometheus')
  return {
    async value(expression) {
      const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)
      const { data } = (await response.json()) as {
        readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] }
      }
      return data.result[0]?.value[1]
    },
  }
}
