import assert from 'node:assert/strict'
import { test } from 'node:test'

import { findKey } from './key-forms.ts'

const key = 'Zq7/leak+Probe=41xW9'

for (const before of ['', 'a', 'ab', 'abc', 'Bearer ']) {
  for (const after of ['', 'x', 'xy']) {
    test(`a key between "${before}" and "${after}" is found in base64`, () => {
      const bytes = Buffer.from(before + key + after)
      assert.notDeepEqual(findKey(`… ${bytes.toString('base64')}`, key), [])
      assert.notDeepEqual(findKey(`… ${bytes.toString('base64url')}`, key), [])
    })
  }
}

test('a key is found as it is, by its beginning, and encoded for a URL', () => {
  assert.ok(findKey(`{"key":"${key}"}`, key).includes('the key'))
  assert.deepEqual(findKey('Zq7/leak****', key), ['its first 8 characters'])
  assert.deepEqual(findKey(encodeURIComponent(key), key), ['the key, percent-encoded'])
})

test('nothing is found where nothing is', () => {
  assert.deepEqual(findKey('Zq7/lea leak+Probe', key), [])
})
