import assert from 'node:assert/strict'
import { test } from 'node:test'

import { loginFailure } from '../../../src/cli/deploy/login-failure.ts'

const rows: readonly (readonly [words: string, remedy: RegExp])[] = [
  [
    'you@box: Permission denied (publickey).',
    /does not accept your key[^]*authorized_keys[^]*ssh -v you@box/,
  ],
  ['you@box: Permission denied (publickey,keyboard-interactive).', /ssh-copy-id you@box/],
  ['Received disconnect from ::1 port 22:2: Too many authentication failures', /does not accept your key/],
  ['@@@\nHost key verification failed.', /compare it: ssh you@box/],
  ['ssh: Could not resolve hostname box: Name or service not known', /neither a host nor an alias/],
  ['ssh: connect to host box port 22: Connection refused', /No sshd answers there/],
  ['something else', /It has printed the reason\. To try it, run: ssh you@box/],
]

for (const [words, remedy] of rows) {
  test(`what to do about: ${words}`, () => {
    const text = loginFailure('you@box', words)
    assert.match(text, /^ssh could not log in to you@box\. /)
    assert.match(text, remedy)
  })
}
