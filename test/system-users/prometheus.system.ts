// A real Prometheus, as the user that Debian's package makes for it, reads the metrics of a gateway of several threads.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { startGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { soon, until } from '../support/deadline.ts'
import { echo } from '../support/gateway-config.ts'
import { missing, unless } from '../support/needs.ts'
import { commander, obedientEntry } from '../support/obedient-workers.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { callAs } from './other-users.ts'
import { freePort } from '../support/free-port.ts'

const example = readFileSync(join(import.meta.dirname, '../../config/examples/prometheus.yml'), 'utf8')
const hasUser = /^prometheus:/m.test(readFileSync('/etc/passwd', 'utf8'))
const skip =
  unless(process.getuid?.() === 0, 'needs root, to become other users') ||
  missing('prometheus', 'setpriv') ||
  unless(hasUser, "needs Debian's user prometheus")

suite('Prometheus', { skip }, () => {
  test('reads every call of all threads, also of one that dies, and may do nothing else', async (t) => {
    const setup = { ...echo, server: { workers: 3 }, metrics: { allowed_users: ['prometheus'] } }
    const { gateway } = await startGateway(t, setup, { workerEntry: obedientEntry })
    const { query } = await startPrometheus(t, gateway.url)
    await until(async () => (await query('up')) === 1, 'the target to be up')
    assert.equal(await query('sum(llm_gateway_calls_total)'), 0)

    const call = async () => {
      const request = rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","messages":[]}')
      assert.equal((await exchange(t, gateway.url, request)).status, 200)
    }
    await Promise.all(Array.from({ length: 20 }, call))
    const counted = 'sum(llm_gateway_calls_total{outcome="ok"})'
    await until(async () => (await query(counted)) === 20, 'Prometheus to have the calls')
    commander(t).fail(2)
    await gateway.logged({ event: 'worker_restarted' })
    await Promise.all(Array.from({ length: 10 }, call))
    await until(async () => (await query(counted)) === 30, 'Prometheus to have the other calls')
    assert.equal(await query('sum(resets(llm_gateway_calls_total[5m]))'), 0)
    assert.equal(await query('sum(resets(llm_gateway_event_loop_active_seconds_total[5m]))'), 0)
    await until(async () => (await query('llm_gateway_worker_restarts_total')) === 1, 'the restart')
    assert.ok((await query('sum(increase(llm_gateway_calls_total[5m]))'))! > 0)

    const uid = Number(execFileSync('id', ['-u', 'prometheus'], { encoding: 'utf8' }))
    const models = rawRequest('GET /v1/models', { connection: 'close' })
    assert.match(await callAs(uid, gateway.url, models), /^HTTP\/1\.1 403 [^]*user_not_allowed/)
  })

  test('is refused without being listed', async (t) => {
    const { gateway } = await startGateway(t, echo)
    await chat(gateway, 'plain')
    const { query } = await startPrometheus(t, gateway.url)
    await until(async () => (await query('up')) === 0, 'the target to be down')
    assert.equal(await query('sum(llm_gateway_calls_total)'), undefined)
  })
})

interface Prometheus {
  /** The value of an expression that has one; undefined: it has none so far. */
  readonly query: (expression: string) => Promise<number | undefined>
}

/** With the example file, which scrapes more often here and has no rules. */
async function startPrometheus(t: Cleanup, target: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const config = example
    .replace('scrape_interval: 15s', 'scrape_interval: 200ms\n  scrape_timeout: 200ms')
    .replace(/^rule_files:\n(?: .*\n)*/m, '')
    .replace(/^alerting:\n(?: .*\n)*/m, '')
    .replace('localhost:4000', new URL(target).host)
  writeFileSync(join(folder, 'prometheus.yml'), config)
  execFileSync('chown', ['-R', 'prometheus:prometheus', folder])
  const port = await freePort()
  const user = ['--reuid=prometheus', '--regid=prometheus', '--clear-groups']
  const options = ['--config.file=prometheus.yml', '--storage.tsdb.path=data']
  const child = spawn(
    'setpriv',
    [...user, 'prometheus', ...options, `--web.listen-address=127.0.0.1:${port}`],
    { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill()
    await soon(ended, () => 'the end of Prometheus')
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  const url = `http://127.0.0.1:${port}`
  const isReady = async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true
  await until(async () => child.exitCode !== null || (await isReady()), 'Prometheus')
  assert.equal(child.exitCode, null, log)
  return {
    async query(expression) {
      const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)
      const answer = (await response.json()) as {
        readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] }
      }
      const [first] = answer.data.result
      return first === undefined ? undefined : Number(first.value[1])
    },
  }
}
