// Canary of src/platform/node/pretenuring.ts: fails when V8 changes what it leans on.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

import { pretenuringFlag } from '../../../src/platform/node/pretenuring.ts'

test('V8 has the flag', () => {
  const { stdout } = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })
  assert.ok(stdout.includes(pretenuringFlag.replace('--no-', '--')))
})
