import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { fc } from '../support/properties.ts'

import type { ModelConfig } from '../../src/config/types.ts'
import { RouteTable } from '../../src/routing/route-table.ts'
import { model, tableOf, tableWith, way } from './tables.ts'

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

test('a name without its tag is met with the one that has it', () => {
  assert.equal(tableWith({ ollama: ['qwen3:8b'] }).suggest('qwen3'), 'qwen3:8b')
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

test('a model that leads back to itself leads nowhere', () => {
  const leading = (name: string, use: string): [string, ModelConfig] => [
    name,
    { name, aliases: [], targets: [], fallbacks: [], use },
  ]
  const routes = new RouteTable(new Map([leading('a', 'b'), leading('b', 'c'), leading('c', 'b')]))
  assert.equal(routes.ledTo(routes.find('a')!.model), undefined)
})

describe('another spelling of a name at Ollama', () => {
  test('leads where the file and its wildcards lead first', () => {
    const wild = tableOf({ o: ['m:latest=m'] }, [model('*', '*')], { ollama: ['o'] })
    assert.equal(way(wild, 'M'), 'wildcard * → p M')
    assert.equal(way(wild, 'o/M:latest'), 'discovered o/m:latest → o m:latest')
    const named = tableOf({ o: ['m:latest=m'] }, [model('M', 'up')], { ollama: ['o'] })
    assert.equal(way(named, 'M'), 'name M → p up')
  })

  test('opens no name that the provider does not list, and none elsewhere', () => {
    const routes = tableOf({ o: ['m'], other: ['n'] }, [], { ollama: ['o'] })
    for (const name of ['mm', 'library/', 'N', 'other/N', 'O/m', 'o/library/x']) {
      assert.equal(routes.find(name), undefined, name)
    }
  })
})

test('names that a provider lists are suggested', () => {
  assert.equal(tableWith({ ollama: ['qwen3:8b'] }).suggest('qwen3:7b'), 'qwen3:8b')
})

describe('a wildcard has the names', () => {
  /** Those that the wildcards add to the names of the list itself. */
  const matched = (lists: Record<string, string[]>, ...models: [string, ModelConfig][]) => {
    const names = tableWith(lists, ...models).list()
    return names.filter((name) => tableWith(lists, ...models).find(name)?.rule === 'wildcard')
  }

  test('that its provider lists, aliases included, as clients write them', () => {
    assert.deepEqual(matched({ p: ['a=b', 'c/d'] }, model('open/*', '*')), ['open/a', 'open/b', 'open/c/d'])
    assert.deepEqual(matched({ p: ['a'] }, model('p/*', '*')), ['p/a'])
  })

  test('that fit its pattern for the provider', () => {
    const list = { p: ['gpt-5', 'gpt-', 'o3', 'x:latest', ':latest'] }
    assert.deepEqual(matched(list, model('gpt-*', 'gpt-*')), ['gpt-5'])
    assert.deepEqual(matched(list, model('local/*', '*:latest')), ['local/x'])
    assert.deepEqual(matched(list, model('any/*', 'one')), [])
  })

  test('that lead to it, and to no longer wildcard or name of the file', () => {
    const models = [model('a/*', '*'), model('a/b/*', 'one'), model('a/c', 'c')]
    assert.deepEqual(matched({ p: ['b/x', 'c', 'd'] }, ...models), ['a/d'])
  })

  test('of no provider whose models are not discovered', () => {
    assert.deepEqual(matched({ q: ['m'] }, model('open/*', '*')), [])
  })
})
