import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { renderDoctorUnits, renderServicesUnits, renderUnits } from '../../src/systemd/units.ts'
import type { Scope } from '../../src/systemd/scope.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { missing } from '../support/needs.ts'

const skip = missing('systemd-analyze')

/** The highest exposure that `systemd-analyze security` may find, of 10. */
const maxExposure: Readonly<Record<Scope, number>> = { user: 1.8, system: 1.5 }

for (const scope of ['user', 'system'] as const) {
  suite(`the ${scope} units`, { skip }, () => {
    test('are clean', (t) => {
      const { files, analyze } = rendered(t, scope)
      const { status, stdout, stderr } = analyze(['verify', '--man=no', ...files])
      assert.deepEqual([status, stdout, stderr], [0, '', ''])
    })

    test(`have an exposure of at most ${maxExposure[scope]}`, (t) => {
      const { files, analyze } = rendered(t, scope)
      const { stdout, stderr } = analyze(['security', '--no-pager', '--offline=true', files[0]!])
      const exposure = /Overall exposure level for llm-gateway\.service: ([\d.]+)/.exec(stdout)?.[1]
      t.diagnostic(`exposure of the ${scope} unit: ${exposure}`)
      assert.ok(Number(exposure) <= maxExposure[scope], stdout + stderr)
    })
  })
}

/** Of the starter of model servers, which needs no network: `PrivateNetwork=`. */
const maxStarterExposure: Readonly<Record<Scope, number>> = { user: 0.9, system: 0.5 }

suite('the starter of model servers', { skip }, () => {
  for (const scope of ['user', 'system'] as const) {
    test(`has clean ${scope} units`, (t) => {
      const { files, analyze } = renderedStarter(t, scope)
      const { status, stdout, stderr } = analyze(['verify', '--man=no', ...files])
      assert.deepEqual([status, stdout, stderr], [0, '', ''])
    })

    test(`has an exposure of at most ${maxStarterExposure[scope]} as a ${scope} unit`, (t) => {
      const { files, analyze } = renderedStarter(t, scope)
      const { stdout, stderr } = analyze(['security', '--no-pager', '--offline=true', files[0]!])
      const exposure = /Overall exposure level for llm-gateway-services\.service: ([\d.]+)/.exec(stdout)?.[1]
      t.diagnostic(`exposure of the starter's ${scope} unit: ${exposure}`)
      assert.ok(Number(exposure) <= maxStarterExposure[scope], stdout + stderr)
    })
  }

  test(
    'gets its users from a file that systemd-sysusers accepts',
    { skip: missing('systemd-sysusers') },
    (t) => {
      const folder = scratchDirectory(t)
      mkdirSync(join(folder, 'etc'))
      const file = join(root, 'systemd/system/llm-gateway.sysusers')
      const { status, stderr } = spawnSync('systemd-sysusers', [`--root=${folder}`, file], {
        encoding: 'utf8',
      })
      assert.equal(status, 0, stderr)
      const passwd = readFileSync(join(folder, 'etc/passwd'), 'utf8')
      for (const name of ['llm-gateway', 'llm-gateway-services']) {
        assert.match(passwd, new RegExp(`^${name}:x:\\d+:\\d+:[^:]+:/:/usr/sbin/nologin$`, 'm'))
      }
    },
  )
})

suite('the weekly check', { skip }, () => {
  for (const scope of ['user', 'system'] as const) {
    test(`has clean ${scope} units`, (t) => {
      const { folder, analyze } = rendered(t, scope)
      const files = renderDoctorUnits(scope, facts).map(({ name, text }) => {
        writeFileSync(join(folder, name), text)
        return join(folder, name)
      })
      const { status, stdout, stderr } = analyze(['verify', '--man=no', ...files])
      assert.deepEqual([status, stdout, stderr], [0, '', ''])
    })
  }

  test('has the sandbox of the gateway', () => {
    const settings = (path: string) =>
      readFileSync(join(root, path), 'utf8').match(
        /^(?:Capab|Lock|NoNew|Private|Protect|Restrict|System)\w+=.*/gm,
      )
    const own = new Set(settings('systemd/user/llm-gateway-doctor.service'))
    // What it has to see: the gateway's own process, where the manager can hide it at all.
    const isSeen = (line: string) => line === 'ProtectProc=invisible'
    const gateways = settings('systemd/user/llm-gateway.service') ?? []
    assert.ok(gateways.length > 20)
    assert.deepEqual(
      gateways.filter((line) => !own.has(line)),
      gateways.filter(isSeen),
    )
  })
})

suite('the examples about failures', { skip }, () => {
  for (const scope of ['user', 'system'] as const) {
    test(`are clean beside the ${scope} units`, (t) => {
      const { folder, files, analyze } = rendered(t, scope)
      const example = (name: string) => readFileSync(join(root, 'systemd/examples', name), 'utf8')
      const unit = join(folder, 'llm-gateway-failed@.service')
      writeFileSync(unit, example('llm-gateway-failed@.service'))
      const dropIns = join(folder, 'llm-gateway.service.d')
      mkdirSync(dropIns)
      writeFileSync(join(dropIns, '40-on-failure.conf'), example('40-on-failure.conf'))
      const { status, stdout, stderr } = analyze(['verify', '--man=no', ...files, unit])
      assert.deepEqual([status, stdout, stderr], [0, '', ''])
    })
  }
})

const root = join(import.meta.dirname, '../..')

const facts = {
  node: process.execPath,
  main: join(root, 'src/main.ts'),
  config: '/etc/llm-gateway/llm-gateway.yaml',
  state: '/var/lib/llm-gateway',
  credentials: '/etc/llm-gateway/credentials',
  hosts: ['127.0.0.1', '::1'],
  port: 4000,
}

function rendered(t: Parameters<typeof scratchDirectory>[0], scope: Scope) {
  const folder = scratchDirectory(t)
  const units = renderUnits(scope, facts)
  const files = units.map(({ name, text }) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  })
  mkdirSync(join(folder, 'run'), { mode: 0o700 })
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    XDG_RUNTIME_DIR: join(folder, 'run'),
    LANG: 'C.UTF-8',
  }
  const mode = scope === 'user' ? ['--user'] : []
  const analyze = (args: readonly string[]) =>
    spawnSync('systemd-analyze', [...mode, ...args], { encoding: 'utf8', env })
  return { folder, files, analyze }
}

/** The service of the starter first. */
function renderedStarter(t: Parameters<typeof scratchDirectory>[0], scope: Scope) {
  const { folder, analyze } = rendered(t, scope)
  const files = renderServicesUnits(scope, facts).map(({ name, text }) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  })
  return { files, analyze }
}
