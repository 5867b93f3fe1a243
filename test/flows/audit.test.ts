// The audit log of a gateway in a process of its own, and the commands that read it.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { auditExportCommand, auditTailCommand, auditVerifyCommand } from '../../src/cli/audit.ts'
import { servicePaths } from '../../src/systemd/scope.ts'
import { defaultEnv } from '../support/gateway-config.ts'
import { startGateway } from '../support/app.ts'
import { type RecordedIo, recordedIo } from '../support/command-io.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { type GatewayProcess, runGateway, startGatewayProcess } from '../support/gateway-process.ts'
import { until } from '../support/deadline.ts'
import { connectRaw } from '../support/raw-client.ts'
import { runCommand } from '../support/run-command.ts'

function stateOf({ folder }: GatewayProcess): string {
  return join(folder, '.local/state/llm-gateway')
}

function ioOf(gateway: GatewayProcess): RecordedIo {
  return recordedIo({ HOME: gateway.folder, STATE_DIRECTORY: stateOf(gateway) })
}

const paths = servicePaths('user', { HOME: '/nowhere' })

async function refuse(gateway: GatewayProcess): Promise<number> {
  return (await fetch(`${gateway.url}/v1/models`, { headers: { origin: 'https://evil.example' } })).status
}

for (const workers of [1, 2]) {
  suite(`with ${workers} worker threads`, () => {
    test('start, refusals, reloads and stop are recorded, and the log is whole', async (t) => {
      const setup = { server: { workers, watch_config: false }, audit: { enabled: true } }
      const { gateway } = await startGatewayProcess(t, setup)
      const digest = createHash('sha256').update(readFileSync(gateway.file)).digest('hex')
      assert.deepEqual([await refuse(gateway), await refuse(gateway)], [403, 403])
      process.kill(gateway.pid, 'SIGHUP')
      await gateway.says(/"event":"reloaded"|reloaded/)
      writeFileSync(gateway.file, 'models: [')
      process.kill(gateway.pid, 'SIGHUP')
      await gateway.says(/reload_refused/)
      await gateway.stop()
      assert.match(gateway.stdout(), /audit_head/)

      const io = ioOf(gateway)
      assert.equal(
        await auditVerifyCommand(io, paths, { anchors: [], isJson: false, config: gateway.file }),
        0,
      )
      assert.match(io.written.stdout, /^6 events, intact to 6, anchored to 6, unkeyed\n$/)
      io.written.stdout = ''
      await auditTailCommand(io, paths, { lines: 20, isJson: true })
      const lines = io.written.stdout.trimEnd().split('\n')
      const records = lines.map((line) => JSON.parse(line) as { event_name: string; attributes: object })
      assert.deepEqual(
        records.map(({ event_name: name }) => name.replace('llm_gateway.', '')),
        [
          'gateway.started',
          'request.refused',
          'config.reloaded',
          'config.refused',
          'request.refused',
          'gateway.stopped',
        ],
      )
      assert.equal((records[0]!.attributes as { 'config.sha256': string })['config.sha256'], digest)
      assert.deepEqual(records[4]!.attributes, { client: 0, code: 'origin_not_allowed', repeated: 1 })
      assert.doesNotMatch(lines.join(), /evil|user:/)
    })
  })
}

