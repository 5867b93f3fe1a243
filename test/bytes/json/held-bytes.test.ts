import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heldBytes } from '../../../src/bytes/json/held-bytes.ts'

test('a text costs its characters, and a small value more than its JSON', () => {
  assert.ok(heldBytes('x'.repeat(1_000)) >= 1_000)
  const values = Array.from({ length: 1_000 }, () => ({}))
  assert.ok(heldBytes(values) > 10 * JSON.stringify(values).length)
  assert.ok(heldBytes({ a: { b: ['x'.repeat(500)] } }) > heldBytes({ a: { b: [] } }) + 500)
})
