// The script that makes a release the one that runs, in a shell, with programs that only leave a mark.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { switchScript } from '../../../src/cli/deploy/box-scripts.ts'
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
