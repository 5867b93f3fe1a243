import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { examineKeys } from '../../../src/cli/doctor/keys.ts'
import { newKeyId, newSecret } from '../../../src/clients/keys/key-changes.ts'
import { formatKeyFile } from '../../../src/clients/keys/key-file.ts'
import type { KeyRecord } from '../../../src/clients/keys/key-record.ts'
import { formatKeysState } from '../../../src/clients/keys/keys-state.ts'
import { holdLock } from '../../../src/platform/process-lock.ts'
import { ownAccounts, scratchDirectory } from '../../support/config-file.ts'

function keyNamed(name: string, more: Partial<KeyRecord> = {}): KeyRecord {
  const terms = { name, models: undefined, budgets: [] }
  const { secret } = newSecret('gw_', 43, 0)
  return {
    id: newKeyId(),
    name,
    role: 'client',
    secrets: [secret],
    terms,
    isDisabled: false,
    note: '',
    ...more,
  }
}

/** @param keys the text of the key file; undefined: there is none. */
function scene(t: TestContext, mode: string, keys: string | undefined) {
  const folder = scratchDirectory(t)
  const config = join(folder, 'llm-gateway.yaml')
  const path = join(folder, 'keys.json')
  const yaml = `server: { hosts: [127.0.0.1], port: 1 }\nkeys: { mode: "${mode}" }\n`
  writeFileSync(config, yaml, { mode: 0o600 })
  if (keys !== undefined) writeFileSync(path, keys, { mode: 0o600 })
  const env = { HOME: folder, STATE_DIRECTORY: folder }
  const examine = () =>
    examineKeys(config, env, { accounts: ownAccounts, nowMs: 1000, command: 'gw' }).map(
      ({ state, detail, fix }) =>
        `${state} ${detail.replaceAll(folder, 'D')}${fix === undefined ? '' : ` → ${fix}`}`,
    )
  return { folder, path, examine }
}

suite('doctor on the keys of clients', () => {
  const two = formatKeyFile({ generation: 7, keys: [keyNamed('ann'), keyNamed('bob', { expiresMs: 5 })] })

  test('reports nothing where there are none, and none are needed', (t) => {
    assert.deepEqual(scene(t, 'off', undefined).examine(), [])
  })

  test('warns where they are needed', (t) => {
    const expected = ['warn there are no keys in D/keys.json: nobody has a valid one → gw key create NAME']
    assert.deepEqual(scene(t, 'required', undefined).examine(), expected)
  })

  test('counts them', (t) => {
    assert.deepEqual(scene(t, 'off', two).examine(), ['ok 2 keys, 1 of them valid; keys are off'])
    assert.deepEqual(scene(t, 'optional', two).examine(), ['ok 2 keys, 1 of them valid; no gateway runs'])
  })

  test('fails for each fault of the file', (t) => {
    const { examine } = scene(t, 'off', '{"version":1,"generation":1,"keys":[{}]}')
    const findings = examine()
    assert.equal(findings.length, 3)
    assert.match(findings[0]!, /^fail D\/keys\.json: keys\[0\]\.name must be/)
  })

  test('fails for a file that others may write', (t) => {
    const { path, examine } = scene(t, 'off', two)
    chmodSync(path, 0o646)
    assert.match(examine().join(), /^fail D\/keys\.json is writable by everybody/)
  })

  test(
    'fails when the gateway has another generation in force',
    { skip: process.platform === 'linux' ? false : 'only Linux has the lock of a running gateway' },
    (t) => {
      const { folder, examine } = scene(t, 'required', two)
      assert.equal(holdLock(join(folder, 'limits.lock')).kind, 'held')
      assert.match(
        examine().join(),
        /^fail 2 keys, 1 of them valid; the gateway \(pid \d+\) has not loaded them$/,
      )
      const state = (generation: number) =>
        writeFileSync(join(folder, 'keys.state'), formatKeysState({ generation, loadedAtMs: 0, threads: 1 }))
      state(6)
      assert.match(
        examine().join(),
        /^fail .*; not in force: the gateway has generation 6 .*, the file is 7$/,
      )
      state(7)
      assert.match(examine().join(), /^ok .*; in force as generation 7 since 1970-01-01 00:00 UTC$/)
    },
  )
})
