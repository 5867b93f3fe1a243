import assert from 'node:assert/strict'
import { test } from 'node:test'

import { renderTunnel as render, tunnelPorts } from '../../src/systemd/tunnel-unit.ts'
import { startCommand } from '../../src/systemd/units.ts'

const tunnel = { destination: 'you@box', port: 5000, remotePort: 4000, hasIpv6Loopback: true }
const renderTunnel = (of: typeof tunnel, systemdVersion: number) =>
  render(of, { systemdVersion, sshOptions: ['StdinNull=no'] })

test('the pause between tries grows where the manager can do that', () => {
  assert.match(renderTunnel(tunnel, 252), /^RestartSec=10$/m)
  assert.doesNotMatch(renderTunnel(tunnel, 252), /RestartSteps/)
  assert.match(renderTunnel(tunnel, 254), /^RestartSec=1\nRestartSteps=8\nRestartMaxDelaySec=60$/m)
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