test('export has the names, in the fields of each format', async (t) => {
  const { gateway } = await startGatewayProcess(t, { audit: { enabled: true } })
  await refuse(gateway)
  await gateway.stop()
  const exported = async (format: 'otlp' | 'ecs') => {
    const io = ioOf(gateway)
    assert.equal(await auditExportCommand(io, paths, { format, sinceMs: 0 }), 0)
    return io.written.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }
  const [, ecs] = await exported('ecs')
  const { kind, category, type, outcome } = ecs!['event'] as Record<string, unknown>
  assert.deepEqual([kind, category, type, outcome], ['event', ['web'], ['access', 'denied'], 'failure'])
  assert.match((ecs!['user'] as { name: string }).name, /^user:/)
  const [, otlp] = await exported('otlp')
  assert.match(JSON.stringify(otlp), /"eventName":"llm_gateway.request.refused"/)
  assert.match(JSON.stringify(otlp), /"key":"client","value":\{"stringValue":"user:/)
})

test('goes on when there are more clients than names, and counts the rest as one', async (t) => {
  const directory = scratchDirectory(t)
  const names = Array.from({ length: 100_000 }, (_, number) => `ip:${number}`)
  writeFileSync(join(directory, 'audit-names.json'), JSON.stringify({ version: 1, names }))
  const { gateway } = await startGatewayProcess(
    t,
    { audit: { enabled: true } },
    { STATE_DIRECTORY: directory },
  )
  await refuse(gateway)
  await gateway.stop()
  const io = recordedIo({ HOME: gateway.folder, STATE_DIRECTORY: directory })
  await auditTailCommand(io, paths, { lines: 20, isJson: false })
  assert.match(io.written.stdout, /request\.refused .*client=others code=origin_not_allowed/)
  assert.doesNotMatch(gateway.stdout(), /internal_error/)
})

test('tail and export print no character that moves a terminal, whatever is in the file', async (t) => {
  const { gateway } = await startGatewayProcess(t, { audit: { enabled: true } })
  await gateway.stop()
  const file = readdirSync(stateOf(gateway)).find((name) => name.endsWith('.jsonl'))!
  const line = readFileSync(join(stateOf(gateway), file), 'utf8').split('\n')[0]!
  const forged = line.replace('"attributes":{', '"attributes":{"code":"\u009b2J\u202e",')
  appendFileSync(join(stateOf(gateway), file), `${forged}\n\u001b[2Jtorn\n`)
  const io = ioOf(gateway)
  for (const isJson of [false, true]) await auditTailCommand(io, paths, { lines: 20, isJson })
  for (const format of ['otlp', 'ecs'] as const) await auditExportCommand(io, paths, { format, sinceMs: 0 })
  assert.doesNotMatch(io.written.stdout, /[^\n\P{Cc}]|\u202e/u)
  assert.match(io.written.stdout, /\\u009b2J\\u202e/)
})

test('without keys nothing is recorded, and the commands say how to turn it on', async (t) => {
  const { gateway } = await startGatewayProcess(t)
  await refuse(gateway)
  await gateway.stop()
  assert.deepEqual(
    readdirSync(stateOf(gateway)).filter((name) => name.startsWith('audit')),
    [],
  )
  const io = ioOf(gateway)
  assert.equal(await auditTailCommand(io, paths, { lines: 1, isJson: false }), 1)
  assert.match(io.written.stderr, /there is no audit log in .*; audit\.enabled/)
})

test('calls go on while another gateway writes the log, and what happened is recorded once it has ended', async (t) => {
  const { gateway: first } = await startGatewayProcess(t, { audit: { enabled: true } })
  const text = readFileSync(first.file, 'utf8')
  const second = await runGateway(t, text, { STATE_DIRECTORY: stateOf(first), ...defaultEnv })
  await second.says(/audit_unavailable.*another gateway of this user writes it/)
  const client = await connectRaw(t, second.url)
  client.send('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
  assert.equal((await client.response()).status, 200)
  assert.equal(await refuse(second), 403)
  const names = () =>
    readdirSync(stateOf(first))
      .filter((name) => name.endsWith('.jsonl') && name.startsWith('audit'))
      .flatMap((name) =>
        readFileSync(join(stateOf(first), name), 'utf8')
          .trimEnd()
          .split('\n'),
      )
      .map((line) => (JSON.parse(line) as { event_name: string }).event_name.replace('llm_gateway.', ''))
  await first.stop()
  const of = ['gateway.started', 'gateway.stopped', 'gateway.started', 'request.refused']
  await until(() => names().length >= of.length, 'the events of the second gateway')
  assert.deepEqual(names(), of)
})

test('without a state directory the gateway serves, and logs that nothing is recorded', async (t) => {
  const { gateway } = await startGateway(t, { audit: { enabled: true } })
  const { reason } = await gateway.logged({ event: 'audit_unavailable' })
  assert.equal(reason, 'there is no state directory')
  assert.equal(gateway.log().filter(({ event }) => event === 'audit_unavailable').length, 1)
  assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200)
})

test('a stored key codes the lines from the next start on', async (t) => {
  const { gateway: first } = await startGatewayProcess(t, { audit: { enabled: true } })
  const env = { HOME: first.folder, XDG_RUNTIME_DIR: '', PATH: '' }
  const run = (...args: readonly string[]) => runCommand([...args, '--config', first.file], { env })
  const { status, stderr } = await run('secret', 'set', 'audit-chain', '--generate')
  assert.equal(status, 0, stderr)
  await first.stop()
  const text = readFileSync(first.file, 'utf8')
  const before = await run('audit', 'verify')
  assert.match(before.stdout, /unkeyed\nA key is stored, and no line was written with it/)

  const home = { HOME: first.folder, LLM_GATEWAY_CONFIG: first.file, ...defaultEnv }
  const second = await runGateway(t, undefined, home)
  await refuse(second)
  await second.stop()
  const after = await run('audit', 'verify')
  assert.match(after.stdout, /^\d+ events, intact to (\d+), anchored to \1, keyed from 4\n$/)
  assert.equal(after.status, 0)
  const events = await run('audit', 'verify', '--json')
  assert.equal((JSON.parse(events.stdout) as { keyed: boolean }).keyed, true)

  // Whoever can write the log, but not open the key, cannot replace a line.
  const [name] = readdirSync(stateOf(first)).filter((each) => each.endsWith('.jsonl'))
  const path = join(stateOf(first), name!)
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  const last = lines.at(-1)!.replace('gateway.stopped', 'gateway.started')
  const body = last.slice(0, last.lastIndexOf(',"mac":"'))
  const forged = `${body},"mac":"${createHash('sha256').update(body).digest('hex')}"}`
  writeFileSync(path, `${[...lines.slice(0, -1), forged].join('\n')}\n`)
  const found = await run('audit', 'verify')
  assert.equal(found.status, 1)
  assert.match(found.stdout, /was changed, or was written with another key or without it/)
  assert.equal(text, readFileSync(first.file, 'utf8'))
})

test('a key that is stored and does not open leaves the log as it is, and calls go on', async (t) => {
  const { gateway: first } = await startGatewayProcess(t, { audit: { enabled: true } })
  const env = { HOME: first.folder, XDG_RUNTIME_DIR: '', PATH: '' }
  await runCommand(['secret', 'set', 'audit-chain', '--generate', '--config', first.file], { env })
  await first.stop()
  rmSync(join(stateOf(first), 'identity.txt'))
  const second = await runGateway(t, undefined, {
    HOME: first.folder,
    LLM_GATEWAY_CONFIG: first.file,
    ...defaultEnv,
  })
  await second.says(/audit_unavailable.*audit-chain cannot be opened/)
  assert.equal((await fetch(`${second.url}/healthz`)).status, 200)
})
