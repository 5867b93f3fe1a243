import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { isMapped, isPrivateGroup, parseUnixUsers, systemUsers } from '../../src/platform/unix-users.ts'

test('names and numbers of accounts', () => {
  const users = parseUnixUsers('root:x:0:0:root:/root:/bin/sh\nmallory:x:1502:1502::/:/bin/sh\n')
  assert.deepEqual([users.uidOf('mallory'), users.uidOf('nobody')], [1502, undefined])
  assert.deepEqual([users.nameOf(1502), users.nameOf(7)], ['mallory', undefined])
})

test('which users a user namespace shows', () => {
  const all = '         0          0 4294967295\n'
  const service = '      1501       1501          1\n'
  assert.deepEqual([isMapped(all, 0), isMapped(all, 33), isMapped('', 33)], [true, true, true])
  assert.deepEqual(
    [1500, 1501, 1502].map((uid) => isMapped(service, uid)),
    [false, true, false],
  )
  assert.deepEqual(
    [33, 1501].map((uid) => isMapped(`${service}        30  100030  10\n`, uid)),
    [true, true],
  )
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

describe('a group is', () => {
  const passwd = ['root:x:0:0::/root:/bin/sh', 'ann:x:1000:1000::/:/bin/sh', 'bob:x:1001:1001::/:/bin/sh', '']
  const cases: [name: string, group: string[], passwd: string[], isPrivate: boolean][] = [
    ["private with its user's name and no members", ['ann:x:1000:'], passwd, true],
    ['private with that user as a member', ['ann:x:1000:ann'], passwd, true],
    ['shared with another member', ['ann:x:1000:ann,bob'], passwd, false],
    ['shared under another name', ['staff:x:1000:'], passwd, false],
    [
      'shared as the primary group of another user',
      ['ann:x:1000:'],
      [...passwd, 'eve:x:1002:1000::/:'],
      false,
    ],
    ['shared under a second name', ['ann:x:1000:', 'staff:x:1000:bob'], passwd, false],
    ['shared when the group is unknown', [], passwd, false],
    ['shared when the user is unknown', ['ann:x:1000:'], [], false],
  ]
  for (const [name, group, users, isPrivate] of cases) {
    test(name, () =>
      assert.equal(isPrivateGroup(users.join('\n'), group.join('\n'), { gid: 1000, uid: 1000 }), isPrivate),
    )
  }
})
