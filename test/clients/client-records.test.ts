// Which entry of `clients:` applies to whom.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { ClientRecords } from '../../src/clients/client-records.ts'
import type { ClientTerms } from '../../src/domain.ts'

function terms(name: string): ClientTerms {
  return { name, models: undefined, budgets: [] }
}

const patterns = [
  'ip:2001:DB8:0::1',
  'ip:2001:db8::/32',
  'ip:10.0.0.0/8',
  'mail:*@example.org',
  'mail:ann@*',
  'user:ann',
]
const records = new ClientRecords({
  byPattern: new Map(patterns.map((pattern) => [pattern, terms(pattern)])),
  default: terms('default'),
})

suite('the entry of a client', () => {
  for (const [id, entry] of [
    ['ip:2001:db8::1', 'ip:2001:DB8:0::1'],
    ['ip:2001:db8::2', 'ip:2001:db8::/32'],
    ['ip:10.1.2.3', 'ip:10.0.0.0/8'],
    ['mail:bob@example.org', 'mail:*@example.org'],
    // The longest pattern.
    ['mail:ann@example.org', 'mail:*@example.org'],
    ['mail:ann@example.com', 'mail:ann@*'],
    ['user:ann', 'user:ann'],
    ['user:anna', 'default'],
    ['ip:192.168.0.1', 'default'],
  ] as const)
    test(`${id} is ${entry}`, () => {
      assert.equal(records.withTerms({ id }).terms?.name, entry)
    })

  test('is not looked for where the client has a key', () => {
    const client = { id: 'key:ann', keyId: 'k_1', terms: terms('ann') }
    assert.equal(records.withTerms(client), client)
  })
})
