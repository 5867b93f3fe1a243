import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { fc } from '../../support/properties.ts'

import { budgetText, parseBudget } from '../../../src/clients/keys/key-budgets.ts'
import { formatKeyFile, parseKeyFile } from '../../../src/clients/keys/key-file.ts'
import type { KeyFile } from '../../../src/clients/keys/key-record.ts'

const key = {
  id: 'k_000000000001',
  name: 'ann',
  role: 'client',
  secrets: [{ id: '0123456789AB', sha256: 'ab'.repeat(32), created: '2026-11-28T12:00:00Z', until: null }],
  models: ['qwen-coder', 'openrouter/*'],
  limits: { rpm: 60, tpm: null, max_parallel_requests: 4 },
  budgets: [
    { usd: '2.50', per: 'day' },
    { tokens: 2_000_000, per: 'total' },
  ],
  boundary: null,
  routes: null,
  not_before: null,
  expires: '2027-02-26T12:00:00.500Z',
  disabled: false,
  note: "Ann's laptop",
}

function fileOf(...keys: unknown[]): string {
  return JSON.stringify({ version: 1, generation: 41, keys })
}

function parsed(text: string): KeyFile {
  const result = parseKeyFile(text)
  assert.ok(result.kind === 'parsed', JSON.stringify(result))
  return result.file
}

function faultsOf(text: string): string[] {
  const result = parseKeyFile(text)
  return result.kind === 'parsed'
    ? []
    : result.faults.map(({ place, message }) => `${place}: ${message}`.slice(0, 70))
}

