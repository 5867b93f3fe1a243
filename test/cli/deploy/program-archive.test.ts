// A checkout is built in a folder that is no part of it, as `deploy` does where its build is missing or old.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { packagePath } from '../../../src/platform/package.ts'
import { scratchDirectory } from '../../support/config-file.ts'

test('a checkout can be built in an empty folder', (t) => {
  const directory = join(scratchDirectory(t), 'dist')
  const args = [packagePath('scripts/build.ts'), directory]
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.ok(existsSync(join(directory, 'main.cjs')))
})
