// What the journal of a real user manager has of the gateway's lines, and who reads it: shippers, and the report.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { until } from '../support/deadline.ts'
import { findProgram, missing } from '../support/needs.ts'
import { startMachine } from '../support/machine.ts'
import { echoConfig, journal, noUserManager, startInstalled, streamCommand } from '../support/user-manager.ts'
import type { UserManager } from '../support/user-manager.ts'

const skip = noUserManager()
const examples = join(import.meta.dirname, '../../config/examples')
const gateway = 'llm-gateway/bin/llm-gateway'

/** DEL, a control of C1, one of ESC, and a mark that turns the direction of text. */
const hostile = 'a\u007fb\u0085c\u001bd\u202ee'

function call(manager: UserManager, model: string, filler = ''): Promise<string> {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }], metadata: filler })
  return manager.ok(
    "curl -sS --max-time 20 http://127.0.0.1:4000/v1/chat/completions -H 'content-type: application/json' --data-binary @-",
    { input: body },
  )
}

/** The records of the journal about the unit, as a shipper reads them. */
async function records(manager: UserManager): Promise<Record<string, unknown>[]> {
  await manager.ok('journalctl --sync && chmod -R a+rX /run/log/journal', { isRoot: true })
  const text = await manager.ok('journalctl -q -o json --user-unit llm-gateway -t llm-gateway')
  return text.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** Calls are logged when they have ended, a moment after the client has its response. */
async function recordsOfCalls(manager: UserManager, count: number): Promise<Record<string, unknown>[]> {
  const ofCalls = async () =>
    (await records(manager)).filter(({ MESSAGE: message }) => String(message).includes('"attempts":'))
  await until(async () => (await ofCalls()).length >= count, `${count} lines of calls`)
  return ofCalls()
}

test(
  'each line is one record of printable JSON, of the unit, and shorter than 8 KiB',
  { skip },
  async (t) => {
    const manager = await startInstalled(t)
    await manager.ok(streamCommand())
    await call(manager, hostile)
    await call(manager, 'x'.repeat(100_000))
    await call(manager, '\u0085'.repeat(100_000))
    const found = await recordsOfCalls(manager, 4)
    for (const { MESSAGE: message, _SYSTEMD_USER_UNIT: unit, PRIORITY: priority } of found) {
      // A list of bytes stands for what is not printable, and shippers do not read it.
      assert.equal(typeof message, 'string')
      const { level } = JSON.parse(String(message)) as { readonly level: string }
      assert.deepEqual([unit, priority], ['llm-gateway.service', level === 'INFO' ? '6' : '4'])
      assert.ok(Buffer.byteLength(String(message)) < 8192, `${String(message).length} characters`)
    }
    const named = found.map(
      ({ MESSAGE: message }) => (JSON.parse(String(message)) as { model: string }).model,
    )
    assert.ok(named.includes(hostile), named.map((name) => name?.slice(0, 20)).join())
  },
)

test(
  'rsyslog sends each line as JSON, with its example file',
  { skip: skip || missing('rsyslogd') },
  async (t) => {
    const manager = await startInstalled(t)
    const target = '/run/shipped'
    const config = readFileSync(join(examples, 'rsyslog.conf'), 'utf8')
      .replace(/type="omfwd" [^]*?template=/, `type="omfile" file="${target}" template=`)
      .replace(/\s+queue\.type=[^)]*\)/, ')')
    await manager.ok(`cat >/run/rsyslog.conf`, {
      input: `global(workDirectory="/run")\n${config}`,
      isRoot: true,
    })
    await manager.ok(streamCommand())
    await call(manager, hostile)
    const lines = await recordsOfCalls(manager, 2)
    await manager.ok(`${findProgram('rsyslogd')} -i /run/rsyslog.pid -f /run/rsyslog.conf`, { isRoot: true })
    const shipped = async () => {
      const text = (await manager.sh(`cat ${target}`, { isRoot: true })).stdout
      return text.split('\n').filter((line) => line.includes('"attempts":'))
    }
    await until(async () => (await shipped()).length >= 2, 'lines from rsyslog')
    const gateways = (await shipped()).map((line) => (JSON.parse(line) as { gateway: object }).gateway)
    assert.deepEqual(
      gateways,
      lines.map(({ MESSAGE: message }) => JSON.parse(String(message)) as object),
    )
  },
)

