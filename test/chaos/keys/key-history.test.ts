// That the judgement of keys lets through what may happen while a version takes the place of another, and nothing else.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import type { KeyRecord } from '../../../src/clients/keys/key-record.ts'
import { fatesOf, type KeyVersion, mayUse } from './key-history.ts'

const secret = (id: string, untilMs?: number) => ({
  id,
  sha256: Buffer.alloc(32),
  createdMs: 0,
  ...(untilMs !== undefined && { untilMs }),
})

function record(secrets: readonly ReturnType<typeof secret>[], more: Partial<KeyRecord> = {}): KeyRecord {
  const terms = { name: 'ann', models: undefined, budgets: [] }
  return { id: 'k_1', name: 'ann', role: 'client', secrets, terms, isDisabled: false, note: '', ...more }
}

const version = (
  begunAtMs: number,
  acknowledgedAtMs: number | undefined,
  ...keys: KeyRecord[]
): KeyVersion => ({
  keys,
  begunAtMs,
  acknowledgedAtMs,
})

const one = { secretId: 'one', isMistyped: false }
const fates = (versions: readonly KeyVersion[], fromMs: number, toMs: number, model = 'free') =>
  [...fatesOf(versions, one, model, { fromMs, toMs })].toSorted()

suite('a call whose key is revoked', () => {
  const versions = [version(0, 10, record([secret('one')])), version(1_000, 1_100, record([]))]

  test('before the command begins is served', () => assert.deepEqual(fates(versions, 500, 900), ['served']))

  test('after its acknowledgement is refused', () =>
    assert.deepEqual(fates(versions, 1_100, 1_200), ['invalid_api_key']))

  test('in between may end in any of three ways', () =>
    assert.deepEqual(fates(versions, 900, 1_050), ['invalid_api_key', 'key_revoked', 'served']))

  test('is refused by a later acknowledgement too, where the first one is not known', () => {
    const unconfirmed = [
      versions[0]!,
      version(1_000, undefined, record([])),
      version(2_000, 2_100, record([])),
    ]
    assert.deepEqual(fates(unconfirmed, 1_500, 1_600), ['invalid_api_key', 'key_revoked', 'served'])
    assert.deepEqual(fates(unconfirmed, 2_200, 2_300), ['invalid_api_key'])
  })
})

suite('a call whose key is rotated', () => {
  const versions = [version(0, 10, record([secret('one', 5_000), secret('two')]))]

  test('is served until the end of the grace', () =>
    assert.deepEqual(fates(versions, 100, 4_900), ['served']))

  test('is refused from then on', () => assert.deepEqual(fates(versions, 5_100, 5_200), ['key_expired']))

  test('across it may be either', () =>
    assert.deepEqual(fates(versions, 4_900, 5_100), ['key_expired', 'served']))
})

test('a mistyped, disabled or restricted key is never served', () => {
  const mistyped = fatesOf([version(0, 1, record([secret('one')]))], { ...one, isMistyped: true }, 'free', {
    fromMs: 5,
    toMs: 6,
  })
  assert.deepEqual([...mistyped], ['invalid_api_key'])
  const disabled = version(0, 1, record([secret('one')], { isDisabled: true }))
  assert.deepEqual(fates([disabled], 5, 6), ['key_disabled'])
  const terms = { name: 'ann', models: ['qu*', 'steady'], budgets: [] }
  const restricted = version(0, 1, record([secret('one')], { terms }))
  assert.deepEqual(fates([restricted], 5, 6), ['model_not_allowed'])
  assert.deepEqual(fates([restricted], 5, 6, 'queue'), ['served'])
  assert.ok(mayUse(['steady'], 'steady') && !mayUse(['steady'], 'steady-2'))
})
