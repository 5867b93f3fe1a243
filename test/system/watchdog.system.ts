import assert from 'node:assert/strict'
import { test } from 'node:test'

import { noUserManager, startInstalled, streamCommand } from '../support/user-manager.ts'

const skip = noUserManager()

test(
  'a process that stands still is ended and started anew; one that works is left alone',
  { skip },
  async (t) => {
    const manager = await startInstalled(t)
    await manager.ok(
      'mkdir -p .config/systemd/user/llm-gateway.service.d; cat >.config/systemd/user/llm-gateway.service.d/test.conf',
      {
        input: '[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n',
      },
    )
    await manager.ok('systemctl --user daemon-reload && systemctl --user start llm-gateway')
    const pid = 'systemctl --user show -P MainPID llm-gateway'
    const before = await manager.ok(pid)
    // Longer than the watchdog waits: the signs of life arrive.
    await manager.ok('sleep 4')
    assert.equal(await manager.ok(pid), before)
    await manager.ok(`kill -STOP ${before}`)
    // The socket keeps the call until the next process serves it.
    assert.match(await manager.ok(streamCommand()), /DONE/)
    // A stopped process ends by nobody's hand but the watchdog's.
    assert.notEqual(await manager.ok(pid), before)
    assert.equal(await manager.ok('systemctl --user show -P NRestarts llm-gateway'), '1')
  },
)
