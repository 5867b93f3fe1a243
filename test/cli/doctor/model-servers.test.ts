// What doctor finds of servers that systemd starts, by what the manager would report.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import type { Finding } from '../../../src/cli/doctor/finding.ts'
import { examineModelServers, type ModelServer } from '../../../src/cli/doctor/model-servers.ts'
import { printJson, printTable } from '../../../src/cli/doctor/report.ts'
import type { Config } from '../../../src/config/types.ts'
import { serviceRows } from '../../../src/status/service-rows.ts'
import type { RunProgram } from '../../../src/systemd/programs.ts'
import { servicePaths } from '../../../src/systemd/scope.ts'
import type { ServiceState } from '../../../src/upstream/services/services.ts'
import { recordedIo } from '../../support/command-io.ts'
import { loadText, scratchDirectory } from '../../support/config-file.ts'
import { serviceState } from '../../support/service-state.ts'

const starter = 'LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n'
const stopped =
  'LoadState=loaded\nActiveState=inactive\nSubState=dead\nResult=success\nUnitFileState=disabled\n'
const missing = 'LoadState=not-found\nActiveState=inactive\nSubState=dead\nResult=success\n'

interface Scene {
  readonly services?: Readonly<Record<string, string>>
  readonly rest?: string
  /** What `systemctl show` prints of a unit; of the other manager with `--system ` or `--user ` before its name. */
  readonly units?: Readonly<Record<string, string>>
  readonly journal?: string
  readonly journalStatus?: number
  readonly chosen?: readonly string[]
  /** As the running gateway has them. */
  readonly running?: readonly ServiceState[]
  /** The gateway is installed as a service of the user. */
  readonly isInstalled?: boolean
}

function configOf(t: TestContext, services: Readonly<Record<string, string>>, rest: string): Config {
  const providers = Object.entries(services).map(
    ([name, service], index) =>
      `  ${name}: { base_url: "http://127.0.0.1:${8081 + index}/v1", service: ${service} }\n`,
  )
  const text = `providers:\n${providers.join('')}  echo: { kind: echo }\nmodels: { m: { provider: echo } }\n${rest}`
  const loaded = loadText(t, text, { hasServiceManager: true })
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join())
  return loaded.config
}

function examine(t: TestContext, scene: Scene) {
  const { services = { a: '{ unit: a.service }' }, rest = '', units = {}, journal = '', chosen = [] } = scene
  const config = configOf(t, services, rest)
  const paths = servicePaths('user', { HOME: scratchDirectory(t) })
  if (scene.isInstalled === true) {
    mkdirSync(paths.unitDirectory, { recursive: true })
    writeFileSync(join(paths.unitDirectory, 'llm-gateway.service'), '')
  }
  const commands: string[] = []
  const run: RunProgram = (program, args) => {
    commands.push([program, ...args].join(' '))
    if (program === 'journalctl') return { status: scene.journalStatus ?? 0, stdout: journal, stderr: '' }
    const unit = args[args.indexOf('show') + 1]!
    const isOwn = args.includes('--user') === (config.services.manager === 'user')
    const text =
      units[isOwn ? unit : `other ${unit}`] ??
      (unit.endsWith('.socket') ? starter : isOwn ? stopped : missing)
    return { status: 0, stdout: text, stderr: '' }
  }
  const { running = [] } = scene
  const parts = { paths, run, running: serviceRows(running, true), command: 'llm-gateway' }
  const { findings, servers } = examineModelServers(config, chosen, parts)
  return { findings, servers, commands }
}

/** Of the only provider. */
function one(t: TestContext, unit: string, more: Scene = {}): ModelServer {
  return examine(t, { units: { 'a.service': unit }, ...more }).servers.get('a')!
}

function shown(findings: readonly Finding[]): string[] {
  return findings.map(({ state, subject, detail, fix }) => `${state} ${subject}: ${detail} → ${fix ?? ''}`)
}

