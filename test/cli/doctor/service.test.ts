import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { examineService } from '../../../src/cli/doctor/service.ts'
import type { RunProgram } from '../../../src/systemd/programs.ts'
import { servicePaths, socketUnit } from '../../../src/systemd/scope.ts'
import { renderServicesUnits, renderUnits } from '../../../src/systemd/units.ts'
import { scratchDirectory } from '../../support/config-file.ts'

const waiting = {
  socket: 'ActiveState=active\nSubState=listening\nUnitFileState=enabled\nListen=127.0.0.1:4000 (Stream)\n',
  service: 'ActiveState=inactive\nSubState=dead\nResult=success\nNRestarts=0\n',
}

interface Scene {
  readonly socket?: string
  readonly service?: string
  /** Changes what was installed. */
  readonly edit?: (text: string) => string
  readonly main?: string
}

function scene(
  t: TestContext,
  { socket = waiting.socket, service = waiting.service, edit, main }: Scene = {},
) {
  const home = scratchDirectory(t)
  const paths = servicePaths('user', { HOME: home })
  const config = join(home, 'my gateway.yaml')
  writeFileSync(config, 'server: { hosts: [127.0.0.1] }\n', { mode: 0o600 })
  mkdirSync(paths.unitDirectory, { recursive: true })
  const facts = {
    node: process.execPath,
    main: main ?? import.meta.filename,
    config,
    state: paths.stateDirectory,
    credentials: paths.credentialsDirectory,
    hosts: ['127.0.0.1'],
    port: 4000,
  }
  for (const { name, text } of renderUnits('user', facts)) {
    writeFileSync(join(paths.unitDirectory, name), edit?.(text) ?? text)
  }
  const run: RunProgram = (_, args) => {
    return { status: 0, stdout: args.includes(socketUnit) ? socket : service, stderr: '' }
  }
  const examined = examineService(config, paths, {}, run)
  const shown = examined.findings.map(({ subject, state }) => `${state} ${subject}`)
  // Whether the account lingers depends on the machine.
  return {
    ...examined,
    config,
    paths,
    facts,
    run,
    shown: shown.filter((text) => !text.endsWith('lingering')),
  }
}

test('a service that waits for its socket is ok, and its addresses are known', (t) => {
  const { shown, waitingSockets } = scene(t)
  assert.deepEqual(shown, ['ok units', 'ok enabled', 'ok state'])
  assert.deepEqual(waitingSockets, ['127.0.0.1:4000'])
})

test('units that a Debian package has installed are examined where they lie; those of an administrator win', (t) => {
  const { paths, config, facts, run } = scene(t)
  const packaged = join(scratchDirectory(t), 'packaged')
  const without = { ...paths, unitDirectory: join(packaged, 'none'), packagedUnitDirectory: packaged }
  const shown = (examinedPaths: typeof without) =>
    examineService(config, examinedPaths, {}, run).findings.map(({ state, detail }) => `${state} ${detail}`)
  mkdirSync(packaged)
  assert.match(shown(without)[0]!, /^skipped the gateway is not installed/)
  for (const { name, text } of renderUnits('user', facts)) writeFileSync(join(packaged, name), text)
  assert.equal(shown(without)[0], `ok installed in ${packaged}`)
  assert.equal(
    shown({ ...without, unitDirectory: paths.unitDirectory })[0],
    `ok installed in ${paths.unitDirectory}`,
  )
})

test('the status of a running service is shown', (t) => {
  const { findings, waitingSockets } = scene(t, {
    service: 'ActiveState=active\nStatusText=serving 2 models\n',
  })
  assert.ok(findings.some(({ detail }) => detail.endsWith('active: serving 2 models')))
  assert.deepEqual(waitingSockets, [])
})

test('the process of a running service is known, and none of a stopped one', (t) => {
  const service = 'ActiveState=active\nMainPID=4711\n'
  assert.equal(scene(t, { service }).mainPid, 4711)
  assert.equal(scene(t, { service: `${waiting.service}MainPID=0\n` }).mainPid, undefined)
})

test('a failed service comes with its reasons, and how to start it again', (t) => {
  const { findings } = scene(t, {
    service: 'ActiveState=failed\nResult=exit-code\nStatusText=not started: x\n',
  })
  const failed = findings.find(({ state }) => state === 'fail')
  assert.match(failed?.detail ?? '', /^llm-gateway\.service .*\(exit-code; not started: x\)$/)
  assert.match(
    failed?.fix ?? '',
    /^journalctl --user -u llm-gateway -n 50; then systemctl --user reset-failed /,
  )
})

test('a socket that is not enabled, and restarts, are warnings', (t) => {
  const { shown } = scene(t, {
    socket: 'ActiveState=active\nUnitFileState=disabled\n',
    service: 'ActiveState=active\nNRestarts=3\n',
  })
  assert.deepEqual(shown, ['ok units', 'warn enabled', 'ok state', 'warn restarts'])
})

test('neither socket nor service is a failure', (t) => {
  const dead = 'ActiveState=inactive\nUnitFileState=enabled\n'
  assert.deepEqual(scene(t, { socket: dead, service: dead }).shown, ['ok units', 'ok enabled', 'fail state'])
})

test('units of an older version are a warning', (t) => {
  const { findings, config } = scene(t, { edit: (text) => text.replace('LimitCORE=0\n', '') })
  assert.equal(findings[0]!.state, 'warn')
  assert.match(findings[0]!.detail, /^llm-gateway\.service\b/)
  assert.ok(findings[0]!.fix!.startsWith(`bin/llm-gateway systemd install --config '${config}' --dry-run`))
})

test('units of an older version that start model servers are a warning, where there are any', (t) => {
  const services =
    'providers: { a: { base_url: "http://127.0.0.1:8081/v1", service: { unit: a.service } } }\n'
  const withStarter = (edit: (text: string) => string) => {
    const made = scene(t)
    writeFileSync(made.config, `server: { hosts: [127.0.0.1] }\n${services}`)
    for (const { name, text } of renderServicesUnits('user', made.facts)) {
      writeFileSync(join(made.paths.unitDirectory, name), edit(text))
    }
    return examineService(made.config, made.paths, {}, made.run).findings[0]!
  }
  assert.equal(withStarter((text) => text).state, 'ok')
  assert.equal(withStarter(() => '').state, 'ok')
  const outdated = withStarter((text) => text.replace('LimitCORE=0\n', ''))
  assert.deepEqual([outdated.subject, outdated.state], ['units', 'warn'])
  assert.match(outdated.detail, /^llm-gateway-services\.service: differs from/)
})

test('a unit whose program is gone fails', (t) => {
  const [finding] = scene(t, { main: '/gone/src/main.ts' }).findings
  assert.deepEqual([finding?.subject, finding?.state], ['units', 'fail'])
  assert.match(finding!.detail, /\/gone\/src\/main\.ts/)
  assert.equal(finding?.fix, 'bin/llm-gateway systemd install')
})

test('without units, or without a manager, it is skipped with the reason', (t) => {
  const paths = servicePaths('user', { HOME: scratchDirectory(t) })
  const silent: RunProgram = () => ({ status: undefined, stdout: '', stderr: 'ENOENT' })
  const [none] = examineService('/x', paths, {}, silent).findings
  assert.equal(none?.state, 'skipped')
  const { shown } = scene(t, { socket: '', service: '' })
  assert.deepEqual(shown, ['ok units', 'skipped service'])
})
