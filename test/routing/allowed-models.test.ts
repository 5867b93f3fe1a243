import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { allowedModels } from '../../src/routing/allowed-models.ts'
import { RouteTable } from '../../src/routing/route-table.ts'
import type { ModelConfig } from '../../src/config/types.ts'

const rank = { tier: 1, weight: 1 }

function model(name: string, more: Partial<ModelConfig> = {}): [string, ModelConfig] {
  const targets = [{ provider: 'p', model: name.replace('open/', ''), ...rank }]
  return [name, { name, aliases: [], fallbacks: [], targets, ...more }]
}

const routes = new RouteTable(
  new Map([
    model('gpt', { aliases: ['cheap', 'qwen-cheap'] }),
    model('qwen-coder'),
    model('open/*'),
    model('vendor-*'),
  ]),
  new Map([
    ['ollama', [{ id: 'llama3:8b', aliases: ['llama3'] }]],
    ['other', [{ id: 'mistral', aliases: [] }]],
  ]),
)

function isAllowed(models: readonly string[], name: string): boolean {
  const allowed = allowedModels({ name: 'ci', models, budgets: [] }, routes)!
  return allowed.has(name, routes.find(name)!)
}

suite('a list of models', () => {
  const rows: [list: string[], allowed: string[], others: string[]][] = [
    [[], [], ['gpt', 'cheap', 'open/x', 'llama3']],
    [['*'], ['gpt', 'cheap', 'open/x', 'vendor-1', 'llama3', 'ollama/llama3:8b'], []],
    [['gpt'], ['gpt', 'cheap'], ['qwen-coder', 'open/gpt', 'vendor-gpt']],
    // An alias in the list stands for its model.
    [['cheap'], ['gpt', 'cheap', 'qwen-cheap'], ['qwen-coder']],
    // An alias of the call opens nothing by itself.
    [['qwen*'], ['qwen-coder'], ['qwen-cheap', 'cheap', 'gpt']],
    [['open/*'], ['open/a', 'open/a/b'], ['gpt', 'vendor-1']],
    [['open/a'], ['open/a'], ['open/ab', 'open/']],
    [['open/a*'], ['open/a', 'open/ab'], ['open/b']],
    [['llama3'], ['llama3', 'llama3:8b', 'ollama/llama3', 'ollama/llama3:8b'], ['mistral']],
    [['ollama/*'], ['llama3', 'ollama/llama3:8b'], ['mistral', 'other/mistral']],
    [['llama*'], ['llama3', 'ollama/llama3:8b'], ['mistral']],
    [['unknown'], [], ['gpt', 'llama3']],
  ]
  for (const [list, allowed, others] of rows) {
    test(JSON.stringify(list), () => {
      const names = [...allowed, ...others].filter((name) => routes.find(name) !== undefined)
      const found = names.filter((name) => isAllowed(list, name))
      assert.deepEqual(
        found,
        allowed.filter((name) => names.includes(name)),
      )
    })
  }

  test('that is absent allows all', () => {
    assert.equal(allowedModels({ name: 'ci', models: undefined, budgets: [] }, routes), undefined)
    assert.equal(allowedModels(undefined, routes), undefined)
  })

  test('lets the limits of its models be seen', () => {
    const concerned = (models: readonly string[]) => {
      const allowed = allowedModels({ name: 'ci', models, budgets: [] }, routes)!
      return routes.models().filter((name) => allowed.concerns(name))
    }
    assert.deepEqual(concerned(['cheap']), ['gpt'])
    assert.deepEqual(concerned(['open/x']), ['open/*'])
    assert.deepEqual(concerned(['open/x*', 'v*']), ['open/*', 'vendor-*'])
    assert.deepEqual(concerned(['*']), routes.models())
    assert.deepEqual(concerned(['llama3']), ['ollama/llama3:8b'])
  })

  test('shows in its refusal what may be used if that is little', () => {
    const refusal = (models: readonly string[]) =>
      allowedModels({ name: 'ci', models, budgets: [] }, routes)!.refusal('gpt')
    const few = refusal(['qwen-coder', 'open/*'])
    assert.deepEqual([few.code, few.status, few.param], ['model_not_allowed', 403, 'model'])
    assert.match(few.message, /may not use the model "gpt"\. It may use "qwen-coder", "open\/\*"\.$/)
    const many = refusal(Array.from({ length: 20 }, (_, index) => `m${index}`))
    assert.match(many.message, /GET \/v1\/models lists/)
    assert.doesNotMatch(many.message, /m1/)
  })
})
