// A checkout is built in a folder that is no part of it, as `deploy` does where its build is missing or old.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { archiveProgram } from '../../../src/cli/deploy/program-archive.ts'
import { packagePath } from '../../../src/platform/package.ts'
import { scratchDirectory } from '../../support/config-file.ts'

test('a checkout can be built in an empty folder', (t) => {
  const directory = join(scratchDirectory(t), 'dist')
  const args = [packagePath('scripts/build.ts'), directory]
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.ok(existsSync(join(directory, 'main.cjs')))
})

test('the same sources have one name, whatever a build makes of them', () => {
  const archive = (nodeHash: string) => {
    const made = archiveProgram(nodeHash, (_program, [, directory = '']) => {
      mkdirSync(directory)
      writeFileSync(join(directory, 'main.cjs'), randomBytes(8))
      return { status: 0, stdout: '', stderr: '' }
    })
    assert.ok(made.kind === 'made')
    return made.archive.id
  }
  assert.equal(archive('sha512-a'), archive('sha512-a'))
  assert.notEqual(archive('sha512-a'), archive('sha512-b'))
})
