// Logins as Tailscale Serve encodes them: examples are what Go's mime.QEncoding writes.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { decodeWords } from '../../../src/clients/identity/encoded-words.ts'
import { fc } from '../../support/properties.ts'

suite('encoded words', () => {
  const examples: readonly (readonly [encoded: string, login: string])[] = [
    ['=?utf-8?q?j=C3=B6rg@example.org?=', 'jörg@example.org'],
    ['=?utf-8?q?=C3=9Cnal=5F=C3=96=3F=3Dx@example.org?=', 'Ünal_Ö?=x@example.org'],
    ['=?utf-8?q?=E6=97=A5=E6=9C=AC@example.org?=', '日本@example.org'],
    ['=?utf-8?q?a,=C3=B6@b?=', 'a,ö@b'],
    [
      '=?utf-8?q?=C3=A4=C3=B6=C3=BC=C3=A4=C3=B6=C3=BC=C3=A4=C3=B6=C3=BC=C3=A4?= =?utf-8?q?=C3=B6=C3=BC.=C3=A4=C3=B6=C3=BC@example.org?=',
      'äöüäöüäöüäöü.äöü@example.org',
    ],
  ]
  for (const [encoded, login] of examples) test(login, () => assert.equal(decodeWords(encoded), login))

  test('of any text come back, and text without them stays as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (login) => {
        const isAscii = /^[\0-\x7f]*$/.test(login)
        assert.equal(decodeWords(isAscii ? login : encodeWord(login)), login)
      }),
    )
  })

  test('that stand for ASCII alone are a name of their own', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), (login) => {
        const encoded = encodeWord(login)
        assert.equal(decodeWords(encoded), encoded)
      }),
    )
  })
})

/** In one word, however long. */
function encodeWord(text: string): string {
  const escaped = Array.from(Buffer.from(text), (byte) => {
    const character = String.fromCharCode(byte)
    if (character === ' ') return '_'
    return /[!-~]/.test(character) && !'=?_'.includes(character)
      ? character
      : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  })
  return `=?utf-8?q?${escaped.join('')}?=`
}
