import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseUnixUsers, systemUsers } from '../../src/platform/unix-users.ts'

test('names and numbers of accounts', () => {
  const users = parseUnixUsers('root:x:0:0:root:/root:/bin/sh\nmallory:x:1502:1502::/:/bin/sh\n')
  assert.deepEqual([users.uidOf('mallory'), users.uidOf('nobody')], [1502, undefined])
  assert.deepEqual([users.nameOf(1502), users.nameOf(7)], ['mallory', undefined])
})

test('of two lines for one name or number the first counts', () => {
  const users = parseUnixUsers('root:x:0:0\ntoor:x:0:0\nroot:x:7:7\n')
  assert.equal(users.nameOf(0), 'root')
  assert.equal(users.uidOf('root'), 0)
  assert.equal(users.uidOf('toor'), 0)
})

test('lines that are no account are passed over', () => {
  const users = parseUnixUsers('# x\n\n:x:1:1\n+::::::\nbad:x:-1:0\nhex:x:0x10:0\nshort\n')
  assert.equal(users.nameOf(1), undefined)
  for (const name of ['bad', 'hex', 'short', '+', '']) assert.equal(users.uidOf(name), undefined, name)
})

test('the accounts of this machine are read', () => {
  assert.equal(systemUsers().nameOf(0), 'root')
})
