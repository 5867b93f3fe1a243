import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import type { ModelConfig } from '../../src/config/types.ts'
import { RouteTable } from '../../src/routing/route-table.ts'

function model(name: string, target = 'up', aliases: string[] = []): [string, ModelConfig] {
  return [
    name,
    { name, aliases, targets: [{ provider: 'p', model: target, tier: 1, weight: 1 }], fallbacks: [] },
  ]
}

const table = new RouteTable(
  new Map([
    model('llama3.1:8b', 'llama3.1:8b', ['llama', 'gpt-5']),
    model('openrouter/*', '*'),
    model('openrouter/qwen/*', 'q-*'),
    model('gpt-*', 'gpt-*'),
    model('gpt-4o', 'exact'),
    model('fixed/*', 'one'),
  ]),
)

describe('a name leads', () => {
  const cases: [asked: string, rule: string, entry: string, target: string][] = [
    ['llama3.1:8b', 'name', 'llama3.1:8b', 'llama3.1:8b'],
    ['llama', 'alias', 'llama3.1:8b', 'llama3.1:8b'],
    ['gpt-4o', 'name', 'gpt-4o', 'exact'],
    ['gpt-5', 'alias', 'llama3.1:8b', 'llama3.1:8b'],
    ['gpt-4.1', 'wildcard', 'gpt-*', 'gpt-4.1'],
    ['openrouter/a/b', 'wildcard', 'openrouter/*', 'a/b'],
    ['openrouter/qwen/3', 'wildcard', 'openrouter/qwen/*', 'q-3'],
    ['openrouter/qwen/', 'wildcard', 'openrouter/*', 'qwen/'],
    ['fixed/x', 'wildcard', 'fixed/*', 'one'],
    ["gpt-$&$'", 'wildcard', 'gpt-*', "gpt-$&$'"],
    ['gpt-*', 'wildcard', 'gpt-*', 'gpt-*'],
  ]
  for (const [asked, rule, entry, target] of cases) {
    test(`${asked} by ${rule} to ${entry}, upstream as ${target}`, () => {
      const route = table.find(asked)
      assert.deepEqual([route?.rule, route?.model.name, route?.targets[0]?.model], [rule, entry, target])
    })
  }
})

describe('a name leads nowhere:', () => {
  for (const asked of [
    '',
    'LLAMA',
    'llama3.1',
    'openrouter/',
    'openrouter',
    '__proto__',
    'constructor',
    'toString',
    '*',
  ]) {
    test(JSON.stringify(asked), () => assert.equal(table.find(asked), undefined))
  }
})

test('a lone * takes every name but the empty one', () => {
  const all = new RouteTable(new Map([model('*', '*')]))
  assert.equal(all.find('anything')?.targets[0]?.model, 'anything')
  assert.equal(all.find('__proto__')?.targets[0]?.model, '__proto__')
  assert.equal(all.find(''), undefined)
})

test('names that objects know are names like any other', () => {
  const odd = new RouteTable(new Map([model('__proto__', 'x', ['constructor'])]))
  assert.equal(odd.find('__proto__')?.rule, 'name')
  assert.equal(odd.find('constructor')?.rule, 'alias')
})

test('a mistyped name is met with the one that is near', () => {
  assert.equal(table.suggest('lama'), 'llama')
  assert.equal(table.suggest('nothing like it'), undefined)
})

test('names and aliases are listed, wildcards are not', () => {
  assert.deepEqual(table.list(), ['llama3.1:8b', 'gpt-4o', 'llama', 'gpt-5'])
})

test('of all wildcards that fit, the longest wins', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 6 })
  fc.assert(
    fc.property(fc.uniqueArray(text, { maxLength: 8 }), text, (prefixes, asked) => {
      const routes = new RouteTable(new Map(prefixes.map((prefix) => model(`${prefix}*`, '*'))))
      const fitting = prefixes.filter((prefix) => asked.startsWith(prefix) && asked.length > prefix.length)
      const longest = fitting.toSorted((a, b) => b.length - a.length)[0]
      const route = routes.find(asked)
      assert.equal(route?.model.name, longest === undefined ? undefined : `${longest}*`)
      assert.equal(route?.targets[0]?.model, longest === undefined ? undefined : asked.slice(longest.length))
    }),
  )
})
