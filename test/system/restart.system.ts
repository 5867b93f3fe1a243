import assert from 'node:assert/strict'
import { test } from 'node:test'

import { noUserManager, startInstalled } from '../support/user-manager.ts'

const skip = noUserManager()

test('restarts under load fail no call and cut no stream', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await manager.ok('systemctl --user start llm-gateway')
  const load = `${process.execPath} llm-gateway/test/support/restart-load.ts http://127.0.0.1:4000 9999 3`
  const seen = JSON.parse(await manager.ok(load)) as Record<string, unknown> & {
    whole: number
    streams: number
    reused: number
  }
  t.diagnostic(JSON.stringify(seen))
  assert.deepEqual([seen['failed'], seen['cut']], [[], []])
  // Otherwise nothing was shown: both kinds of calls, over connections that are kept.
  assert.ok(seen.whole > 32 && seen.streams > 32 && seen.reused > 32)
})
