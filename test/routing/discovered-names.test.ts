import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { RouteTable } from '../../src/routing/route-table.ts'
import { fc } from '../support/properties.ts'
import { model, tableOf, tableWith, way } from './tables.ts'

describe('a listed model is found', () => {
  test("by its provider's name and its own, and by its own alone, with one scope for its limits", () => {
    const routes = tableWith({ ollama: ['qwen3:8b'], vllm: ['meta/llama'] })
    const expected = 'discovered ollama/qwen3:8b → ollama qwen3:8b'
    assert.equal(way(routes, 'ollama/qwen3:8b'), expected)
    assert.equal(way(routes, 'qwen3:8b'), expected)
    assert.equal(way(routes, 'meta/llama'), 'discovered vllm/meta/llama → vllm meta/llama')
    assert.equal(routes.find('vllm/qwen3:8b'), undefined)
  })

  test('by its aliases, as the same model under the name that was used', () => {
    const routes = tableWith({ 'llama-cpp': ['long-name=short'] })
    for (const name of ['long-name', 'short', 'llama-cpp/long-name', 'llama-cpp/short']) {
      const used = name.replace('llama-cpp/', '')
      assert.equal(way(routes, name), `discovered llama-cpp/long-name → llama-cpp ${used}`)
    }
    assert.deepEqual(routes.models(), ['llama-cpp/long-name'])
  })

  test('by names that objects know', () => {
    const routes = tableWith({ p: ['__proto__', 'constructor'] })
    assert.equal(way(routes, '__proto__'), 'discovered p/__proto__ → p __proto__')
    assert.equal(way(routes, 'p/constructor'), 'discovered p/constructor → p constructor')
  })
})

describe('no list takes a call away from', () => {
  const lists = { ollama: ['m', 'other/x', 'gpt-5', 'ollama2/y'], ollama2: ['y'] }

  test('a name or an alias of the file, short or full', () => {
    const routes = tableWith(lists, model('m', 'up'), model('z', 'up', ['gpt-5', 'ollama2/y']))
    assert.equal(way(routes, 'm'), 'name m → p up')
    assert.equal(way(routes, 'gpt-5'), 'alias z → p up')
    assert.equal(way(routes, 'ollama2/y'), 'alias z → p up')
    assert.equal(way(routes, 'ollama/m'), 'discovered ollama/m → ollama m')
  })

  test('a wildcard of the file, by a short name', () => {
    const routes = tableWith(lists, model('gpt-*', 'gpt-*'), model('*', '*'))
    assert.equal(way(routes, 'gpt-5'), 'wildcard gpt-* → p gpt-5')
    assert.equal(way(routes, 'm'), 'wildcard * → p m')
    assert.deepEqual(
      routes.list().filter((name) => ['gpt-5', 'm'].includes(name)),
      [],
    )
  })

  test("a wildcard of the file for the provider's own room", () => {
    const routes = tableWith(lists, model('ollama/*', '*'))
    assert.equal(way(routes, 'ollama/m'), 'wildcard ollama/* → p m')
    assert.equal(way(routes, 'ollama/none'), 'wildcard ollama/* → p none')
  })

  test('the room of another provider', () => {
    assert.equal(way(tableWith(lists), 'ollama2/y'), 'discovered ollama2/y → ollama2 y')
    const gone = tableWith({ ...lists, ollama2: [] })
    assert.equal(gone.find('ollama2/y'), undefined)
  })
})

test("a shorter wildcard neither hides what a provider lists nor catches what it doesn't", () => {
  const routes = tableWith({ ollama: ['m'] }, model('*', '*'), model('oll*', 'up'))
  assert.equal(way(routes, 'ollama/m'), 'discovered ollama/m → ollama m')
  assert.equal(routes.find('ollama/gone'), undefined)
  assert.equal(way(routes, 'elsewhere/gone'), 'wildcard * → p elsewhere/gone')
})

test('nor before its provider has responded for the first time', () => {
  const kinds = { local: new Set<string>(), ollama: new Set<string>(), discovering: new Set(['ollama']) }
  const routes = new RouteTable(new Map([model('*', '*')]), new Map(), kinds)
  assert.equal(routes.find('ollama/m'), undefined)
  assert.deepEqual(routes.discovered.withoutList('ollama/m'), ['ollama'])
})

