import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { createKey, digestOf } from '../../../src/clients/keys/key-format.ts'
import type { KeyRecord, KeySecret } from '../../../src/clients/keys/key-record.ts'
import { KeyTable } from '../../../src/clients/keys/key-table.ts'

const nowMs = Date.UTC(2026, 10, 28)
const key = createKey('gw_', 43)

function secretOf({ text, id }: { text: string; id: string }, more: Partial<KeySecret> = {}): KeySecret {
  return { id, sha256: digestOf(text), createdMs: nowMs - 1000, ...more }
}

function recordOf(more: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id: 'k_000000000001',
    name: 'ann',
    role: 'client',
    secrets: [secretOf(key)],
    terms: { name: 'ann', models: undefined, budgets: [] },
    isDisabled: false,
    note: '',
    ...more,
  }
}

function tableOf(...keys: KeyRecord[]): KeyTable {
  return new KeyTable({ generation: 7, keys }, ['gw_', 'adm_'])
}

function verdict(table: KeyTable, text: string, atMs = nowMs): string {
  const found = table.check(text, atMs)
  return 'refused' in found ? found.refused : `${found.key.name} ${found.secret.id}`
}

suite('a table of keys', () => {
  test('finds the record and the secret of a key', () => {
    const table = tableOf(recordOf())
    assert.equal(table.generation, 7)
    assert.equal(verdict(table, key.text), `ann ${key.id}`)
  })

  test('refuses what is not exactly a key, and reveals nothing by it', () => {
    const table = tableOf(recordOf({ isDisabled: true, expiresMs: 0 }))
    // The same id with another secret, and a valid checksum.
    let forged = createKey('gw_', 43).text
    forged = forged.replace(/^gw_.{12}/, `gw_${key.id}`)
    const texts = ['', 'gw_', key.text.slice(0, -1), `${key.text}0`, key.text.toLowerCase(), forged]
    for (const text of [...texts, createKey('gw_', 43).text, createKey('other_', 43).text]) {
      assert.equal(verdict(table, text), 'invalid_api_key')
    }
    for (let at = 0; at < key.text.length; at++) {
      const changed = key.text.slice(0, at) + (key.text[at] === 'x' ? 'y' : 'x') + key.text.slice(at + 1)
      assert.equal(verdict(table, changed), 'invalid_api_key')
    }
  })

  test('refuses a key whose prefix is no longer in use', () => {
    const table = new KeyTable({ generation: 1, keys: [recordOf()] }, ['adm_'])
    assert.equal(verdict(table, key.text), 'invalid_api_key')
  })

  test('looks at the clock with each check', () => {
    const table = tableOf(recordOf({ notBeforeMs: nowMs, expiresMs: nowMs + 1000 }))
    assert.equal(verdict(table, key.text, nowMs - 1), 'key_disabled')
    assert.equal(verdict(table, key.text, nowMs), `ann ${key.id}`)
    assert.equal(verdict(table, key.text, nowMs + 999), `ann ${key.id}`)
    assert.equal(verdict(table, key.text, nowMs + 1000), 'key_expired')
  })

  test('refuses a disabled key', () => {
    assert.equal(verdict(tableOf(recordOf({ isDisabled: true })), key.text), 'key_disabled')
  })

  test('accepts both secrets of a key that is rotated, the first until its end', () => {
    const next = createKey('gw_', 43)
    const table = tableOf(recordOf({ secrets: [secretOf(key, { untilMs: nowMs + 10 }), secretOf(next)] }))
    assert.equal(verdict(table, key.text, nowMs + 9), `ann ${key.id}`)
    assert.equal(verdict(table, next.text, nowMs + 9), `ann ${next.id}`)
    assert.equal(verdict(table, key.text, nowMs + 10), 'key_expired')
    assert.equal(verdict(table, next.text, nowMs + 10), `ann ${next.id}`)
  })

  test('knows a master key that was chosen by hand, by its digest', () => {
    const text = 'adm_correct-Horse.battery-staple-0451'
    const chosen = { text, id: 'set-00000000' }
    const table = tableOf(recordOf(), recordOf({ id: 'k_m', name: 'master', secrets: [secretOf(chosen)] }))
    assert.equal(verdict(table, text), 'master set-00000000')
    assert.equal(verdict(table, `${text}0`), 'invalid_api_key')
    assert.equal(verdict(table, text.replace('adm_', 'foo_')), 'invalid_api_key')
    assert.equal(verdict(table, `adm_${'x'.repeat(16 * 1024)}`), 'invalid_api_key')
    assert.equal(verdict(table, key.text), `ann ${key.id}`)
  })

  test('has no key after it was revoked', () => {
    assert.equal(verdict(tableOf(recordOf({ secrets: [] })), key.text), 'invalid_api_key')
    assert.equal(verdict(tableOf(), key.text), 'invalid_api_key')
  })
})