suite('the key file', () => {
  test('is read', () => {
    const [record] = parsed(fileOf(key)).keys
    assert.deepEqual(record, {
      id: 'k_000000000001',
      name: 'ann',
      role: 'client',
      secrets: [
        { id: '0123456789AB', sha256: Buffer.alloc(32, 0xab), createdMs: Date.UTC(2026, 10, 28, 12) },
      ],
      terms: {
        name: 'ann',
        models: ['qwen-coder', 'openrouter/*'],
        rpm: 60,
        maxParallelRequests: 4,
        budgets: [
          { unit: 'usd', limit: 2_500_000_000, per: 'day' },
          { unit: 'tokens', limit: 2_000_000, per: 'total' },
        ],
      },
      expiresMs: Date.UTC(2027, 1, 26, 12) + 500,
      isDisabled: false,
      note: "Ann's laptop",
    })
  })

  test('may leave out what is not set', () => {
    const { id, name, role, secrets } = key
    const [record] = parsed(fileOf({ id, name, role, secrets })).keys
    assert.deepEqual(record!.terms, { name: 'ann', models: undefined, budgets: [] })
    assert.equal(record!.isDisabled, false)
  })

  test('is written as it is read, with a line for each key', () => {
    const rich = { ...key, boundary: 'local', routes: true, not_before: '2026-11-29T00:00:00.000Z' }
    const file = parsed(
      fileOf(rich, { ...key, id: 'k_000000000002', name: 'bob', secrets: [], models: null }),
    )
    const text = formatKeyFile(file)
    assert.deepEqual(parsed(text), file)
    assert.deepEqual(
      text.split('\n').map((line) => /"name":"(\w+)"/.exec(line)?.[1]),
      [undefined, 'ann', 'bob', undefined, undefined],
    )
    assert.deepEqual(parsed(formatKeyFile({ generation: 1, keys: [] })), { generation: 1, keys: [] })
  })

  const faults: readonly (readonly [what: string, text: string, ...expected: readonly string[]])[] = [
    ['an empty file', '', ': is empty or cut off'],
    ['a cut file', fileOf(key).slice(0, -5), 'line 1, column'],
    ['bad JSON', '{ "version": 1,\n "keys" }', 'line 2, column 9: is not valid JSON'],
    ['a list', '[]', ': must be an object'],
    ['another version', '{"version":2,"unknown":1}', 'unknown: is not known', 'version: must be 1'],
    ['no generation', '{"version":1,"keys":[]}', 'generation: must be a whole number'],
    ['no list', '{"version":1,"generation":1,"keys":{}}', 'keys: must be a list'],
    ['too many keys', fileOf(...Array.from({ length: 10_001 }, () => 0)), 'keys: has 10001 entries'],
    ['an unknown member', fileOf({ ...key, max_budget: 5 }), 'keys[0].max_budget: is not known'],
    ['a list as a key', fileOf([]), 'keys[0]: must be an object'],
    ['an unknown limit', fileOf({ ...key, limits: { rps: 1 } }), 'keys[0].limits.rps: is not known'],
    ['a limit of 0', fileOf({ ...key, limits: { rpm: 0 } }), 'keys[0].limits.rpm: must be a whole number'],
    ['a name with a space', fileOf({ ...key, name: 'a b' }), 'keys[0].name: must be 1 to 64'],
    ['another role', fileOf({ ...key, role: 'admin' }), 'keys[0].role: must be one of client, master'],
    ['a short id', fileOf({ ...key, id: 'k_1' }), 'keys[0].id: must be k_'],
    ['three secrets', fileOf({ ...key, secrets: [1, 2, 3] }), 'keys[0].secrets: must be a list of at most 2'],
    ['a pattern amid', fileOf({ ...key, models: ['a', 'a*b'] }), 'keys[0].models[1]: must be the name'],
    ['one model', fileOf({ ...key, models: 'a' }), 'keys[0].models: must be a list'],
    ['a local time', fileOf({ ...key, expires: '2026-11-28' }), 'keys[0].expires: must be a time in UTC'],
    [
      'a number of USD',
      fileOf({ ...key, budgets: [{ usd: 5, per: 'day' }] }),
      'keys[0].budgets[0].usd: must be text',
    ],
    [
      'two units',
      fileOf({ ...key, budgets: [{ usd: '5', tokens: 1, per: 'day' }] }),
      'keys[0].budgets[0]: must have either',
    ],
    [
      'a period',
      fileOf({ ...key, budgets: [{ usd: '5', per: 'year' }] }),
      'keys[0].budgets[0].per: must be one of',
    ],
    ['disabled: 0', fileOf({ ...key, disabled: 0 }), 'keys[0].disabled: must be true or false'],
    ['a long note', fileOf({ ...key, note: 'x'.repeat(501) }), 'keys[0].note: must be a text of at most'],
    [
      'a key in place of its digest',
      fileOf({ ...key, secrets: [{ id: '0123456789AB', sha256: 'gw_secret', created: null }] }),
      'keys[0].secrets[0].sha256: must be the SHA-256 of the key',
      'keys[0].secrets[0].created: is missing',
    ],
    [
      'the same key twice',
      fileOf(key, key),
      'keys[1].name: repeats the name "ann"',
      'keys[1].id: repeats',
      'keys[1].secrets[0].id: repeats',
    ],
    [
      'two masters',
      fileOf(
        { ...key, role: 'master' },
        { ...key, name: 'b', id: 'k_000000000002', secrets: [], role: 'master' },
      ),
      'keys[1].role: is "master" a second time',
    ],
  ]
  for (const [what, text, ...rest] of faults) {
    const expected: readonly string[] = rest
    test(`is refused for ${what}`, () => {
      const found = faultsOf(text)
      assert.equal(found.length, expected.length, found.join('\n'))
      for (const [index, fault] of expected.entries())
        assert.ok(found[index]!.startsWith(fault), found[index]!)
    })
  }

  test('has faults that repeat no secret', () => {
    const result = parseKeyFile(
      fileOf({ ...key, secrets: [{ id: 'gw_id', sha256: 'gw_secret', created: 'gw_t' }] }),
    )
    assert.doesNotMatch(JSON.stringify(result), /gw_/)
  })

  test('is refused or read, whatever it holds', () => {
    const anyKey = fc.record(
      Object.fromEntries(
        Object.keys(key).map((name) => [name, fc.oneof(fc.constant(key[name as 'id']), fc.jsonValue())]),
      ),
    )
    fc.assert(
      fc.property(fc.array(anyKey, { maxLength: 3 }), (keys) => {
        const result = parseKeyFile(fileOf(...keys))
        if (result.kind === 'parsed') assert.deepEqual(parsed(formatKeyFile(result.file)), result.file)
        else assert.ok(result.faults.length > 0)
      }),
    )
  })

  test('with 10,000 keys is read', () => {
    const keys = Array.from({ length: 10_000 }, (_, index) => {
      const number = String(index).padStart(12, '0')
      return { ...key, id: `k_${number}`, name: `n${index}`, secrets: [{ ...key.secrets[0], id: number }] }
    })
    assert.equal(parsed(fileOf(...keys)).keys.length, 10_000)
  })
})

suite('a budget', () => {
  test('is read as people type it', () => {
    assert.deepEqual(parseBudget('5usd/day'), { unit: 'usd', limit: 5_000_000_000, per: 'day' })
    assert.deepEqual(parseBudget('0.05USD/Month'), { unit: 'usd', limit: 50_000_000, per: 'month' })
    assert.deepEqual(parseBudget('2000000tokens/total'), { unit: 'tokens', limit: 2_000_000, per: 'total' })
    for (const text of [
      '5',
      '5usd',
      '5eur/day',
      '5usd/year',
      '-5usd/day',
      '1.5tokens/day',
      '99999999usd/day',
      '.5usd/day',
    ]) {
      assert.equal(parseBudget(text), undefined, text)
    }
  })

  test('is written as it is read', () => {
    fc.assert(
      fc.property(fc.nat({ max: 9_000_000 }), fc.nat({ max: 999_999_999 }), (usd, nano) => {
        const limit = Math.min(usd, 8_999_999) * 1e9 + nano
        const budget = { unit: 'usd', limit, per: 'week' } as const
        assert.deepEqual(parseBudget(budgetText(budget)), budget)
      }),
    )
  })
})
