import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorOf, reasonOf } from '../../src/platform/thrown.ts'

test('an error is itself, and its reason is its message', () => {
  const error = new TypeError('no function')
  assert.equal(errorOf(error), error)
  assert.equal(reasonOf(error), 'no function')
})

test('anything else that was thrown is a reason as a text', () => {
  for (const [thrown, text] of [
    ['broken', 'broken'],
    [undefined, 'undefined'],
    [404, '404'],
  ] as const) {
    assert.equal(reasonOf(thrown), text)
    assert.equal(errorOf(thrown).message, text)
  }
})
