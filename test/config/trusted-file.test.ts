import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { ownershipFault } from '../../src/platform/ownership.ts'
import { readTrustedFile } from '../../src/config/trusted-file.ts'
import { ownAccounts, scratchDirectory, writeScratch } from '../support/config-file.ts'

const alone = { uid: 1000, isPrivateGroup: () => true }
const shared = { uid: 1000, isPrivateGroup: () => false }
const rules = { maxBytes: 10, isSecret: false }

describe('the owner and mode of a file are', () => {
  const cases: [uid: number, mode: number, isSecret: boolean, accounts: typeof alone, message?: RegExp][] = [
    [1000, 0o600, false, shared],
    [1000, 0o644, false, shared],
    [0, 0o644, false, shared],
    [1001, 0o600, false, shared, /belongs to another user/],
    [1000, 0o646, false, alone, /writable by everybody/],
    [1000, 0o664, false, shared, /writable by its group/],
    [1000, 0o664, false, alone],
    [1000, 0o600, true, shared],
    [1000, 0o640, true, shared, /readable by others/],
    [1000, 0o640, true, alone],
    [1000, 0o604, true, alone, /readable by others/],
    [1000, 0o620, true, shared, /writable by its group/],
  ]
  for (const [uid, mode, isSecret, accounts, message] of cases) {
    const what = `uid ${uid}, mode ${mode.toString(8)}, ${isSecret ? 'key' : 'configuration'}, ${accounts === alone ? 'own' : 'shared'} group`
    test(`${message === undefined ? 'trusted' : 'refused'}: ${what}`, () => {
      const fault = ownershipFault('f', { uid, gid: 50, mode: 0o100000 | mode }, { isSecret }, accounts)
      if (message === undefined) assert.equal(fault, undefined)
      else assert.match(fault?.message ?? '', message)
    })
  }
})

test('a pipe is refused, and its opening does not wait for a writer', (t) => {
  const path = join(scratchDirectory(t), 'pipe')
  execFileSync('/usr/bin/mkfifo', [path])
  const file = readTrustedFile(path, rules, ownAccounts)
  assert.equal(file.kind === 'refused' && file.message, 'is a pipe')
})

test('a link is judged by the file that it leads to', (t) => {
  const target = writeScratch(t, 'x', { mode: 0o666 })
  const link = join(scratchDirectory(t), 'link')
  symlinkSync(target, link)
  assert.equal(readTrustedFile(link, rules, ownAccounts).kind, 'refused')
})

test('a file within the size is read, one over it is not', (t) => {
  assert.deepEqual(readTrustedFile(writeScratch(t, '0123456789'), rules, ownAccounts), {
    kind: 'read',
    text: '0123456789',
  })
  assert.equal(readTrustedFile(writeScratch(t, '0123456789a'), rules, ownAccounts).kind, 'refused')
})
