import assert from 'node:assert/strict'
import { test } from 'node:test'

import { pathInTable, takePassedSockets } from '../../src/systemd/listen-fds.ts'

const noPath = () => undefined

test('every passed descriptor is taken, from 3 on, with its name and path', () => {
  const env = { LISTEN_FDS: '3', LISTEN_PID: '42', LISTEN_FDNAMES: 'web::api' }
  const sockets = takePassedSockets(env, 42, (fd) => (fd === 5 ? '/run/api.sock' : undefined))
  assert.deepEqual(sockets, [
    { fd: 3, name: 'web', path: undefined },
    { fd: 4, name: 'unknown', path: undefined },
    { fd: 5, name: 'api', path: '/run/api.sock' },
  ])
})

test('the variables are removed, whoever they were meant for', () => {
  for (const owner of ['42', '41']) {
    const env: NodeJS.ProcessEnv = { LISTEN_FDS: '1', LISTEN_PID: owner, LISTEN_FDNAMES: 'x', PATH: '/bin' }
    takePassedSockets(env, 42, noPath)
    assert.deepEqual(env, { PATH: '/bin' })
  }
})

const others: readonly NodeJS.ProcessEnv[] = [
  {},
  { LISTEN_FDS: '1' },
  { LISTEN_FDS: '1', LISTEN_PID: '41' },
  { LISTEN_FDS: '0', LISTEN_PID: '42' },
  { LISTEN_FDS: '-1', LISTEN_PID: '42' },
  { LISTEN_FDS: '1e1', LISTEN_PID: '42' },
  { LISTEN_FDS: '99', LISTEN_PID: '42' },
]
for (const env of others) {
  test(`no descriptor is touched with ${JSON.stringify(env)}`, () => {
    assert.deepEqual(takePassedSockets({ ...env }, 42, noPath), [])
  })
}

test('a Unix socket is found in the table of the kernel by its inode, with blanks in its path', () => {
  const lines = [
    'Num       RefCount Protocol Flags    Type St Inode Path',
    '0000000000000000: 00000002 00000000 00010000 0001 01 4530 /run/a b.sock',
    '0000000000000000: 00000003 00000000 00000000 0001 03 453',
    '',
  ]
  assert.equal(pathInTable(lines, '4530'), '/run/a b.sock')
  assert.equal(pathInTable(lines, '453'), undefined)
})
