import assert from 'node:assert/strict'
import { test } from 'node:test'

import { modelsToTry } from '../../src/call/models-to-try.ts'
import type { ModelConfig } from '../../src/config/types.ts'
import { RouteTable } from '../../src/routing/route-table.ts'

const providers = new Map(
  (['local', 'any'] as const).map((boundary) => {
    const server = { name: boundary, host: `${boundary}.example`, boundary }
    return [boundary, server] as const
  }),
)

function model(name: string, provider: string | undefined, more: Partial<ModelConfig> = {}) {
  const targets = provider === undefined ? [] : [{ provider, model: name, tier: 1, weight: 1 }]
  return [name, { name, aliases: [], targets, fallbacks: [], ...more }] as const
}

test('a fallback that leads on keeps its own boundary, and that of each model on the way', () => {
  for (const [first, second] of [
    ['local', undefined],
    [undefined, 'local'],
  ] as const) {
    const routes = new RouteTable(
      new Map<string, ModelConfig>([
        model('asked', 'local', { fallbacks: ['secret'] }),
        model('secret', undefined, { use: 'step', ...(first && { boundary: first }) }),
        model('step', undefined, { use: 'far', ...(second && { boundary: second }) }),
        model('far', 'any'),
      ]),
    )
    const on = { providers, routes, routing: { boundary: 'any' } } as unknown as Parameters<
      typeof modelsToTry
    >[3]
    const call = { boundary: undefined, client: { id: 'user:ann' } }
    const found = modelsToTry(
      call,
      { name: 'asked', route: routes.find('asked')!, leading: [] },
      undefined,
      on,
    )
    assert.ok(Array.isArray(found))
    assert.deepEqual(
      found.map(({ route }) => route.model.name),
      ['asked'],
    )
  }
})
