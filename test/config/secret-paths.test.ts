import assert from 'node:assert/strict'
import { test } from 'node:test'

import { indexProblems } from '../../src/config/problems.ts'
import { configSchema } from '../../src/config/schema/schema.ts'
import { secretPaths } from '../../src/config/secret-paths.ts'
import { violations } from '../../src/config/validate.ts'

test('secrets may be in literals, values of unknown keys, and faulty references, not in good references', () => {
  const value = {
    providers: {
      a: { api_key: 'hunter2', apikey: 'hunter2', headers: { 'x-token': 'hunter2' } },
      b: { api_key: { env: 'GOOD', optional: true, value: 'hunter2' }, headers: { x: { env: 'hunter-2' } } },
      c: { api_key: ['hunter2'], headers: { x: { file: { hunter2: 1 } } } },
    },
  }
  const { hasProblem } = indexProblems(violations(value, []))
  assert.deepEqual(
    [...secretPaths(configSchema, value, hasProblem)],
    [
      ['providers', 'a', 'api_key'],
      ['providers', 'a', 'apikey'],
      ['providers', 'a', 'headers', 'x-token'],
      ['providers', 'b', 'api_key', 'value'],
      ['providers', 'b', 'headers', 'x', 'env'],
      ['providers', 'c', 'api_key'],
      ['providers', 'c', 'headers', 'x', 'file', 'hunter2'],
    ],
  )
})
