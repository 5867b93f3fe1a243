// The ids of objects in a request's body, which may be large.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { addIdsOfJson, noIds } from '../../../src/dialects/openai/object-ids.ts'

async function idsIn(json: string | Buffer): Promise<{ own: string[]; other: string[] }> {
  const found = noIds()
  await addIdsOfJson(found, Buffer.from(json), () => 0)
  return { own: [...found.own], other: [...found.other] }
}

suite('the ids in a JSON body', () => {
  for (const [what, json, own, other = []] of [
    ['the value of a member', '{"file_id":"a"}', ['a']],
    ['a value after white space', '{ "file_id"\n\t: \r"a" }', ['a']],
    ['a value whose name has escapes', '{"file\\u005fid":"a\\u0062"}', ['ab']],
    ['a list', '{"file_ids":["a",["b"],1,"c"]}', ['a', 'b', 'c']],
    ['each of several members of one name', '{"file_id":"a","file_id":"b"}', ['a', 'b']],
    ['a member below another', '{"tools":[{"container":{"file_ids":["a"]}},"b"]}', ['a']],
    ['a value of the form of an id', '{"input":["file-123456789"]}', ['file-123456789']],
    ['a value that may be one', '{"input":["msg_abcdefgh"]}', [], ['msg_abcdefgh']],
    [
      'a note',
      '{"metadata":{"file_id":"a","b":["file-123456789"]},"file_id":"c"}',
      ['c'],
      ['file-123456789'],
    ],
    ['a name', '{"file-123456789":1}', []],
    ['an object in the place of an id', '{"file_id":{"x":"a"}}', []],
    ['a string with a quote', '{"file_id":"a\\"b"}', ['a"b']],
    ['a text alone', '"file-123456789"', []],
  ] as const) {
    test(`are found: ${what}`, async () => {
      assert.deepEqual(await idsIn(json), { own, other })
    })
  }

  test('are found wherever the search stops in them', async () => {
    const json = '{"x":[],"file_\\u0069d" : "a\\"\\\\b","y":["c"],"file_ids": ["d"]}'
    for (let shift = -json.length; shift <= 0; shift += 1) {
      const length = 16_384 + shift
      for (const body of [' '.repeat(length) + json, `["${'x'.repeat(length - 4)}",${json}]`]) {
        assert.deepEqual(await idsIn(body), { own: ['a"\\b', 'd'], other: [] }, `shifted by ${shift}`)
      }
    }
  })

  for (const [what, json] of [
    ['one string', `{"input":"${'x'.repeat(9_000_000)}","file_id":"a"}`],
    ['a string of escapes', `{"input":"${'\\n'.repeat(4_500_000)}","file_id":"a"}`],
    ['many strings', `{"input":[${'"x",'.repeat(2_000_000)}0],"file_id":"a"}`],
    ['white space', `{"input":${' '.repeat(9_000_000)}0,"file_id":"a"}`],
  ] as const) {
    test(`are looked for a little in each iteration of the event loop: ${what}`, async () => {
      const found = noIds()
      let iterations = 0
      let isOver = false
      const count = () => {
        iterations += 1
        if (!isOver) setImmediate(count)
      }
      setImmediate(count)
      let nowMs = 0
      await addIdsOfJson(found, Buffer.from(json), () => (nowMs += 1))
      isOver = true
      assert.deepEqual([...found.own], ['a'])
      // Two milliseconds pass in two steps of 16 KiB.
      assert.ok(iterations >= 100, `${iterations} iterations`)
    })
  }
})
