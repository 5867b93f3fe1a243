import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { loadConfig } from '../../src/config/load.ts'
import { ownAccounts, problemsOf, scratchDirectory } from '../support/config-file.ts'

function withPrice(price: string): string {
  return `providers: { p: { base_url: "https://a.example/v1" } }
models: { m: { provider: p, price: ${price} } }
`
}

test('a price is free, reported or numbers', (t) => {
  for (const price of [
    'free',
    'reported',
    '{ input: 1 }',
    '{ input: "1.25", output: 10, request: 0.005 }',
    '{ input: 0 }',
  ]) {
    assert.deepEqual(problemsOf(t, withPrice(price)), [], price)
  }
})

test('a price that is none is reported where it stands', (t) => {
  for (const [price, problem] of [
    ['cheap', /price: must be free, reported, or a price such as/],
    ['0', /price: must be text or a mapping/],
    ['{ output: 1 }', /needs the key "input"/],
    ['{ input: -1 }', /price\.input: must be from 0 to 10000/],
    ['{ input: 1e308 }', /price\.input: must be from 0 to 10000/],
    ['{ input: .nan }', /price\.input: must be/],
    ['{ input: "NaN" }', /price\.input: must be a decimal number/],
    ['{ input: "1e3" }', /price\.input: must be a decimal number/],
    ['{ input: 0.0000001 }', /price\.input: must be a number from 0 to 10000 with at most 6 decimals/],
    ['{ input: "20000" }', /price\.input: must be a number from 0 to 10000 with at most 6 decimals/],
    ['{ input: 1, inputs: 2 }', /unknown key "inputs"/],
    ['{ input: 1, above: [{ input: 2 }] }', /needs the key "input_tokens"/],
    [
      '{ input: 1, above: [{ input_tokens: 2 }, { input_tokens: 2 }] }',
      /above\[1\]\.input_tokens: must be more than the 2/,
    ],
    ['{ input: 1, service_tiers: { flex: { cached: 1 } } }', /unknown key "cached"/],
  ] as const) {
    const problems = problemsOf(t, withPrice(price))
    assert.equal(problems.length, 1, `${price}: ${problems.join('; ')}`)
    assert.match(problems[0]!, problem)
  }
})

const list = JSON.stringify({
  version: 1,
  source: 's',
  licence: 'l',
  date: '2026-11-01',
  providers: { a: { hosts: ['a.example'], models: { m: { input: 1 } } } },
})

interface ListFile {
  readonly name: string
  readonly text: string
  readonly mode?: number
}

function load(t: TestContext, prices: string, { name, text, mode = 0o644 }: ListFile) {
  const folder = scratchDirectory(t)
  const file = join(folder, 'llm-gateway.yaml')
  writeFileSync(file, withPrice('free') + prices, { mode: 0o600 })
  if (name !== '') {
    writeFileSync(join(folder, name), text)
    chmodSync(join(folder, name), mode)
  }
  const loaded = loadConfig(file, { env: {}, accounts: ownAccounts })
  return { loaded, folder }
}

test('a list of prices stands beside the configuration, or where it says', (t) => {
  for (const [prices, name] of [
    ['', 'prices.json'],
    ['prices: { file: mine.json }', 'mine.json'],
  ] as const) {
    const { loaded, folder } = load(t, prices, { name, text: list })
    assert.ok(loaded.ok)
    assert.deepEqual(loaded.config.prices, { list: 'shipped', own: { file: join(folder, name), text: list } })
  }
  const off = load(t, 'prices: { list: off }', { name: 'prices.json', text: '{' })
  assert.ok(off.loaded.ok)
  assert.deepEqual(off.loaded.config.prices, { list: 'off' })
})

test('a list of prices with a fault is refused as a whole', (t) => {
  for (const [prices, file, message] of [
    ['', { name: 'prices.json', text: '{' }, /prices\.json is not a price list/],
    [
      '',
      { name: 'prices.json', text: list.replace('"input":1', '"input":-1') },
      /models\.m\.input: it must be/,
    ],
    ['', { name: 'prices.json', text: list, mode: 0o666 }, /writ/],
    ['prices: { file: other.json }', { name: '', text: '' }, /there is no file .*other\.json/],
  ] as const) {
    const { loaded } = load(t, prices, file)
    assert.ok(!loaded.ok)
    assert.deepEqual(
      loaded.problems.map(({ path }) => path),
      ['prices.file'],
    )
    assert.match(loaded.problems[0]!.message, message)
  }
})
