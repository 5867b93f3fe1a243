import assert from 'node:assert/strict'
import { test } from 'node:test'

import { contextFindings, hasModel, modelFindings } from '../../../src/cli/doctor/model-list.ts'
import { type ModelList, readModelList } from '../../../src/dialects/openai/model-list.ts'

function listOf(data: readonly object[], more: object = {}): ModelList {
  return readModelList(Buffer.from(JSON.stringify({ data, ...more })), 256, (text) => text)!
}

test("servers' own forms of a name count as the name", () => {
  const list = listOf([{ id: 'llama3:latest' }, { id: 'models/gemini' }])
  assert.deepEqual(
    ['llama3', 'gemini', 'models/gemini', 'llama'].map((model) => hasModel(list, model)),
    [true, true, true, false],
  )
})

test('llama.cpp with one model accepts any name', () => {
  const [finding] = modelFindings(
    ['default'],
    listOf([{ id: '/models/x.gguf', owned_by: 'llamacpp' }]),
    undefined,
  )
  assert.equal(finding?.state, 'ok')
})

test('on the first of several pages a missing model is a warning', () => {
  const [finding] = modelFindings(['zzzzz'], listOf([{ id: 'a' }], { has_more: true }), undefined)
  assert.equal(finding?.state, 'warn')
})

test('the name in a command is one word', () => {
  const list = listOf([{ id: 'a', owned_by: 'library' }])
  assert.equal(modelFindings(['x;$(y)'], list, undefined)[0]?.fix, "ollama pull 'x;$(y)'")
})

test('the context of models comes with its source, and the configuration counts', () => {
  const list = listOf([{ id: 'a', max_model_len: 8192 }, { id: 'b' }])
  assert.equal(contextFindings(['a', 'b'], list, undefined)[0]?.detail, 'a 8192 tokens (its list)')
  assert.match(contextFindings(['a'], list, 4096)[0]!.detail, /4096 tokens \(context_length/)
  assert.deepEqual(contextFindings(['b'], list, undefined), [])
})
