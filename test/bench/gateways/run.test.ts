import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { suite, test } from 'node:test'

const main = join(import.meta.dirname, '../../../bench/main.ts')

function bench(...args: string[]) {
  return spawnSync(process.execPath, [main, 'gateways', ...args], { encoding: 'utf8' })
}

suite('npm run bench -- gateways', () => {
  test('an unknown option is refused', () => {
    assert.equal(bench('--fast').status, 2)
  })
})
