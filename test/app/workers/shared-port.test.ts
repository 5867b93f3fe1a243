import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sharedPort } from '../../../src/app/workers/shared-port.ts'

test('the other workers listen where the first one does, but for its Unix socket', () => {
  const addresses = ['http://127.0.0.1:4000', 'http://[::1]:4000', 'unix:/run/x.sock']
  assert.deepEqual(sharedPort(addresses), { hosts: ['127.0.0.1', '::1'], port: 4000 })
})

test('port 80 is a port too', () => {
  assert.equal(sharedPort(['http://127.0.0.1:80']).port, 80)
})

for (const addresses of [['unix:/run/x.sock'], ['http://127.0.0.1:4000', 'http://[::1]:4001']]) {
  test(`${addresses.join(' and ')} can't be shared`, () => {
    assert.throws(() => sharedPort(addresses), { name: 'StartError' })
  })
}