describe('a name that several local providers list', () => {
  const lists = { a: ['m', 'x:latest=x', 'y'], b: ['m', 'x', 'y'], cloud: ['y'] }
  const routes = tableOf(lists, [], { local: ['a', 'b'] })

  test('leads to all of them', () => {
    const targets = routes.find('m')?.targets.map(({ provider, model }) => `${provider} ${model}`)
    assert.deepEqual(targets, ['a m', 'b m'])
    assert.deepEqual(
      routes.find('x')?.targets.map(({ model }) => model),
      ['x', 'x'],
    )
    assert.deepEqual(
      routes.find('x:latest')?.targets.map(({ provider }) => provider),
      ['a'],
    )
  })

  test('is a model by its id, else by the name that they share', () => {
    assert.deepEqual(
      ['m', 'x', 'a/m'].map((name) => routes.find(name)?.model.name),
      ['m', 'x', 'a/m'],
    )
  })

  test('leads nowhere if a cloud has it too', () => {
    assert.equal(routes.find('y'), undefined)
    assert.deepEqual(routes.discovered.namesakes('y'), ['a/y', 'b/y', 'cloud/y'])
  })

  test('has what all of them report of it, the smaller number of two', () => {
    const listed = (contextLength: number, status: string) => [
      {
        id: 'm',
        aliases: [],
        facts: { max_model_len: contextLength, status: { value: status }, created: 1 },
      },
    ]
    const discovered = new Map([
      ['a', listed(8192, 'unloaded')],
      ['b', listed(4096, 'loaded')],
    ])
    const kinds = {
      local: new Set(['a', 'b']),
      ollama: new Set<string>(),
      discovering: new Set(discovered.keys()),
    }
    const table = new RouteTable(new Map(), discovered, kinds)
    assert.deepEqual(table.discovered.factsOf(table.find('m')!), {
      max_model_len: 4096,
      status: { value: 'loaded' },
      created: 1,
    })
  })
})

test('a name in the namespace of a provider that does not list it leads to the provider, by one scope for all', () => {
  const routes = tableWith({ o: ['m'] })
  const route = routes.discovered.unlisted('o/any/thing')
  assert.deepEqual(
    [route?.rule, route?.model.name, route?.targets[0]?.provider, route?.targets[0]?.model],
    ['wildcard', 'o/*', 'o', 'any/thing'],
  )
  assert.equal(routes.discovered.unlisted('p/any'), undefined)
})

describe('a name that several providers list', () => {
  const routes = tableWith({ a: ['m', 'x:latest=x'], b: ['m', 'x'] })

  test('leads nowhere by itself, and has a full name at each', () => {
    assert.equal(routes.find('m'), undefined)
    assert.equal(routes.find('x'), undefined)
    assert.deepEqual(routes.discovered.namesakes('m'), ['a/m', 'b/m'])
  })

  test('is listed in full only', () => {
    assert.deepEqual(routes.list().sort(), ['a/m', 'a/x', 'a/x:latest', 'b/m', 'b/x', 'x:latest'])
  })
})

test("where a name in a provider's room would lead is told without its list", () => {
  const routes = tableWith({ ollama: [] }, model('m'))
  assert.deepEqual(routes.discovered.expected('ollama/a/b')?.targets[0], {
    provider: 'ollama',
    model: 'a/b',
    tier: 1,
    weight: 1,
  })
  for (const name of ['ollama/', 'ollama', 'm', 'p/m', '/m']) {
    assert.equal(routes.discovered.expected(name), undefined, name)
  }
})

test('whatever is listed, the names of the file lead where they led', () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '/'), minLength: 1, maxLength: 4 })
  const lists = fc.dictionary(fc.constantFrom('a', 'b', 'ab'), fc.uniqueArray(name, { maxLength: 6 }))
  fc.assert(
    fc.property(
      fc.uniqueArray(name, { maxLength: 4 }),
      fc.uniqueArray(name, { maxLength: 3 }),
      lists,
      name,
      (names, prefixes, listed, asked) => {
        const models = [
          ...names.map((each) => model(each)),
          ...prefixes.map((each) => model(`${each}*`, '*')),
        ]
        const without = way(tableWith({}, ...models), asked)
        const routes = tableWith(listed, ...models)
        const found = way(routes, asked)
        const isInRoom = Object.keys(listed).some((provider) => asked.startsWith(`${provider}/`))
        if (without !== undefined && !isInRoom) assert.equal(found, without)
        if (without?.startsWith('name') === true) assert.equal(found, without)
        for (const each of routes.list()) assert.ok(routes.find(each) !== undefined, each)
        assert.equal(new Set(routes.list()).size, routes.list().length)
      },
    ),
  )
})
