import assert from 'node:assert/strict'
import { test } from 'node:test'

import { hasModel, modelFindings, parseModelList } from '../../../src/cli/doctor/model-list.ts'

const shapes: readonly (readonly [name: string, list: unknown, names: readonly string[]])[] = [
  ['of OpenAI', { object: 'list', data: [{ id: 'a' }, { id: 'b' }] }, ['a', 'b']],
  ['of Together, a bare array', [{ id: 'a' }], ['a']],
  ['of Google, with names', { models: [{ name: 'models/a' }] }, ['models/a']],
  ['of Ollama without a model', { object: 'list', data: null }, []],
  ['of strings', { data: ['a'] }, ['a']],
  ['with items that are none', { data: [{ id: 'a' }, null, 3, {}] }, ['a']],
]
for (const [name, list, names] of shapes) {
  test(`a list ${name} is read`, () => assert.deepEqual(parseModelList(JSON.stringify(list))?.names, names))
}

for (const text of ['', '<html>', '{"data":{}}', '"a"', 'null', '{"data":[1,2]}', '{"error":{}}']) {
  test(`${text === '' ? 'nothing' : text} is no list`, () => assert.equal(parseModelList(text), undefined))
}

test("servers' own forms of a name count as the name", () => {
  const list = parseModelList('{"data":[{"id":"llama3:latest"},{"id":"models/gemini"}]}')!
  assert.deepEqual(
    ['llama3', 'gemini', 'models/gemini', 'llama'].map((model) => hasModel(list, model)),
    [true, true, true, false],
  )
})

test('llama.cpp with one model takes any name', () => {
  const list = parseModelList('{"data":[{"id":"/models/x.gguf","owned_by":"llamacpp"}]}')!
  assert.deepEqual(modelFindings(['default'], list, undefined), [
    { subject: 'models', state: 'ok', detail: 'llama.cpp serves /models/x.gguf by any name' },
  ])
})

test('on the first of several pages a missing model is a warning', () => {
  const list = parseModelList('{"data":[{"id":"a"}],"has_more":true}')!
  assert.deepEqual(
    modelFindings(['zzzzz'], list, undefined).map(({ state }) => state),
    ['warn'],
  )
})

test('the name in a command is one word', () => {
  const list = parseModelList('{"data":[{"id":"a","owned_by":"library"}]}')!
  assert.equal(modelFindings(['x;$(y)'], list, undefined)[0]?.fix, "ollama pull 'x;$(y)'")
})
