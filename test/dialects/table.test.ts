// The ways from clients' formats to providers'.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { nativeDialects, nativeFormatNames } from '../../src/dialects/native/formats.ts'
import { dialects } from '../../src/dialects/table.ts'
import { kindsWith } from '../../src/upstream/providers/native-formats.ts'
import { openServerTraits } from '../../src/upstream/providers/traits.ts'

test('the formats are sorted by path, and no path or name stands twice but those of what is no format of its own', () => {
  const paths = Array.from(dialects.keys(), ({ path }) => path)
  assert.deepEqual(paths, paths.toSorted())
  assert.equal(new Set(paths).size, paths.length)
  const counting = [...dialects.keys()].filter(({ count }) => count !== undefined)
  const natives = nativeDialects.map(({ name }) => name)
  const names = Array.from(dialects.keys(), ({ name }) => name)
  assert.deepEqual(
    counting.map(({ name }) => name),
    counting.map(() => 'other'),
  )
  assert.equal(new Set(names).size, names.length - counting.length - natives.length + 1)
  assert.deepEqual(new Set(natives), new Set(['other', 'rerank']))
})

test("of each of the servers' own formats it is known which kinds have it", () => {
  for (const name of nativeFormatNames) assert.ok(kindsWith(name)?.has('llama_cpp'), name)
})

test('a provider that speaks the format of the client gets the identical buffer', () => {
  const [chat, ways] = [...dialects].find(([{ name }]) => name === 'chat')!
  const body = Buffer.from('{"model":"m","messages":[]}')
  const request = chat.readRequest({ contentType: 'application/json', body })
  assert.ok(!(request instanceof Error))
  const [translator] = ways
  const translation = translator!.begin(request, {
    model: 'm',
    traits: openServerTraits,
    asksUsage: false,
    promptTokens: 1,
    providerName: 'p',
    allowsManagement: false,
    now: () => 0,
    nowSeconds: 0,
    newId: () => 'id',
  })
  assert.ok(!(translation instanceof Error))
  assert.equal(translation.body, body)
  assert.equal(translation.contentType, 'application/json')
  assert.equal(translation.response, undefined)
})

test('the first way of a format is the one that keeps the bytes, and no other leads to its own format', () => {
  for (const [client, [first, ...others]] of dialects) {
    assert.deepEqual([first!.way, first!.provider], ['pass', client.native])
    assert.ok(others.every(({ way, provider }) => way !== 'pass' && provider !== client.native))
  }
})

test('every translation states what it carries, and passing needs no statement', () => {
  for (const ways of dialects.values()) {
    for (const { way, coverage } of ways) {
      if (way === 'pass') assert.equal(coverage, undefined)
      else
        assert.ok(coverage!.request['model'] !== undefined && Object.keys(coverage!.response).length > 3, way)
    }
  }
})
