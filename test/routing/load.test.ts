// Calls under way at providers.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ProviderLoad } from '../../src/routing/load.ts'

test('each call counts from its beginning to its end, at its own provider', () => {
  const load = new ProviderLoad()
  load.add('p')
  load.add('p')
  load.remove('p')
  assert.deepEqual([load.of('p'), load.of('q')], [1, 0])
})
