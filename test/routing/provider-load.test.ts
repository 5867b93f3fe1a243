// Calls under way at providers: whoever began ends once, in any order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { ProviderLoad } from '../../src/routing/provider-load.ts'

test('each call counts from its beginning to its first end', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(12), { maxLength: 60 }), (ends) => {
      const load = new ProviderLoad()
      const calls = Array.from({ length: 13 }, () => load.began('p'))
      for (const call of ends) calls[call]!()
      assert.equal(load.of('p'), 13 - new Set(ends).size)
      assert.equal(load.of('q'), 0)
    }),
  )
})
