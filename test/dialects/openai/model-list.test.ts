// Lists of models: what servers really write, and what none should.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { fc } from '../../support/properties.ts'

import { maxListedNames, type ModelList, readModelList } from '../../../src/dialects/openai/model-list.ts'
import {
  bareList,
  listOf,
  llamaCppList,
  lmStudioList,
  ollamaEmptyList,
  ollamaList,
  vllmList,
} from '../../fixtures/model-lists.ts'

const key = 'sk-of-the-provider'
const mask = (text: string) => text.replaceAll(key, '[secret]')

function read(answer: unknown, maxNameLength = 200): ModelList | undefined {
  const body = Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer))
  return readModelList(body, maxNameLength, mask)
}

/** The models without their facts. */
function modelsOf(list: ModelList | undefined): object[] | undefined {
  return list?.models.map(({ id, aliases }) => ({ id, aliases }))
}

function idsOf(answer: unknown): readonly string[] | undefined {
  return read(answer)?.models.map(({ id }) => id)
}

describe('the list of', () => {
  const lists: readonly [server: string, list: unknown, ids: readonly string[]][] = [
    [
      'Ollama',
      ollamaList,
      ['hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M', 'nomic-embed-text:latest', 'qwen3:8b'],
    ],
    ['Ollama without a model', ollamaEmptyList, []],
    ['vLLM, with an adapter', vllmList, ['meta-llama/Llama-2-13b-chat-hf', 'sql-lora']],
    ['llama.cpp', llamaCppList, ['ggml-org/gemma-3-4b-it-GGUF:Q4_K_M']],
    ['LM Studio', lmStudioList, ['qwen2.5-7b-instruct-1m', 'text-embedding-nomic-embed-text-v1.5']],
    ['a cloud that writes an array', bareList, ['meta-llama/Llama-3.3-70B-Instruct-Turbo']],
    ['a server without models', { object: 'list', data: [] }, []],
  ]
  for (const [server, list, ids] of lists) {
    test(server, () => {
      assert.deepEqual(idsOf(list), ids)
      assert.equal(read(list)?.skipped, 0)
    })
  }
})

test('what llama.cpp calls aliases are further names, but for the name itself', () => {
  assert.deepEqual(read(llamaCppList)?.models[0]?.aliases, ['gemma'])
})

test("Ollama's default tag may be left off, unless that is the name of another model", () => {
  assert.deepEqual(modelsOf(read(listOf('phi:latest'))), [{ id: 'phi:latest', aliases: ['phi'] }])
  assert.deepEqual(modelsOf(read(listOf('phi:latest', 'phi'))), [
    { id: 'phi', aliases: [] },
    { id: 'phi:latest', aliases: [] },
  ])
  assert.deepEqual(modelsOf(read(listOf(':latest'))), [{ id: ':latest', aliases: [] }])
})

test('what an entry says in numbers is kept, and nothing else of it', () => {
  const said = { created: 7, max_model_len: 4096, context_length: 1e6, max_output_tokens: 0 }
  const odd = {
    context_window: -1,
    max_input_tokens: 1.5,
    max_context_length: '9',
    max_completion_tokens: 1e300,
  }
  const meta = { n_ctx: 8192, n_ctx_train: null, n_params: 27, path: '/models/m.gguf' }
  const entry = { id: 'm', owned_by: 'x', price: 3, ...said, ...odd, meta }
  assert.deepEqual(read([entry])?.models[0]?.facts, { ...said, meta: { n_ctx: 8192, n_params: 27 } })
  assert.deepEqual(read([{ id: 'm', meta: 'x', created: null }])?.models, [{ id: 'm', aliases: [] }])
})

describe('no list of models is', () => {
  const answers: readonly [what: string, answer: unknown][] = [
    ['a web page', '<!doctype html><title>Router</title>'],
    ['nothing', ''],
    ['half a list', '{"object":"list","data":[{"id":"m"'],
    ['null', null],
    ['a text', 'm'],
    ['a number', 1],
    ['an object without data', { models: [{ id: 'm' }] }],
    ['data that is null in anything else', { data: null }],
    ['data that is an object', { data: { id: 'm' } }],
    ['an array of what has no name', [1, null, 'm', {}, []]],
    ['an error', { error: { message: 'no', code: 'invalid_api_key' } }],
    ['more values than can be read at once', `[${'{},'.repeat(150_000)}{"id":"m"}]`],
    ['endless nesting', '['.repeat(100_000)],
  ]
  for (const [what, answer] of answers) test(what, () => assert.equal(read(answer), undefined))
})

