// In which order models stand in for each other.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { ModelConfig } from '../../src/config/types.ts'
import { fallbacksOf } from '../../src/routing/fallbacks.ts'
import { RouteTable } from '../../src/routing/route-table.ts'

interface Entry {
  readonly fallbacks?: readonly string[]
  readonly aliases?: readonly string[]
}

/** What answers to a name in turn: the provider's names of the models, which are their own. */
function chainOf(name: string, entries: Readonly<Record<string, Entry>>): string[] {
  const models = Object.entries(entries).map(([each, { fallbacks = [], aliases = [] }]) => {
    const targets = [{ provider: 'p', model: each, tier: 1, weight: 1 }]
    return [each, { name: each, aliases, targets, fallbacks }] as [string, ModelConfig]
  })
  const routes = new RouteTable(new Map(models))
  const route = routes.find(name)!
  return [route, ...fallbacksOf(name, route, routes)].map(({ targets }) => targets[0]!.model)
}

test('a model without fallbacks stands alone', () => {
  assert.deepEqual(chainOf('a', { a: {}, b: {} }), ['a'])
})

test('the fallbacks of a fallback come before the next one', () => {
  const entries = {
    a: { fallbacks: ['b', 'd'] },
    b: { fallbacks: ['c'] },
    c: {},
    d: { fallbacks: ['e'] },
    e: {},
  }
  assert.deepEqual(chainOf('a', entries), ['a', 'b', 'c', 'd', 'e'])
})

test('a model comes once, by whatever name', () => {
  const entries = {
    a: { fallbacks: ['b', 'see', 'c', 'b'] },
    b: { fallbacks: ['c', 'd'] },
    c: { aliases: ['see'] },
    d: {},
  }
  assert.deepEqual(chainOf('a', entries), ['a', 'b', 'c', 'd'])
})

test('the names of a wildcard are models of their own', () => {
  const entries = { a: { fallbacks: ['w/x', 'w/y', 'w/x'] }, 'w/*': { fallbacks: ['b'] }, b: {} }
  assert.deepEqual(chainOf('a', entries).length, 4)
})

test('a circle, which no configuration has, would end', () => {
  assert.deepEqual(chainOf('a', { a: { fallbacks: ['b'] }, b: { fallbacks: ['a'] } }), ['a', 'b'])
})

test('a name that leads nowhere is passed over', () => {
  assert.deepEqual(chainOf('a', { a: { fallbacks: ['gone', 'b'] }, b: {} }), ['a', 'b'])
})
