// The script that makes a release the one that runs, in a shell, with programs that only leave a mark.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { offerScript, switchScript } from '../../../src/cli/deploy/box-scripts.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { missing } from '../../support/needs.ts'

const skip = missing('flock')

function switchTo(t: TestContext, scope: 'system' | 'user'): { output: string; hasRun: boolean } {
  const base = scratchDirectory(t)
  const release = join(base, 'releases', 'next')
  // Everybody's.
  chmodSync(base, 0o777)
  const mark = join(base, 'has-run')
  mkdirSync(join(release, 'bin'), { recursive: true })
  writeFileSync(join(release, 'bin/llm-gateway'), `#!/bin/sh\necho >'${mark}'\n`, { mode: 0o755 })
  const args = [scope, base, release, '', join(base, 'llm-gateway.yaml'), join(base, 'none')]
  const { stdout, stderr } = spawnSync('sh', ['-c', switchScript, 'sh', ...args], { encoding: 'utf8' })
  return { output: stdout + stderr, hasRun: existsSync(mark) }
}

test('a program that others can change is not run with the rights of root', { skip }, (t) => {
  const { output, hasRun } = switchTo(t, 'system')
  assert.equal(hasRun, false)
  assert.match(output, /is not run: others than root can change \//)
})

test('a user runs a program of their own', { skip }, (t) => {
  const { output, hasRun } = switchTo(t, 'user')
  assert.ok(hasRun, output)
})

test('what others can change is not run with the rights of root to check a configuration either', (t) => {
  const base = scratchDirectory(t)
  chmodSync(base, 0o777)
  const mark = join(base, 'has-run')
  mkdirSync(join(base, 'bin'))
  writeFileSync(join(base, 'bin/llm-gateway'), `#!/bin/sh\necho >'${mark}'\n`, { mode: 0o755 })
  const config = join(base, 'llm-gateway.yaml')
  writeFileSync(config, '')
  // As of a rollback of the system-wide service: `previous` may lie in somebody's home.
  const args = [base, base, config, 'before', '0', '644', join(base, 'next.yaml')]
  spawnSync('sh', ['-c', offerScript, 'sh', ...args], { encoding: 'utf8' })
  assert.equal(existsSync(mark), false)
})

test('each file of a program counts for whether others can change it', { skip }, (t) => {
  if (process.getuid?.() !== 0) {
    t.skip('needs root, whose files are trusted')
    return
  }
  const base = mkdtempSync('/opt/llmgw-test-')
  t.after(() => rmSync(base, { recursive: true }))
  chmodSync(base, 0o755)
  const mark = join(base, 'has-run')
  mkdirSync(join(base, 'bin'), { mode: 0o755 })
  mkdirSync(join(base, 'dist'), { mode: 0o755 })
  writeFileSync(join(base, 'dist/main.cjs'), `echo >'${mark}'\n`, { mode: 0o644 })
  chownSync(join(base, 'dist'), 65_534, 65_534)
  chownSync(join(base, 'dist/main.cjs'), 65_534, 65_534)
  writeFileSync(join(base, 'bin/llm-gateway'), `#!/bin/sh\n. ${base}/dist/main.cjs\n`, { mode: 0o755 })
  const args = ['system', base, base, '', join(base, 'c.yaml'), join(base, 'none')]
  spawnSync('sh', ['-c', switchScript, 'sh', ...args], { encoding: 'utf8' })
  assert.equal(existsSync(mark), false)
})
