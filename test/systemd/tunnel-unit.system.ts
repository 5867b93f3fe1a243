// Units of tunnels, as systemd reads them.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { renderTunnel, tunnelUnit } from '../../src/systemd/tunnel-unit.ts'
import { missing } from '../support/needs.ts'

test('a unit is named as systemd-escape does it', { skip: missing('systemd-escape') }, () => {
  for (const destination of ['box', 'you@box', 'you-1@box.example', 'fe80::1']) {
    const escaped = spawnSync('systemd-escape', [destination], { encoding: 'utf8' }).stdout.trim()
    assert.equal(tunnelUnit(destination), `llm-gateway-tunnel-${escaped}.service`)
  }
})

test('systemd accepts the unit', { skip: missing('systemd-analyze', 'ssh') }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tunnel-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'tunnel.service')
  const { stdout } = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' })
  const installed = Number(/^systemd (\d+)/.exec(stdout)?.[1])
  assert.ok(installed > 0, stdout)
  const tunnel = { destination: 'you@box', port: 5000, remotePort: 4000, hasIpv6Loopback: true }
  // That of an older manager is accepted by a newer one, too.
  for (const systemdVersion of new Set([Math.min(252, installed), installed])) {
    writeFileSync(file, renderTunnel(tunnel, { systemdVersion, sshOptions: ['StdinNull=no'] }))
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
    assert.doesNotMatch(verified.stderr, /tunnel\.service/)
    assert.equal(verified.status, 0, verified.stderr)
  }
})
