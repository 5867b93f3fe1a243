import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

import { sessionOptions, sessionOptionsOf } from '../../../src/cli/deploy/ssh-version.ts'
import { missing } from '../../support/needs.ts'

test('an ssh that is older than an option does not get it', () => {
  for (const version of ['OpenSSH_8.7p1', 'OpenSSH_9.2p1 Debian-2+deb12u3', 'OpenSSH_10.0p2'])
    assert.equal(sessionOptionsOf(version).length, 3, version)
  for (const version of ['OpenSSH_8.4p1', 'OpenSSH_7.9p1', 'other', ''])
    assert.deepEqual(sessionOptionsOf(version), [], version)
})

test('ssh accepts the options', { skip: missing('ssh') }, () => {
  const options = sessionOptions(process.env)
  const args = ['-F', 'none', ...options.flatMap((option) => ['-o', option]), '-G', 'box']
  const { status, stderr } = spawnSync('ssh', args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})

test('without an ssh there are none', () => {
  assert.deepEqual(sessionOptions({ PATH: '/nowhere' }), [])
})
