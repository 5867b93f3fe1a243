// The smoke run: every contender that is here answers right, and every figure can be measured. Times are not looked at.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { unless } from '../../support/needs.ts'

const main = join(import.meta.dirname, '../../../bench/main.ts')
const skip = unless(process.platform === 'linux', 'needs /proc')

function bench(...args: string[]) {
  return spawnSync(process.execPath, [main, 'gateways', ...args], { encoding: 'utf8', timeout: 100_000 })
}

suite('npm run bench -- gateways', () => {
  test('--quick finds every contender right and measures every figure', { skip, timeout: 110_000 }, () => {
    const { status, stdout, stderr } = bench('--quick')
    assert.equal(status, 0, stdout + stderr)
    assert.match(stdout, /^✓ \d\d figures of llm-gateway/m)
  })

  test('--help tells the options', () => {
    const { status, stdout } = bench('--help')
    assert.equal(status, 0)
    assert.match(stdout, /--quick/)
  })

  test('an unknown option is refused', () => {
    assert.equal(bench('--fast').status, 2)
  })
})
