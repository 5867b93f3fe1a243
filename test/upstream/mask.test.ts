import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import fc from 'fast-check'

import { createMask } from '../../src/upstream/mask.ts'

const key = 'sk-proj/ab+1"9'

suite('a secret in a provider’s text is masked', () => {
  const forms: [string, string][] = [
    ['as it is', key],
    ['in JSON', JSON.stringify({ key }).slice(8, -2)],
    ['in JSON as PHP writes it', 'sk-proj\\/ab+1"9'],
    ['in a URL', encodeURIComponent(key)],
    ['in base64', Buffer.from(key).toString('base64')],
    ['in base64url', Buffer.from(key).toString('base64url')],
  ]
  for (const [what, form] of forms) {
    test(what, () => {
      const text = createMask([key, 'another-key'])(`wrong key ${form}, and ${form}.`)
      assert.equal(text, 'wrong key [secret], and [secret].')
    })
  }
})

test('text without the secret is the same', () => {
  const mask = createMask([key])
  assert.equal(mask('wrong key sk-proj'), 'wrong key sk-proj')
})

test('placeholders are no secrets', () => {
  assert.equal(createMask(['none', 'EMPTY', ''])('none of EMPTY'), 'none of EMPTY')
})

test('no masked text holds a secret', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 8, maxLength: 40 }),
      fc.string(),
      fc.string(),
      (secret, before, after) => {
        const masked = createMask([secret])(before + secret + after)
        fc.pre(!'[secret]'.includes(secret) && !(before + after).includes(secret))
        assert.ok(masked.includes('[secret]'))
      },
    ),
  )
})
