import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasFailed } from '../../src/status/failed-call.ts'

test('a call has failed unless it was answered, or a person has ended it', () => {
  assert.equal(hasFailed({ outcome: 'provider_error', code: null }), true)
  assert.equal(hasFailed({ outcome: 'refused', code: 'model_not_found' }), true)
  assert.equal(hasFailed({ outcome: 'ok', code: null }), false)
  assert.equal(hasFailed({ outcome: 'client_gone', code: null }), false)
  assert.equal(hasFailed({ outcome: 'refused', code: 'call_cancelled' }), false)
})
