import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { fc } from '../support/properties.ts'

import type { ModelConfig } from '../../src/config/types.ts'
import { modelNotFound, RouteTable } from '../../src/routing/route-table.ts'

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

test('a name without its tag is met with the one that has it', () => {
  assert.equal(tableWith({ ollama: ['qwen3:8b'] }).suggest('qwen3'), 'qwen3:8b')
})

test('the error for an unknown name names the providers that may have the model, but list none', () => {
  const routes = tableWith({ ollama: [], vllm: [], lmstudio: ['m'] })
  const { message } = modelNotFound('qwen3:8b', routes)
  assert.match(message, /"qwen3:8b" does not exist.* Providers that list none at the moment: ollama, vllm\./)
  assert.match(modelNotFound('vllm/qwen3', routes).message, /list none at the moment: vllm\./)
  assert.doesNotMatch(modelNotFound('lmstudio/qwen3', routes).message, /at the moment/)
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

/** A table with these lists, `NAME` or `NAME=ALIAS` each. */
function tableWith(lists: Readonly<Record<string, readonly string[]>>, ...models: [string, ModelConfig][]) {
  return tableOf(lists, models)
}

function tableOf(
  lists: Readonly<Record<string, readonly string[]>>,
  models: readonly [string, ModelConfig][],
  kinds?: { local?: readonly string[]; ollama?: readonly string[] },
) {
  const discovered = Object.entries(lists).map(([provider, names]) => {
    const listed = names.map((name) => {
      const [id, ...aliases] = name.split('=')
      return { id: id!, aliases }
    })
    return [provider, listed] as const
  })
  const { local, ollama } = kinds ?? {}
  return new RouteTable(new Map(models), new Map(discovered), {
    local: new Set(local),
    ollama: new Set(ollama),
    discovering: new Set(Object.keys(lists)),
  })
}

/** `RULE SCOPE → PROVIDER MODEL`. */
function way(routes: RouteTable, name: string): string | undefined {
  const route = routes.find(name)
  const target = route?.targets[0]
  return route && `${route.rule} ${route.model.name} → ${target?.provider} ${target?.model}`
}

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
  assert.deepEqual(routes.withoutList('ollama/m'), ['ollama'])
})

test('a model that leads back to itself leads nowhere', () => {
  const leading = (name: string, use: string): [string, ModelConfig] => [
    name,
    { name, aliases: [], targets: [], fallbacks: [], use },
  ]
  const routes = new RouteTable(new Map([leading('a', 'b'), leading('b', 'c'), leading('c', 'b')]))
  assert.equal(routes.ledTo(routes.find('a')!.model), undefined)
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
    assert.deepEqual(routes.namesakes('y'), ['a/y', 'b/y', 'cloud/y'])
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
    assert.deepEqual(table.factsOf(table.find('m')!), {
      max_model_len: 4096,
      status: { value: 'loaded' },
      created: 1,
    })
  })
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

test('a name in the namespace of a provider that does not list it leads to the provider, by one scope for all', () => {
  const routes = tableWith({ o: ['m'] })
  const route = routes.unlisted('o/any/thing')
  assert.deepEqual(
    [route?.rule, route?.model.name, route?.targets[0]?.provider, route?.targets[0]?.model],
    ['wildcard', 'o/*', 'o', 'any/thing'],
  )
  assert.equal(routes.unlisted('p/any'), undefined)
})

describe('a name that several providers list', () => {
  const routes = tableWith({ a: ['m', 'x:latest=x'], b: ['m', 'x'] })

  test('leads nowhere by itself, and the answer names the ways', () => {
    assert.equal(routes.find('m'), undefined)
    assert.equal(routes.find('x'), undefined)
    assert.match(modelNotFound('m', routes).message, /"a\/m" or "b\/m"/)
  })

  test('is listed in full only', () => {
    assert.deepEqual(routes.list().sort(), ['a/m', 'a/x', 'a/x:latest', 'b/m', 'b/x', 'x:latest'])
  })
})

test('names that a provider lists are suggested', () => {
  assert.equal(tableWith({ ollama: ['qwen3:8b'] }).suggest('qwen3:7b'), 'qwen3:8b')
})

test("where a name in a provider's room would lead is told without its list", () => {
  const routes = tableWith({ ollama: [] }, model('m'))
  assert.deepEqual(routes.expected('ollama/a/b')?.targets[0], {
    provider: 'ollama',
    model: 'a/b',
    tier: 1,
    weight: 1,
  })
  for (const name of ['ollama/', 'ollama', 'm', 'p/m', '/m']) {
    assert.equal(routes.expected(name), undefined, name)
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
