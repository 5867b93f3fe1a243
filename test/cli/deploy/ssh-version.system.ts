import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

import { sessionOptions } from '../../../src/cli/deploy/ssh-version.ts'
import { missing } from '../../support/needs.ts'

test('ssh accepts the options', { skip: missing('ssh') }, () => {
  const options = sessionOptions(process.env)
  const args = ['-F', 'none', ...options.flatMap((option) => ['-o', option]), '-G', 'box']
  const { status, stderr } = spawnSync('ssh', args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})