test('the report has the same calls from the journal as from the ledger', { skip }, async (t) => {
  const manager = await startInstalled(t, `${echoConfig}audit: { enabled: true }\n`)
  await manager.ok(streamCommand())
  await call(manager, hostile)
  await call(manager, 'slow')
  await recordsOfCalls(manager, 3)
  await manager.ok('systemctl --user stop llm-gateway.socket llm-gateway')
  await journal(manager)
  const report = async (options: string) =>
    JSON.parse(await manager.ok(`${gateway} report --since 1h --json ${options}`)) as {
      readonly calls: { readonly from: string; readonly total: number; readonly outcomes: object }
      readonly sources: readonly {
        readonly name: string
        readonly state: string
        readonly note: string | null
      }[]
    }
  const fromJournal = await report('')
  const fromLedger = await report('--file /nonexistent')
  assert.deepEqual([fromJournal.calls.from, fromLedger.calls.from], ['log', 'ledger'])
  assert.deepEqual({ ...fromJournal.calls, from: '' }, { ...fromLedger.calls, from: '' })
  assert.equal(fromJournal.calls.total, 3)
  assert.equal(fromJournal.sources.find(({ name }) => name === 'log')?.state, 'whole')
})

test(
  'the timers of the report are clean, and a run leaves the report in the journal',
  { skip },
  async (t) => {
    const manager = await startInstalled(t)
    await manager.ok(streamCommand())
    await recordsOfCalls(manager, 1)
    await manager.ok(`mkdir -p bin && ln -s ~/${gateway} bin/llm-gateway
    cp llm-gateway/systemd/examples/llm-gateway-report@.* .config/systemd/user/
    systemctl --user set-environment PATH=$HOME/bin:$PATH && systemctl --user daemon-reload`)
    await manager.ok('systemd-analyze --user verify --man=no llm-gateway-report@{daily,weekly,monthly}.timer')
    await manager.ok('systemctl --user enable --now llm-gateway-report@{daily,weekly,monthly}.timer')
    const timers = await manager.ok('systemctl --user list-timers --all --no-pager')
    for (const name of ['daily', 'weekly', 'monthly'])
      assert.match(timers, new RegExp(`report@${name}\\.timer`))
    const started = await manager.sh('systemctl --user start llm-gateway-report@daily.service')
    await manager.ok('journalctl --sync && chmod -R a+rX /run/log/journal', { isRoot: true })
    const text = await manager.ok('journalctl -q -o cat -t llm-gateway-report')
    assert.match(text, /^Report of \d{4}-\d\d-\d\d, /m, started.stderr)
    assert.match(text, /^ledger \(.*usage\.db\): whole/m)
  },
)

test("the service's own journal reads each of its settings", { skip }, async (t) => {
  const manager = await startInstalled(t)
  const conf = readFileSync(
    join(import.meta.dirname, '../../systemd/examples/journald-llm-gateway.conf'),
    'utf8',
  )
  const printed = async (text: string) => {
    await manager.ok(
      'mkdir -p /run/systemd/journald@own.conf.d && cat >/run/systemd/journald@own.conf.d/own.conf',
      {
        input: text,
        isRoot: true,
      },
    )
    const start = 'SYSTEMD_LOG_TARGET=console timeout 1 /lib/systemd/systemd-journald own'
    return (await manager.sh(start, { isRoot: true })).stderr
  }
  assert.doesNotMatch(await printed(conf), /Unknown|Failed to parse|Invalid/)
  assert.match(await printed(`${conf}\nMaxRetentionDays=90\n`), /Unknown/)
})

test("the system-wide service has its report too, as the unit's first lines say", { skip }, async (t) => {
  const machine = await startMachine(t)
  const root = { isRoot: true, env: { HOME: '/root' } }
  const config = { input: `${echoConfig}access: { allowed_users: [gateway] }\n`, ...root }
  await machine.ok('mkdir -p /etc/llm-gateway && cat >/etc/llm-gateway/llm-gateway.yaml', config)
  await machine.ok(`${gateway} systemd install --system`, root)
  await machine.ok(streamCommand())
  const edits = [
    's|^PrivateUsers=yes|DynamicUser=yes\\nUser=llm-gateway\\nStateDirectory=llm-gateway\\nSupplementaryGroups=systemd-journal|',
    's|^ExecStart=.*|ExecStart=PROGRAM report --system --since 1h --check|',
  ]
  await machine.ok(
    `cd /etc/systemd/system; cp ${machine.home}/llm-gateway/systemd/examples/llm-gateway-report@.* .
    program=$(sed -n 's/^ExecStart=\\(.*\\) serve .*/\\1/p' llm-gateway.service)
    sed -i "${edits.join('; ').replace('PROGRAM', '$program')}" llm-gateway-report@.service
    systemctl daemon-reload; journalctl --sync; chgrp -R systemd-journal /run/log/journal; chmod -R g+rX /run/log/journal`,
    root,
  )
  const { status, stderr } = await machine.sh('systemctl start llm-gateway-report@daily.service', root)
  const text = await machine.ok('journalctl --sync; journalctl -q -o cat -t llm-gateway-report', root)
  assert.equal(status, 0, stderr + text)
  assert.match(text, /^ledger \(\/var\/lib\/llm-gateway\/usage\.db\): whole/m)
  assert.match(text, /^log \(the journal\): whole/m)
  assert.match(text, /^user:gateway +1 /m)
})
