import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../support/properties.ts'

import { allowList, nameClient } from '../../../src/clients/identity/client-name.ts'

test('an id is visible ASCII of at most 200 bytes, and different names have different ids', () => {
  const name = fc.string({ unit: 'binary', maxLength: 40 })
  fc.assert(
    fc.property(name, name, (one, other) => {
      const [first, second] = [nameClient('head', one), nameClient('head', other)]
      if ('fault' in first || 'fault' in second) return
      assert.match(first.id, /^head:[!-~]{1,195}$/)
      assert.equal(first.id === second.id, one === other)
    }),
  )
})

test('a domain follows the only @, whatever its case', () => {
  const isAllowed = allowList(['*@Example.org'])
  const rows: readonly (readonly [id: string, expected: boolean])[] = [
    ['mail:ann@example.org', true],
    ['ts:Ann@EXAMPLE.ORG', true],
    ['mail:ann@sub.example.org', false],
    ['mail:ann@example.org.evil', false],
    ['mail:@example.org', false],
    ['head:example.org', false],
    ['service:ann@example.org', false],
  ]
  for (const [id, expected] of rows) assert.equal(isAllowed(id), expected, id)
})

test('a service is named by its whole id', () => {
  assert.equal(allowList(['abc.access'])('service:abc.access'), false)
  assert.equal(allowList(['service:abc.access'])('service:abc.access'), true)
  assert.equal(allowList(['service:abc.access'])('head:service:abc.access'), false)
})
