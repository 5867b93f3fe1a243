// One spelling of each address: a client's name must not change with it.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { plainAddress } from '../../src/clients/ip-address.ts'

suite('an address', () => {
  const spellings: readonly (readonly [written: string, plain: string | undefined])[] = [
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::FFFF:7f00:1', '127.0.0.1'],
    ['0:0:0:0:0:ffff:127.0.0.1', '127.0.0.1'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['fe80:0::1%eth0', 'fe80::1%eth0'],
    ['::1', '::1'],
    ['::ffff:999.0.0.1', undefined],
    ['127.1', undefined],
    ['', undefined],
    ['unknown', undefined],
  ]
  for (const [written, plain] of spellings)
    test(`written as ${JSON.stringify(written)} is ${plain ?? 'refused'}`, () => {
      assert.equal(plainAddress(written), plain)
    })
})
