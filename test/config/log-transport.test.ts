import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'

import { loadConfig, type LoadedConfig } from '../../src/config/load.ts'
import { ownAccounts, scratchDirectory } from '../support/config-file.ts'

/** A folder with a configuration file, a module, and packages beside it. */
function load(t: TestContext, transport: string, mode = 0o600): { folder: string; loaded: LoadedConfig } {
  const folder = scratchDirectory(t)
  const write = (path: string, text: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), text)
    chmodSync(join(folder, path), mode)
  }
  write('own.mjs', '')
  write('node_modules/pino-x/package.json', '{ "main": "x.js" }')
  write('node_modules/pino-x/x.js', '')
  write('node_modules/esm-only/package.json', '{ "exports": { "import": "./x.js" } }')
  const file = join(folder, 'llm-gateway.yaml')
  const yaml = `providers: { e: { kind: echo } }\nmodels: { m: { provider: e } }\nlogging: { transport: ${transport} }\n`
  writeFileSync(file, yaml, { mode: 0o600 })
  return { folder, loaded: loadConfig(file, { env: { TOKEN: 'abc' }, accounts: ownAccounts }) }
}

describe('the module of a log transport is', () => {
  for (const [name, target, path] of [
    ['a path beside the configuration', './own.mjs', 'own.mjs'],
    ['a package beside the configuration', 'pino-x', 'node_modules/pino-x/x.js'],
  ] as const) {
    test(name, (t) => {
      const { folder, loaded } = load(
        t,
        `{ target: ${target}, options: { a: ["\${TOKEN}"], heldSecret: 1 } }`,
      )
      assert.ok(loaded.ok, JSON.stringify(loaded))
      const { transport } = loaded.config.logging
      assert.equal(transport?.target, join(folder, path))
      assert.equal(JSON.stringify(transport?.options), '{"a":["abc"],"heldSecret":1}')
    })
  }

  test('a part of pino itself', (t) => {
    const { loaded } = load(t, '{ target: pino/file }')
    assert.deepEqual(loaded.ok && loaded.config.logging.transport, { target: 'pino/file', options: {} })
  })

  test('none by default, and where the file has null', (t) => {
    const { loaded } = load(t, 'null')
    assert.deepEqual(loaded.ok && loaded.config.logging, { level: 'info', format: 'auto' })
  })
})

describe('a log transport is refused', () => {
  const refused: [name: string, transport: string, path: string, message: RegExp, mode?: number][] = [
    ['without a target', '{ options: {} }', 'logging.transport', /target/],
    ['in the short form', 'pino-x', 'logging.transport', /target: NAME/],
    ['that is not there', '{ target: ./none.mjs }', 'logging.transport.target', /no file .*none\.mjs/],
    ['that is not installed', '{ target: none }', 'logging.transport.target', /no package "none"/],
    ['that is a module of Node', '{ target: "node:fs" }', 'logging.transport.target', /no package/],
    ['that only import finds', '{ target: esm-only }', 'logging.transport.target', /node_modules\/esm-only/],
    ['that is a folder', '{ target: ./ }', 'logging.transport.target', /is a directory/],
    [
      'that others can write',
      '{ target: ./own.mjs }',
      'logging.transport.target',
      /writable by everybody/,
      0o606,
    ],
    [
      'of a package that others can write',
      '{ target: pino-x }',
      'logging.transport.target',
      /everybody/,
      0o606,
    ],
  ]
  for (const [name, transport, path, message, mode] of refused) {
    test(name, (t) => {
      const { loaded } = load(t, transport, mode)
      assert.ok(!loaded.ok)
      assert.deepEqual(
        loaded.problems.map((problem) => problem.path),
        [path],
      )
      const [problem] = loaded.problems
      assert.match(`${problem!.message} (${problem!.hint})`, message)
      assert.equal(problem!.line, 3)
    })
  }

  test('and what its options hold is not shown', (t) => {
    const { loaded } = load(
      t,
      '{ target: none, options: { url: "https://h/?k=hunter2", b: { c: hunter2 } } }',
    )
    assert.doesNotMatch(JSON.stringify(loaded), /hunter2/)
  })
})
