import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeJson, JoinedText, TextOfJson } from '../../../src/bytes/json/encode.ts'
import { viewJson, viewObject } from '../../../src/bytes/json/view.ts'

const view = (text: string) => viewJson(Buffer.from(text))
const encoded = (value: Parameters<typeof encodeJson>[0]) => Buffer.concat(encodeJson(value)).toString()

test('a view finds the members of objects and the elements of lists, whatever stands in them', () => {
  const body = view(' { "a" : [1.0, "x]\\"", {"b":{}}, [], null ,true] , "\\u0063":"é\\n" , "d":-1e5 } ')
  const members = body.members()
  assert.deepEqual([...members.keys()], ['a', 'c', 'd'])
  const elements = members.get('a')!.elements()
  assert.deepEqual(
    elements.map((each) => each.raw.toString()),
    ['1.0', '"x]\\""', '{"b":{}}', '[]', 'null', 'true'],
  )
  assert.deepEqual(
    elements.map((each) => each.kind),
    ['number', 'string', 'object', 'array', 'null', 'true'],
  )
  assert.equal(members.get('c')!.text(), 'é\n')
  assert.equal(members.get('d')!.value(), -100_000)
})

test('names and texts are decoded whatever their bytes are, also where others have the same ones but for a few', () => {
  const names = ['role', 'rose', 'r\\u006fle', 'rôle', 'x'.repeat(70), 'a"', '']
  for (const name of [...names, ...names]) {
    const json = name.includes('\\') ? `"${name}"` : JSON.stringify(name)
    const [[found, value]] = [...view(`{${json}:${json}}`).members()] as [[string, ReturnType<typeof view>]]
    assert.equal(found, JSON.parse(json))
    assert.equal(value.text(), JSON.parse(json))
  }
})

test('what is long and nested is found from every level', () => {
  const long = 'a"]}\\'.repeat(40)
  const value = { list: [{ text: long, deeper: [[long], { more: [long, 1] }] }, long], after: { x: 1 } }
  const body = view(JSON.stringify(value))
  const visit = (each: ReturnType<typeof view>): unknown => {
    if (each.kind === 'array') return each.elements().map(visit)
    if (each.kind !== 'object') return each.value()
    return Object.fromEntries(Array.from(each.members(), ([name, member]) => [name, visit(member)]))
  }
  assert.deepEqual(visit(body), value)
  assert.deepEqual(visit(body), value)
})

test('of duplicate members the last counts, as for JSON.parse', () => {
  assert.equal(view('{"a":1,"a":2}').members().get('a')!.value(), 2)
})

test('values of another kind have no members, elements or text', () => {
  const text = view('{"a":"x"}').members().get('a')!
  assert.equal(text.members().size, 0)
  assert.equal(text.elements().length, 0)
  assert.equal(view('{}').text(), undefined)
  assert.equal(view('{"a":"\\ud800"}').members().get('a')!.text(), undefined)
})

test('arguments are an object or nothing', () => {
  assert.equal(viewObject('{"a": 1.0}')!.raw.toString(), '{"a": 1.0}')
  for (const text of ['', '[1]', '{bad', 'null', '1', '"x"']) assert.equal(viewObject(text), undefined)
})

test('bytes that go over as they are keep their numbers, key order and escapes', () => {
  const body = view('{"schema":{"z":1.0,"a":"\\u00e9"},"data":"QUJD\\/","text":"a\\"b"}').members()
  const [schema, data, text] = ['schema', 'data', 'text'].map((name) => body.get(name)!)
  assert.equal(
    encoded({
      parameters: schema!,
      url: new JoinedText('data:image/"png";base64,', data!),
      both: [text!, null, 1, true, 'é"'],
      left: undefined,
      nothing: {},
      arguments: new TextOfJson(schema!),
    }),
    '{"parameters":{"z":1.0,"a":"\\u00e9"},"url":"data:image/\\"png\\";base64,QUJD\\/",' +
      '"both":["a\\"b",null,1,true,"é\\""],"nothing":{},"arguments":"{\\"z\\":1.0,\\"a\\":\\"\\\\u00e9\\"}"}',
  )
})
