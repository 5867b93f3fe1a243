import assert from 'node:assert/strict'
import { test } from 'node:test'

import { modelFindings } from '../../../src/cli/doctor/model-list.ts'
import { readOfferedModels } from '../../../src/dialects/openai/model-list.ts'

test('llama.cpp with one model takes any name', () => {
  const list = readOfferedModels('{"data":[{"id":"/models/x.gguf","owned_by":"llamacpp"}]}')!
  assert.deepEqual(modelFindings(['default'], list, undefined), [
    { subject: 'models', state: 'ok', detail: 'llama.cpp serves /models/x.gguf by any name' },
  ])
})

test('on the first of several pages a missing model is a warning', () => {
  const list = readOfferedModels('{"data":[{"id":"a"}],"has_more":true}')!
  assert.deepEqual(
    modelFindings(['zzzzz'], list, undefined).map(({ state }) => state),
    ['warn'],
  )
})

test('the name in a command is one word', () => {
  const list = readOfferedModels('{"data":[{"id":"a","owned_by":"library"}]}')!
  assert.equal(modelFindings(['x;$(y)'], list, undefined)[0]?.fix, "ollama pull 'x;$(y)'")
})
