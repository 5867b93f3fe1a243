// Text that is held while it comes in pieces.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../support/properties.ts'

import { GrowingText } from '../../../src/dialects/translate/responses_chat/growing-text.ts'

test('a text that grew by pieces is the same as their concatenation', () => {
  const pieces = fc.array(fc.string({ unit: 'binary', maxLength: 700 }))
  fc.assert(
    fc.property(pieces, (texts) => {
      const held = new GrowingText()
      for (const text of texts) held.add(text)
      assert.equal(held.isEmpty, texts.join('') === '')
      assert.equal(held.take(), texts.join(''))
      assert.ok(held.isEmpty)
    }),
  )
})

test('a character whose halves come apart stays whole', () => {
  for (let length = 1_020; length <= 1_026; length += 1) {
    const held = new GrowingText()
    for (const text of ['x'.repeat(length), '\ud83d', '\ude00', 'y']) held.add(text)
    assert.equal(held.take(), `${'x'.repeat(length)}😀y`)
  }
})
