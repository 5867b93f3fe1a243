import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { renderTunnel as render, tunnelPorts, tunnelUnit } from '../../src/systemd/tunnel-unit.ts'
import { startCommand } from '../../src/systemd/units.ts'
import { missing } from '../support/needs.ts'

const tunnel = { destination: 'you@box', port: 5000, remotePort: 4000, hasIpv6Loopback: true }
const renderTunnel = (of: typeof tunnel, systemdVersion: number) =>
  render(of, { systemdVersion, sshOptions: ['StdinNull=no'] })

test('a unit is named as systemd-escape does it', { skip: missing('systemd-escape') }, () => {
  for (const destination of ['box', 'you@box', 'you-1@box.example', 'fe80::1']) {
    const escaped = spawnSync('systemd-escape', [destination], { encoding: 'utf8' }).stdout.trim()
    assert.equal(tunnelUnit(destination), `llm-gateway-tunnel-${escaped}.service`)
  }
})

test('the pause between tries grows where the manager can do that', () => {
  assert.match(renderTunnel(tunnel, 252), /^RestartSec=10$/m)
  assert.doesNotMatch(renderTunnel(tunnel, 252), /RestartSteps/)
  assert.match(renderTunnel(tunnel, 254), /^RestartSec=1\nRestartSteps=8\nRestartMaxDelaySec=60$/m)
})

test('systemd accepts the unit', { skip: missing('systemd-analyze', 'ssh') }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tunnel-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'tunnel.service')
  const { stdout } = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' })
  const installed = Number(/^systemd (\d+)/.exec(stdout)?.[1])
  assert.ok(installed > 0, stdout)
  // That of an older manager is accepted by a newer one, too.
  for (const version of new Set([Math.min(252, installed), installed])) {
    writeFileSync(file, renderTunnel(tunnel, version))
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
    assert.doesNotMatch(verified.stderr, /tunnel\.service/)
    assert.equal(verified.status, 0, verified.stderr)
  }
})

test('a tunnel takes both loopback addresses where there are two, and its ports are read again', () => {
  for (const hasIpv6Loopback of [true, false]) {
    const words = startCommand(renderTunnel({ ...tunnel, hasIpv6Loopback }, 254))
    const hosts = words.filter((_, index) => words[index - 1] === '-L').map((word) => word.split(':5000:')[0])
    assert.deepEqual(hosts, hasIpv6Loopback ? ['127.0.0.1', '[::1]'] : ['127.0.0.1'])
    assert.deepEqual(tunnelPorts(words), { port: 5000, remotePort: 4000 })
  }
  assert.deepEqual(tunnelPorts(['ssh', '-L', 'localhost:1:localhost:2']), { port: 1, remotePort: 2 })
})
