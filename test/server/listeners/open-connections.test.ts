import assert from 'node:assert/strict'
import { test } from 'node:test'

import { connectionLimits, mostConnections } from '../../../src/server/listeners/open-connections.ts'

for (const [name, limit, share, expected] of [
  ['any number is bounded all the same', Infinity, 1, mostConnections],
  ['a call takes two', 1_024, 1, { maxConnections: 437, maxRejected: 62 }],
  ['some stay for refusals and files', 64, 1, { maxConnections: 16, maxRejected: 4 }],
  ['threads share them', 1_024, 0.5, { maxConnections: 218, maxRejected: 31 }],
  ['one connection is served in any case', 24, 1, { maxConnections: 1, maxRejected: 4 }],
] as const) {
  test(`of file descriptors ${name}`, () => {
    assert.deepEqual(connectionLimits({ limit, open: 24 }, share), expected)
  })
}

test('where descriptors are not shown, the usual limit counts', () => {
  assert.deepEqual(connectionLimits(undefined, 1), mostConnections)
})
