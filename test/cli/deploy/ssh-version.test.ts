import assert from 'node:assert/strict'
import { test } from 'node:test'

import { sessionOptions, sessionOptionsOf } from '../../../src/cli/deploy/ssh-version.ts'

test('an ssh that is older than an option does not get it', () => {
  for (const version of ['OpenSSH_8.7p1', 'OpenSSH_9.2p1 Debian-2+deb12u3', 'OpenSSH_10.0p2'])
    assert.equal(sessionOptionsOf(version).length, 3, version)
  for (const version of ['OpenSSH_8.4p1', 'OpenSSH_7.9p1', 'other', ''])
    assert.deepEqual(sessionOptionsOf(version), [], version)
})

test('without an ssh there are none', () => {
  assert.deepEqual(sessionOptions({ PATH: '/nowhere' }), [])
})