test('a stopped unit is fine: the first call starts it', (t) => {
  const { findings, servers, commands } = examine(t, {})
  assert.deepEqual(shown(findings), ['ok services: llm-gateway-services.socket is open → '])
  const { state, findings: found } = servers.get('a')!
  assert.equal(state, 'stopped')
  assert.deepEqual(shown(found), ['ok a: unit: a.service is stopped; the first call starts it → '])
  assert.deepEqual(
    commands.filter((command) => !command.startsWith('systemctl --user show ')),
    [],
  )
})

test('without services nothing is asked', (t) => {
  const { findings, servers, commands } = examine(t, { services: {} })
  assert.deepEqual([findings, servers.size, commands], [[], 0, []])
})

test('only the providers that were chosen are examined', (t) => {
  const services = { a: '{ unit: a.service }', b: '{ unit: b.service }' }
  const { servers } = examine(t, { services, chosen: ['b', 'echo'] })
  assert.deepEqual([...servers.keys()], ['b'])
})

test('a unit that the manager cannot start is a failure with its reason', (t) => {
  for (const [unit, expected] of [
    [
      missing,
      /^fail a: unit: a\.service does not exist → write ~\/\.config\/systemd\/user\/a\.service .*--user daemon-reload$/,
    ],
    [
      'LoadState=masked\nActiveState=inactive\n',
      /^fail a: unit: a\.service is masked, .* → systemctl --user unmask a\.service$/,
    ],
    [
      'LoadState=bad-setting\nActiveState=inactive\nLoadError=org.freedesktop.systemd1.BadUnitSetting "Unit a.service has a bad unit file setting."\n',
      /^fail .* cannot be loaded: Unit a\.service has a bad unit file setting\. → systemd-analyze --user verify a\.service$/,
    ],
    ['LoadState=error\nActiveState=inactive\n', /^fail .* cannot be loaded: error → /],
    ['', /^skipped a: unit: the systemd manager of the user does not respond → $/],
  ] as const) {
    const { state, findings } = one(t, unit)
    assert.equal(state, 'unknown')
    assert.equal(findings.length, 1)
    assert.match(shown(findings)[0]!, expected)
  }
})

test('an instance that is missing is a missing template', (t) => {
  const services = { a: '{ unit: llama-server@qwen.service }' }
  const { servers } = examine(t, { services, units: { 'llama-server@qwen.service': missing } })
  assert.match(servers.get('a')!.findings[0]!.fix!, /\/llama-server@\.service /)
})

test('a unit of the other manager is found there', (t) => {
  const units = { 'a.service': missing, 'other a.service': stopped }
  const { findings } = examine(t, { units }).servers.get('a')!
  assert.match(
    shown(findings)[0]!,
    /^fail .* is a unit of the system manager, .* → set services\.manager: system/,
  )
})

