import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { fc } from '../../support/properties.ts'

import { createKey, digestOf, parseKey, randomBase62 } from '../../../src/clients/keys/key-format.ts'

const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const anyPrefix = fc.stringMatching(/^[a-z][a-z0-9]{1,7}_$/)
const anyLength = fc.integer({ min: 32, max: 128 })

suite('the text of a key', () => {
  test('has 65 characters with the usual prefix and length', () => {
    const { text, id } = createKey('gw_', 43)
    assert.equal(text.length, 65)
    assert.match(text, new RegExp(`^gw_${id}_[0-9A-Za-z]{49}$`))
  })

  test('is parsed to the id that it was created with', () => {
    fc.assert(
      fc.property(anyPrefix, anyLength, (prefix, length) => {
        const { text, id } = createKey(prefix, length)
        assert.deepEqual(parseKey(text), { prefix, id })
      }),
    )
  })

  test('is not accepted with one character changed, missing or added', () => {
    const { text } = createKey('gw_', 43)
    for (let at = 0; at < text.length; at++) {
      const [before, after] = [text.slice(0, at), text.slice(at + 1)]
      assert.equal(parseKey(before + after), undefined, `without character ${at}`)
      assert.equal(parseKey(`${before}0${text.slice(at)}`), undefined, `with one more at ${at}`)
      for (const letter of `${letters}_- `) {
        if (letter !== text[at])
          assert.equal(parseKey(before + letter + after), undefined, `${letter} at ${at}`)
      }
    }
    for (const other of [`${text}0`, `${text}\n`, ` ${text}`, text.toUpperCase(), '', 'gw_']) {
      assert.equal(parseKey(other), undefined)
    }
  })

  test('is not accepted when it is long beyond reason', () => {
    assert.equal(parseKey(`gw_${'a'.repeat(100_000)}`), undefined)
    assert.equal(parseKey(createKey('gw_', 129).text), undefined)
    assert.equal(parseKey(createKey('gw_', 31).text), undefined)
  })

  test('keeps its form over releases', () => {
    const known = 'gw_AAAAAAAAAAAA_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2mtsfR'
    assert.deepEqual(parseKey(known), { prefix: 'gw_', id: 'AAAAAAAAAAAA' })
    assert.equal(digestOf('abc').toString('hex').slice(0, 16), 'ba7816bf8f01cfea')
  })
})

suite('random characters', () => {
  test('are equally likely', () => {
    const count = 1_000_000
    const counts = new Map<string, number>()
    for (const letter of randomBase62(count)) counts.set(letter, (counts.get(letter) ?? 0) + 1)
    assert.deepEqual([...counts.keys()].sort(), letters.split('').sort())
    const expected = count / letters.length
    const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)
    // 61 degrees of freedom: one run in a billion exceeds it, and bytes modulo 62 give about 16,000.
    assert.ok(chiSquare < 150, `chi-square ${chiSquare}`)
  })

  test('are as many as requested', () => {
    for (const length of [0, 1, 12, 43, 128]) assert.equal(randomBase62(length).length, length)
  })
})
