// The soak and the growth bench run, and no call in them ends otherwise than it should. Times are not looked at.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { unless } from '../../support/needs.ts'

const main = join(import.meta.dirname, '../../../bench/main.ts')
const skip = unless(process.platform === 'linux', 'needs /proc')

function bench(...args: string[]) {
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 600_000 })
}

test('npm run bench -- soak --quick sends every kind of call', { skip }, () => {
  const { status, stdout, stderr } = bench('soak', '--quick')
  assert.equal(status, 0, stdout + stderr)
  assert.match(stdout, /^✓ 12 samples, \d{3,} calls$/m)
})

test('npm run bench -- soak --minutes 1 reports', { skip }, () => {
  const { status, stdout, stderr } = bench('soak', '--minutes', '1', '--rate', '20')
  // Whether it is flat on a machine that does other things is not asked here.
  assert.ok(status === 0 || status === 1, stdout + stderr)
  assert.match(stdout, /^Every call ended as it should/m)
})

test('npm run bench -- growth --quick measures every size', { skip }, () => {
  const { status, stdout, stderr } = bench('growth', '--quick')
  assert.equal(status, 0, stdout + stderr)
  assert.match(stdout, /^✓ models at 2 sizes, .*workers at 2 sizes$/m)
})
