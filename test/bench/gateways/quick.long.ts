// Every contender that is here answers right, and every figure can be measured. Times are not looked at.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

import { unless } from '../../support/needs.ts'

const main = join(import.meta.dirname, '../../../bench/main.ts')
const skip = unless(process.platform === 'linux', 'needs /proc')

test('npm run bench -- gateways --quick measures every figure', { skip, timeout: 600_000 }, () => {
  const run = spawnSync(process.execPath, [main, 'gateways', '--quick'], {
    encoding: 'utf8',
    timeout: 580_000,
  })
  assert.equal(run.status, 0, run.stdout + run.stderr)
  assert.match(run.stdout, /^✓ \d\d figures of llm-gateway/m)
})