describe('left out is an entry whose name', () => {
  const names: readonly [what: string, id: unknown][] = [
    ['is empty', ''],
    ['is a number', 7],
    ['is an object', { toString: 'm' }],
    ['has a space', 'a b'],
    ['has a line feed', 'a\nb'],
    ['has an escape', 'a\u001b[31mb'],
    ['has a null', 'a\0b'],
    ['turns text round', 'a\u202eb'],
    ['hides a joint', 'a\u200bb'],
    ['has half a character', 'a\ud800'],
    ['looks like a wildcard', 'gpt-*'],
    ['is too long', 'm'.repeat(201)],
    ["has the provider's key", `model-${key}`],
  ]
  for (const [what, id] of names) {
    test(what, () => {
      const list = read(listOf('good', id))
      assert.deepEqual([modelsOf(list), list?.skipped], [[{ id: 'good', aliases: [] }], 1])
      assert.deepEqual(read([{ id: 'good', aliases: [id, 'other'] }])?.models[0]?.aliases, ['other'])
    })
  }
})

test('the software that wrote the list is known by its entries', () => {
  const servers = [ollamaList, ollamaEmptyList, vllmList, llamaCppList, bareList].map(
    (list) => read(list)?.server,
  )
  assert.deepEqual(servers, ['ollama', 'ollama', 'vllm', 'llama.cpp', 'other'])
})

test('one page of several, and a list that is too long to be read, are partial', () => {
  assert.equal(read(listOf('m'))?.isPartial, false)
  assert.equal(read({ data: [{ id: 'm' }], has_more: true })?.isPartial, true)
  const names = Array.from({ length: maxListedNames + 1 }, (_, index) => `m${index}`)
  assert.equal(read(listOf(...names))?.isPartial, true)
})

test('names that objects know are names like any other', () => {
  assert.deepEqual(idsOf(listOf('__proto__', 'constructor')), ['__proto__', 'constructor'])
})

test('a name that stands twice counts once', () => {
  const list = read(listOf('m', 'm'))
  assert.deepEqual([modelsOf(list), list?.skipped], [[{ id: 'm', aliases: [] }], 1])
})

test('of too many models the first are taken', () => {
  const list = read(listOf(...Array.from({ length: maxListedNames + 5 }, (_, index) => `m${index}`)))
  assert.equal(list?.models.length, maxListedNames)
  assert.equal(list?.skipped, 5)
})

test('further names count like models, and those beyond the bound are counted as left out', () => {
  const aliases = (id: string) => Array.from({ length: 10 }, (_, index) => `${id}-${index}`)
  const models = Array.from({ length: 300 }, (_, index) => ({
    id: `m${index}`,
    aliases: aliases(`m${index}`),
  }))
  const list = read(models)!
  const names = list.models.flatMap((model) => [model.id, ...model.aliases])
  assert.equal(names.length, maxListedNames)
  // 181 models are taken whole, the next one with 8 of its names.
  assert.equal(list.models.length, 182)
  assert.equal(list.skipped, 300 - 182 + 2)
})

test('whatever a server writes, its names are sorted, of one kind, and stand once', () => {
  const name = fc.oneof(fc.string(), fc.constantFrom('a', 'a:latest', 'b', '__proto__', 'x*', 'y z'))
  const entry = fc.record({
    id: fc.oneof(name, fc.jsonValue()),
    aliases: fc.oneof(fc.array(name), fc.jsonValue()),
  })
  fc.assert(
    fc.property(fc.oneof(fc.record({ data: fc.array(entry) }), fc.jsonValue()), (answer) => {
      const list = read(answer)
      if (list === undefined) return
      const ids = list.models.map(({ id }) => id)
      assert.deepEqual(ids, ids.toSorted())
      const names = list.models.flatMap(({ id, aliases }) => [id, ...aliases])
      assert.equal(new Set(names).size, names.length)
      for (const each of names) assert.match(each, /^[^\s\p{Cc}\p{Cf}*]{1,200}$/u)
    }),
  )
})
