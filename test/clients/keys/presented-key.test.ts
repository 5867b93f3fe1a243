import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { fc } from '../../support/properties.ts'

import { presentedKey } from '../../../src/clients/keys/presented-key.ts'

const [one, two] = ['gw_one', 'gw_two']
const long = `gw_${'x'.repeat(16 * 1024)}`

const cases: readonly (readonly [what: string, headers: readonly string[], expected: string | undefined])[] =
  [
    ['no header', [], undefined],
    ['Authorization', ['Authorization', `Bearer ${one}`], one],
    ['x-api-key', ['x-api-key', one], one],
    ['api-key', ['Api-Key', one], one],
    ['a second known prefix', ['x-api-key', 'adm_one'], 'adm_one'],
    ['bearer', ['authorization', `bearer ${one}`], one],
    ['BEARER', ['AUTHORIZATION', `BEARER ${one}`], one],
    ['no space', ['authorization', `Bearer${one}`], undefined],
    ['two spaces', ['authorization', `Bearer  ${one}`], one],
    ['a tab', ['authorization', `Bearer\t${one}`], one],
    ['a trailing space', ['authorization', `Bearer ${one} `], one],
    ['spaces around', ['x-api-key', ` ${one}\t`], one],
    ['no scheme', ['authorization', one], undefined],
    ['another scheme', ['authorization', `Basic ${one}`], undefined],
    ['an empty value', ['authorization', '', 'x-api-key', ''], undefined],
    ['the scheme alone', ['authorization', 'Bearer', 'x-api-key', one], one],
    ['two words, which is no key', ['authorization', `Bearer ${one} more`], `${one} more`],
    ['a folded line, which is no key', ['x-api-key', `${one}, ${two}`], `${one}, ${two}`],
    ['16 KiB', ['authorization', `Bearer ${long}`], long],
    ['the prefix in another case', ['x-api-key', 'GW_one'], undefined],
    ['a foreign token', ['authorization', 'Bearer sk-ant-oat01-abc'], undefined],
    ['a foreign token beside ours', ['authorization', 'Bearer sk-ant-oat01-abc', 'x-api-key', one], one],
    ['ours beside a foreign token', ['authorization', `Bearer ${one}`, 'x-api-key', 'sk-abc'], one],
    ['two headers, the same key', ['authorization', `Bearer ${one}`, 'api-key', one], one],
    ['two headers, two keys', ['authorization', `Bearer ${one}`, 'x-api-key', two], 'ambiguous'],
    ['two lines, two keys', ['x-api-key', one, 'x-api-key', two], 'ambiguous'],
    ['two lines, one key', ['x-api-key', one, 'X-API-Key', one], 'ambiguous'],
    [
      'two lines, ours the second',
      ['authorization', 'Bearer sk-1', 'authorization', `Bearer ${one}`],
      'ambiguous',
    ],
    [
      'two lines, ours the first',
      ['authorization', `Bearer ${one}`, 'authorization', 'Basic x'],
      'ambiguous',
    ],
    [
      'two foreign lines beside ours',
      ['authorization', 'Bearer a', 'authorization', 'Bearer b', 'api-key', one],
      one,
    ],
    [
      'other headers',
      ['x-goog-api-key', one, 'cookie', `key=${one}`, 'proxy-authorization', `Bearer ${one}`],
      undefined,
    ],
  ]

suite('a request presents', () => {
  for (const [what, headers, expected] of cases) {
    test(`${what}: ${expected?.slice(0, 20)}`, () => {
      assert.equal(presentedKey(headers, ['gw_', 'adm_']), expected)
    })
  }
})

test('whatever the headers are, a key that is found stands in one of them and has a prefix', () => {
  const name = fc.constantFrom('authorization', 'Authorization', 'x-api-key', 'API-KEY', 'host', 'x-other')
  const token = fc.oneof(fc.constantFrom(one, two, 'sk-x', ''), fc.string())
  const value = fc.oneof(
    token,
    token.map((text) => `Bearer ${text}`),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 6 }), (headers) => {
      const found = presentedKey(headers.flat(), ['gw_'])
      if (found === undefined || found === 'ambiguous') return
      assert.ok(found.startsWith('gw_'))
      assert.ok(headers.some(([, text]) => text.includes(found)))
    }),
  )
})
