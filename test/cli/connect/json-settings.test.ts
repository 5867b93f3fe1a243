import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { type JsonObjectToSet, withMembers } from '../../../src/cli/connect/json-settings.ts'

function edited(before: string, members: JsonObjectToSet): string {
  const outcome = withMembers(before, members)
  assert.ok(outcome.kind === 'edited', outcome.kind)
  return outcome.text
}

test('every byte of other members stays as it was written', () => {
  const before =
    '\uFEFF{\r\n\t"big" : 12345678901234567890, "float":1.0e2,\r\n\t"\\u0061": [1,  2],\r\n\t"__proto__": {},\r\n\t"env": {"A": "\\/", "URL": "old"}\r\n}'
  const after = edited(before, { env: { URL: 'new', B: true }, model: 'x', deep: { a: { b: 'c' } } })
  assert.equal(
    after,
    '\uFEFF{\r\n\t"big" : 12345678901234567890, "float":1.0e2,\r\n\t"\\u0061": [1,  2],\r\n\t"__proto__": {},\r\n\t"env": {"A": "\\/", "URL": "new","B":true},\r\n\t"model": "x",\r\n\t"deep": {\r\n\t\t"a": {\r\n\t\t\t"b": "c"\r\n\t\t}\r\n\t}\r\n}',
  )
  assert.equal(edited(after, { env: { URL: 'new', B: true }, model: 'x', deep: { a: { b: 'c' } } }), after)
})

test('an empty object is laid out in lines', () => {
  assert.equal(edited('{}\n', { a: 'b' }), '{\n  "a": "b"\n}\n')
  assert.equal(
    edited('{\n    "env": { }\n}', { env: { a: 'b' } }),
    '{\n    "env": {\n        "a": "b"\n    }\n}',
  )
  assert.equal(edited('\uFEFF\n', { a: 'b' }), '\uFEFF{\n  "a": "b"\n}\n')
})

test('a member that stands twice is set twice', () => {
  assert.equal(edited('{"a":1,"a":{"b":2}}', { a: 'c' }), '{"a":"c","a":"c"}')
})

test('what is no object is left as it is', () => {
  for (const text of ['[]', '{ /* mine */ }', '{"a":1', '{"a":'.repeat(100_000)])
    assert.equal(withMembers(text, { a: 'b' }).kind, 'refused')
})

test('whatever the file, it has the members afterwards, and the others as before', () => {
  const names = fc.constantFrom('env', 'a', 'b', '"', 'é')
  const wanted = fc.dictionary(
    names,
    fc.oneof(fc.string(), fc.dictionary(names, fc.string(), { noNullPrototype: true })),
    { noNullPrototype: true },
  )
  const present = fc.dictionary(names, fc.jsonValue(), { noNullPrototype: true })
  fc.assert(
    fc.property(present, wanted, fc.constantFrom(undefined, 1, '\t'), (value, members, indent) => {
      const after = JSON.parse(edited(JSON.stringify(value, undefined, indent), members)) as Record<
        string,
        unknown
      >
      const merged = (into: unknown, from: Record<string, unknown>): unknown => {
        const base = typeof into === 'object' && into !== null && !Array.isArray(into) ? into : {}
        const entries = Object.entries(from).map(([name, each]) => {
          const own = (base as Record<string, unknown>)[name]
          return [
            name,
            typeof each === 'object' && each !== null ? merged(own, each as Record<string, unknown>) : each,
          ]
        })
        return { ...base, ...(Object.fromEntries(entries) as object) }
      }
      assert.deepEqual(after, merged(value, members))
    }),
  )
})
