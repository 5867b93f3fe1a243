import assert from 'node:assert/strict'
import { test } from 'node:test'

import { modelNotFound } from '../../src/routing/model-not-found.ts'
import { tableWith } from './tables.ts'

test('the error for an unknown name names the providers that may have the model, but list none', () => {
  const routes = tableWith({ ollama: [], vllm: [], lmstudio: ['m'] })
  const { message } = modelNotFound('qwen3:8b', routes)
  assert.match(message, /"qwen3:8b" does not exist.* Providers that list none at the moment: ollama, vllm\./)
  assert.match(modelNotFound('vllm/qwen3', routes).message, /list none at the moment: vllm\./)
  assert.doesNotMatch(modelNotFound('lmstudio/qwen3', routes).message, /at the moment/)
})

test('it names the ways to a name that several providers list, and else the name that is near', () => {
  const routes = tableWith({ a: ['m', 'qwen3:8b'], b: ['m'], c: [] })
  assert.match(modelNotFound('m', routes).message, /Several providers list it: use "a\/m" or "b\/m"\.$/)
  assert.match(modelNotFound('qwen3:7b', routes).message, /Did you mean "qwen3:8b"\?$/)
})

test('a client that may not use every model is hinted at none of the others', () => {
  const routes = tableWith({ a: ['m', 'qwen3:8b'], b: ['m'], c: [] })
  const visible = { list: () => ['llama3.1:8b'] }
  for (const name of ['m', 'qwen3:7b', 'c/qwen3'])
    assert.match(
      modelNotFound(name, routes, visible).message,
      /does not exist\. GET \/v1\/models lists[^.]*\.$/,
      name,
    )
  assert.match(modelNotFound('llama3.1', routes, visible).message, /Did you mean "llama3\.1:8b"\?$/)
})
