// The files for Prometheus and Alertmanager, checked by the programs that read them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { missing } from '../support/needs.ts'

const folder = join(import.meta.dirname, '../../config/examples')

/** @returns what the program prints. @throws where its exit status is not 0. */
function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
}

suite('Prometheus', { skip: missing('promtool') }, () => {
  test('accepts the configuration and the rules that it names', () => {
    const rules = readFileSync(join(folder, 'prometheus-rules.yml'), 'utf8').match(/^ *- alert: /gm)!
    assert.match(run('promtool', 'check', 'config', 'prometheus.yml'), /1 rule files found/)
    assert.match(
      run('promtool', 'check', 'rules', 'prometheus-rules.yml'),
      new RegExp(`${rules.length} rules`),
    )
  })

  test('fires each alert when it should, and no other', () => {
    assert.match(run('promtool', 'test', 'rules', 'prometheus-rules-test.yml'), /SUCCESS/)
  })
})

test('Alertmanager accepts its configuration', { skip: missing('amtool') }, () => {
  assert.match(run('amtool', 'check-config', 'alertmanager.yml'), /SUCCESS[^]*3 receivers/)
})
