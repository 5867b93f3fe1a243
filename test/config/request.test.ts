// `models.NAME.request`: what is refused, and the rules that come of it.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { loadText, problemsOf } from '../support/config-file.ts'

const text = (request: string) =>
  `providers: { p: { kind: echo } }\nmodels:\n  m:\n    provider: p\n    request: ${request}\n`

function rulesOf(t: TestContext, request: string) {
  const loaded = loadText(t, text(request))
  assert.ok(loaded.ok)
  return loaded.config.models.get('m')!.request
}

test('members become rules, those within an object below it', (t) => {
  const request = `{ default: { temperature: 0.2 }, set: { /a/b~1c: null, top_k: 40 }, drop: [/a/d~0, seed] }`
  assert.deepEqual(rulesOf(t, request), [
    {
      kind: 'within',
      name: 'a',
      rules: [
        { kind: 'drop', name: 'd~' },
        { kind: 'set', name: 'b/c', json: 'null' },
      ],
    },
    { kind: 'drop', name: 'seed' },
    { kind: 'default', name: 'temperature', json: '0.2' },
    { kind: 'set', name: 'top_k', json: '40' },
  ])
  assert.equal(rulesOf(t, '{}'), undefined)
})

describe('refused are', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['the conversation', '{ set: { messages: [] } }', '"messages" cannot be changed'],
    ['parts of it', '{ drop: [/tools/0] }', '"tools" cannot be changed'],
    ['the model in any case', '{ default: { Model: x } }', '"Model" cannot be changed'],
    [
      'the stream as a decoder that ignores case may read it',
      '{ set: { \u017ftream: true } }',
      '"\u017ftream" cannot be changed',
    ],
    ['its tools with such a letter', '{ drop: [/tool\u017f/0] }', '"tool\u017f" cannot be changed'],
    ['the stream', '{ set: { /stream_options/include_usage: true } }', '"stream_options" cannot be changed'],
    ['a wrong pointer', '{ set: { /a~2: 1 } }', '"/a~2" is not a JSON pointer'],
    ['infinity', '{ set: { a: [.inf] } }', 'the value of "a" cannot be written as JSON'],
    ['one member twice', '{ set: { a: 1 }, drop: [/a] }', '"/a" and "a" concern the same member'],
    [
      'a member and its object',
      '{ set: { a: {} }, default: { /a/b: 1 } }',
      '"a" and "/a/b" concern the same member',
    ],
  ]
  for (const [what, request, message] of cases) {
    test(what, (t) => {
      const [problem, ...others] = problemsOf(t, text(request))
      assert.deepEqual(others, [])
      assert.match(problem ?? '', /^5:\d+ models\.m\.request\./)
      assert.ok(problem!.endsWith(message), problem!)
    })
  }
})