test('a failed unit comes with its result and the last lines of its journal', (t) => {
  const failed = (result: string, status = '') =>
    `LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=${result}\nExecMainStatus=${status}\n`
  const { servers, commands } = examine(t, {
    units: { 'a.service': failed('exit-code', '1') },
    journal: 'loading\n\nCUDA out of memory\x1b[31m\n',
  })
  const { state, findings } = servers.get('a')!
  assert.equal(state, 'stopped')
  assert.equal(
    shown(findings)[0],
    'fail a: unit: a.service has failed (exit-code 1) → journalctl --user-unit=a.service -n 50; then llm-gateway services start a',
  )
  assert.deepEqual(findings[0]!.lines, ['loading', 'CUDA out of memory\\u001b[31m'])
  assert.equal(commands.at(-1), 'journalctl --user-unit=a.service --lines=10 --no-pager --quiet --output=cat')
  const unread = one(t, failed('timeout'), { journal: 'half a li', journalStatus: 1 })
  assert.equal(unread.findings[0]!.lines, undefined)
  const long = one(t, failed('timeout'), { journal: 'x'.repeat(100_000) })
  assert.equal(long.findings[0]!.lines![0]!.length, 1_000)
  for (const [unit, expected] of [
    [failed('exit-code', '203'), /\(exit-code 203: its program cannot be run\)/],
    [failed('signal', '9'), /\(signal 9\)/],
    [failed('oom-kill', '9'), /\(oom-kill\) → allow it more memory/],
    [failed('timeout'), /\(timeout\)/],
    [failed('start-limit-hit'), /\(start-limit-hit\) → systemctl --user reset-failed a\.service/],
    [stopped.replace('success', 'exit-code'), /has failed \(exit-code/],
  ] as const) {
    assert.match(shown(one(t, unit).findings)[0]!, expected)
  }
})

test('journal lines are printed below their finding, escaped, and are a list for programs', () => {
  const lines = ['CUDA \x1b[31mout', 'x'.repeat(500)]
  const check = { area: 'provider', subject: 'a: unit', state: 'fail', detail: 'd', fix: 'f', lines } as const
  const table = recordedIo({})
  printTable(table, [check], false)
  const [, , first = '', second = '', fix = ''] = table.written.stdout.split('\n')
  assert.ok(first.startsWith('         | CUDA '))
  assert.ok(!first.includes('\x1b'))
  assert.match(second, /^ {9}\| x{159}…$/)
  assert.match(fix, /→ f$/)
  const json = recordedIo({})
  printJson(json, '/x.yaml', false, [check])
  assert.deepEqual(JSON.parse(json.written.stdout).checks[0].lines, lines)
})

test('a unit that runs, starts, stops or is started again', (t) => {
  const active =
    'LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nActiveEnterTimestampMonotonic=5000000\n'
  const running = one(t, active)
  assert.deepEqual([running.state, running.activeSinceMs], ['active', 5_000])
  const starting = one(t, stopped.replace('inactive', 'activating'))
  assert.deepEqual([starting.state, starting.findings[0]!.state], ['changing', 'ok'])
  assert.match(starting.findings[0]!.detail, /is starting at this moment$/)
  const again = one(
    t,
    'LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nResult=exit-code\nExecMainStatus=2\n',
  )
  assert.equal(again.state, 'changing')
  assert.match(shown(again.findings)[0]!, /^warn .* has failed \(exit-code 2\), and systemd starts it again/)
})

test('what else starts a unit is shown, and is a warning where its group may have no room', (t) => {
  const enabled = stopped.replace('disabled', 'enabled')
  assert.match(
    shown(one(t, enabled).findings)[1]!,
    /^ok .* is enabled, .* → systemctl --user disable a\.service$/,
  )
  const services = { a: '{ unit: a.service }', b: '{ unit: b.service }' }
  const rest = 'services: { groups: { gpu0: { members: [a, b] } } }\n'
  const { servers } = examine(t, { services, rest, units: { 'a.service': enabled } })
  assert.match(shown(servers.get('a')!.findings)[1]!, /^warn .* whether or not the group gpu0 has room → /)
  assert.equal(servers.get('b')!.findings.length, 1)
  const triggered = one(t, `${stopped}TriggeredBy=a.socket\n`)
  assert.match(shown(triggered.findings)[1]!, /^warn .* a\.socket starts a\.service too/)
  const edited = one(t, `${stopped}NeedDaemonReload=yes\n`)
  assert.match(shown(edited.findings)[1]!, /^warn .* → systemctl --user daemon-reload$/)
})

test('two names of one unit, or one of the gateway itself, are failures', (t) => {
  const services = { a: '{ unit: a.service }', b: '{ unit: b.service }' }
  const units = { 'a.service': `Id=a.service\n${stopped}`, 'b.service': `Id=a.service\n${stopped}` }
  const { servers } = examine(t, { services, units })
  assert.equal(servers.get('a')!.findings.length, 1)
  assert.match(
    shown(servers.get('b')!.findings)[1]!,
    /^fail b: unit: b\.service and the unit of a are names of one unit/,
  )
  const own = one(t, `Id=llm-gateway.service\n${stopped}`)
  assert.match(shown(own.findings)[1]!, /^fail .* a\.service is another name of llm-gateway\.service/)
})

test('a command has to be there, its transient unit does not', (t) => {
  const folder = scratchDirectory(t)
  const program = join(folder, 'server')
  writeFileSync(program, '')
  const at = (run: string) =>
    examine(t, { services: { a: run }, units: { 'llm-gateway-run-a.service': missing } }).servers.get('a')!
  const absent = at('{ run: [/nowhere/server] }')
  assert.match(
    shown(absent.findings)[0]!,
    /^fail .* \/nowhere\/server does not exist, .* → correct providers\.a\.service\.run$/,
  )
  assert.equal(absent.state, 'unknown')
  assert.match(shown(at(`{ run: ["${folder}"] }`).findings)[0]!, /^fail /)
  assert.match(shown(at(`{ run: ["${program}"] }`).findings)[0]!, /^fail .*this user cannot run it/)
  chmodSync(program, 0o755)
  const there = at(`{ run: ["${program}"] }`)
  assert.deepEqual([there.state, there.findings.length], ['stopped', 1])
  assert.match(shown(there.findings)[0]!, /^ok a: unit: llm-gateway-run-a\.service is stopped/)
  const elsewhere = at(`{ run: ["${program}"], working_directory: /nowhere }`)
  assert.match(shown(elsewhere.findings)[0]!, /^fail .* \/nowhere is not a directory/)
})

test('without what starts them, no server can be started', (t) => {
  const socket = 'llm-gateway-services.socket'
  for (const [unit, expected] of [
    [missing, /^fail services: .* is not installed \(not-found\), .* → llm-gateway systemd install --user$/],
    [starter.replace('=active', '=inactive'), /^fail .* is inactive, .* → systemctl --user enable --now llm/],
    [starter.replace('=enabled', '=disabled'), /^warn .* is disabled: it does not start at boot or login/],
  ] as const) {
    assert.match(shown(examine(t, { units: { [socket]: unit } }).findings)[0]!, expected)
  }
})

test('a gateway of the user does not reach the units of the system', (t) => {
  const rest = 'services: { manager: system }\n'
  const { findings, commands } = examine(t, { rest, isInstalled: true })
  assert.match(
    shown(findings)[0]!,
    /^fail services: the gateway is a user service, and services\.manager is system/,
  )
  assert.ok(commands.every((command) => !command.includes('--user')))
  assert.equal(examine(t, { rest }).findings[0]!.state, 'ok')
})

test('a unit that does not stop for minutes is a failure', (t) => {
  const nowUs = Number(process.hrtime.bigint() / 1000n)
  const stopping = (forMs: number) =>
    `LoadState=loaded\nActiveState=deactivating\nSubState=stop-sigterm\nActiveExitTimestampMonotonic=${nowUs - forMs * 1000}\n`
  assert.match(
    shown(one(t, stopping(300_000)).findings)[0]!,
    /^fail a: unit: a\.service has been stopping for 5 min: .* kill -s KILL a\.service$/,
  )
  assert.match(shown(one(t, stopping(60_000)).findings)[0]!, /^ok a: unit: a\.service is stopping at this/)
})

test('a start that took too long is a failure, with what the ready path got last', (t) => {
  const failed = serviceState({
    provider: 'a',
    unit: 'a.service',
    state: 'failed',
    failure: 'timeout',
    probe: 'ECONNREFUSED',
  })
  assert.match(
    shown(one(t, stopped, { running: [failed] }).findings)[0]!,
    /^fail a: unit: .*last start has failed \(timeout: the last request to its ready path got ECONNREFUSED\) → check base_url and ready of providers\.a,/,
  )
  const lines = (failure: string) =>
    one(t, stopped, { running: [{ ...failed, failure }], journal: 'loading\n' }).findings[0]!.lines
  assert.deepEqual(lines('timeout'), ['loading'])
  assert.equal(lines('starter-unreachable'), undefined, 'what an earlier run has written')
  const active = 'LoadState=loaded\nActiveState=active\n'
  assert.match(shown(one(t, active, { running: [failed] }).findings)[0]!, /^ok a: unit: a\.service is active/)
})
