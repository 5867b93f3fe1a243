import assert from 'node:assert/strict'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { type KeptLists, KeptListsFile, serverOfService } from '../../../src/app/services/kept-lists.ts'
import type { ServiceConfig } from '../../../src/config/service-types.ts'
import type { ListedModel } from '../../../src/domain.ts'
import { scratchDirectory } from '../../support/config-file.ts'

function fileIn(t: TestContext, directory = scratchDirectory(t)) {
  const faults: Error[] = []
  const state: { lists: KeptLists } = { lists: new Map() }
  const file = new KeptListsFile({
    directory,
    lists: () => state.lists,
    onFault: (cause) => void faults.push(cause),
  })
  const write = async (lists: KeptLists) => {
    state.lists = lists
    file.touch()
    await file.stop()
  }
  return { file, faults, write, path: join(directory, 'model-lists.json'), directory }
}

const model = (id: string, more: Partial<ListedModel> = {}): ListedModel => ({ id, aliases: [], ...more })

suite('the file of kept lists', () => {
  test('has what was written, for its user alone', async (t) => {
    const { write, path, directory, faults } = fileIn(t)
    const facts = { context_length: 4096, nested: { takes: ['text', 'image'], is: true } }
    const lists = new Map([
      [
        'qwen',
        { server: 'a', models: [model('m', { aliases: ['n'], facts, hasLooseName: true }), model('o')] },
      ],
      ['__proto__', { server: 'b', models: [] }],
    ])
    await write(lists)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.deepEqual(fileIn(t, directory).file.load(), lists)
    assert.deepEqual(faults, [])
  })

  test('is empty where there is none', (t) => {
    const { file, faults } = fileIn(t)
    assert.deepEqual([file.load(), faults], [new Map(), []])
  })

  test('is bounded: a list that is too long is left out, as are those beyond 256 or 8 MiB', async (t) => {
    const { write, path, directory } = fileIn(t)
    const of = (chars: number) => ({
      server: 's',
      models: [model('m', { facts: { text: 'x'.repeat(chars) } })],
    })
    await write(new Map([['long', of(1_100_000)] as const, ['short', of(10)] as const]))
    assert.deepEqual([...fileIn(t, directory).file.load().keys()], ['short'])
    await write(new Map(Array.from({ length: 300 }, (_, index) => [`p${index}`, of(10)])))
    assert.equal(fileIn(t, directory).file.load().size, 256)
    await write(new Map(Array.from({ length: 12 }, (_, index) => [`p${index}`, of(1_000_000)])))
    assert.ok(statSync(path).size < 8_500_000)
    assert.equal(fileIn(t, directory).file.load().size, 8)
  })

  for (const [what, text] of [
    ['a list without a server', '{"version":1,"providers":{"p":{"models":[]}}}'],
    ['models that are no list', '{"version":1,"providers":{"p":{"server":"s","models":{}}}}'],
    ['a model without a name', '{"version":1,"providers":{"p":{"server":"s","models":[{"aliases":[]}]}}}'],
    ['a model without aliases', '{"version":1,"providers":{"p":{"server":"s","models":[{"id":"m"}]}}}'],
    [
      'facts of another form',
      '{"version":1,"providers":{"p":{"server":"s","models":[{"id":"m","aliases":[],"facts":{"a":null}}]}}}',
    ],
    [
      'a name that no model can have',
      `{"version":1,"providers":{"p":{"server":"s","models":[{"id":"${'m'.repeat(10_000)}","aliases":[]}]}}}`,
    ],
  ] as const) {
    test(`${what} is read as nothing`, (t) => {
      const { file, path, faults } = fileIn(t)
      writeFileSync(path, text)
      assert.deepEqual([file.load(), faults], [new Map(), []])
    })
  }

  for (const [what, text, reason] of [
    ['no JSON', '{', /model-lists\.json is not a JSON object/],
    [
      'what a later release wrote',
      '{"version":2,"providers":{"p":{"server":"s","models":[]}}}',
      /model-lists\.json is of a later release of llm-gateway \(version 2; this one reads 1\)/,
    ],
  ] as const) {
    test(`${what} is read as nothing, and reported`, (t) => {
      const { file, path, faults } = fileIn(t)
      writeFileSync(path, text)
      assert.deepEqual(file.load(), new Map())
      assert.equal(faults.length, 1)
      assert.match(faults[0]!.message, reason)
    })
  }

  test('reports what it cannot read, and what it cannot write', async (t) => {
    const { file, path, write, faults } = fileIn(t)
    mkdirSync(path)
    assert.deepEqual(file.load(), new Map())
    assert.match(faults[0]!.message, /model-lists\.json is not a regular file$/)
    await write(new Map())
    assert.equal(faults.length, 2)
  })
})

test('a list belongs to an address, a unit and a command', () => {
  const service: ServiceConfig = {
    unit: 'u.service',
    startTimeoutMs: 1,
    isKept: false,
    startsAtBoot: false,
    whenStarting: 'wait',
  }
  const of = (settings: Partial<ServiceConfig>, origin = 'http://127.0.0.1:1') =>
    serverOfService({ kind: 'openai', origin, basePath: '/v1', service: { ...service, ...settings } })
  const run = (command: readonly string[], environment: Readonly<Record<string, string>> = {}) => ({
    run: { command, environment: new Map(Object.entries(environment)) },
  })
  const servers = [
    of({}),
    of({}, 'http://127.0.0.1:2'),
    of({ unit: 'v.service' }),
    of(run(['/bin/server', '--model', 'a'])),
    of(run(['/bin/server', '--model', 'b'])),
    of(run(['/bin/server', '--model', 'b'], { GPU: '1' })),
  ]
  assert.equal(new Set(servers).size, servers.length)
  assert.equal(of({ startTimeoutMs: 2, stopAfterIdleMs: 5 }), servers[0])
  assert.equal(serverOfService({ kind: 'openai', origin: 'http://127.0.0.1:1', basePath: '/v1' }), undefined)
})
