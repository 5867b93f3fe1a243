// Asking for usage changes the one member that asks, and not a byte around it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../../support/properties.ts'

import { includeUsageSplice } from '../../../src/dialects/openai/include-usage.ts'
import { GatewayError } from '../../../src/errors.ts'
import { scanJson } from '../../../src/bytes/json/scan.ts'
import { MemberNames } from '../../../src/bytes/json/member-names.ts'
import { splice } from '../../../src/bytes/splice.ts'

/** The body with the wish, or undefined where nothing is changed. */
function asked(body: string): string | undefined {
  const bytes = Buffer.from(body)
  const outcome = scanJson(bytes, new MemberNames(['stream_options']))
  assert.ok(outcome.ok, body)
  const edit = includeUsageSplice(bytes, outcome.scan)
  assert.ok(!(edit instanceof GatewayError), body)
  return edit && splice(bytes, [edit]).toString()
}

const cases: readonly [string, string, string | undefined][] = [
  ['absent', '{ "a":1 }', '{"stream_options":{"include_usage":true}, "a":1 }'],
  ['absent from an empty body', '{}', '{"stream_options":{"include_usage":true}}'],
  ['null', '{"stream_options": null ,"a":1}', '{"stream_options": {"include_usage":true} ,"a":1}'],
  ['empty', '{"stream_options":{ }}', '{"stream_options":{"include_usage":true }}'],
  ['false', '{"stream_options":{"include_usage":false}}', '{"stream_options":{"include_usage":true}}'],
  ['null inside', '{"stream_options":{"include_usage":null}}', '{"stream_options":{"include_usage":true}}'],
  ['text inside', '{"stream_options":{"include_usage":"x"}}', '{"stream_options":{"include_usage":true}}'],
  [
    'beside another option',
    '{"stream_options":{"include_obfuscation":false}}',
    '{"stream_options":{"include_usage":true,"include_obfuscation":false}}',
  ],
  ['true already', '{"stream_options":{"include_usage":true}}', undefined],
  ['an array', '{"stream_options":[]}', undefined],
  ['text', '{"stream_options":"x"}', undefined],
  ['a number', '{"stream_options":1}', undefined],
  [
    'nested elsewhere',
    '{"a":{"stream_options":1}}',
    '{"stream_options":{"include_usage":true},"a":{"stream_options":1}}',
  ],
]

describe('stream_options that are', () => {
  for (const [name, body, expected] of cases) {
    test(name, () => assert.equal(asked(body), expected))
  }
})

const space = fc.stringMatching(/^[ \t\n\r]{0,3}$/)
const other = fc.dictionary(
  fc.string().filter((key) => !/stream_options|include_usage/i.test(key) && key !== '__proto__'),
  fc.jsonValue(),
  { maxKeys: 4 },
)
const options = fc.oneof(
  fc.constant(undefined),
  fc.constant(null),
  fc
    .tuple(other, fc.constantFrom(undefined, false, null, 'x', 0, {}))
    .map(([rest, wish]) => (wish === undefined ? rest : { ...rest, include_usage: wish })),
)

/** JSON text with white space of one's own between all tokens at the top. */
function written(value: object, gap: string): string {
  const members = Object.entries(value).map(
    ([key, each]) => `${gap}${JSON.stringify(key)}${gap}:${gap}${JSON.stringify(each)}${gap}`,
  )
  return `${gap}{${gap}${members.join(',')}${gap}}${gap}`
}

test('the body says the same but for the wish, and every byte outside of stream_options stays', () => {
  fc.assert(
    fc.property(other, options, other, space, (before, streamOptions, after, gap) => {
      const rest = Object.entries(after).filter(([key]) => !Object.hasOwn(before, key))
      const value = {
        ...before,
        ...(streamOptions !== undefined && { stream_options: streamOptions }),
        ...Object.fromEntries(rest),
      }
      const body = written(value, gap)
      const result = asked(body)
      assert.ok(result !== undefined)
      const expected = { ...value, stream_options: { ...streamOptions, include_usage: true } }
      assert.deepEqual(JSON.parse(result), JSON.parse(JSON.stringify(expected)))
      assertOneEdit(body, result)
    }),
    { numRuns: 1000 },
  )
})

/** What differs is one stretch of at most the wish's own length. */
function assertOneEdit(before: string, after: string): void {
  let start = 0
  while (start < before.length && before[start] === after[start]) start += 1
  let end = 0
  while (end < before.length - start && before.at(-1 - end) === after.at(-1 - end)) end += 1
  const written = after.length - start - end
  assert.ok(written <= '"stream_options":{"include_usage":true},'.length, after)
}
