import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { examineCredentials } from '../../../src/cli/doctor/credentials.ts'
import type { RawSecret } from '../../../src/config/raw.ts'
import { credentialsDropIn } from '../../../src/systemd/credentials.ts'
import { type Places, placesOf } from '../../../src/systemd/scope.ts'
import { ownAccounts, scratchDirectory } from '../../support/config-file.ts'
import { findKey } from '../../support/key-forms.ts'

const key = 'sk-Vb7Qe2RtYk90Lm'

function placesIn(t: TestContext): Places {
  return placesOf('user', { HOME: scratchDirectory(t) })
}

function store(places: Places, name: string): void {
  mkdirSync(places.credentialsDirectory, { recursive: true })
  writeFileSync(join(places.credentialsDirectory, name), key, { mode: 0o600 })
}

function examine(places: Places, reference: RawSecret, env: NodeJS.ProcessEnv = {}) {
  const raw = { providers: { cloud: { base_url: 'https://a.example', api_key: reference } } }
  const { findings, lacking } = examineCredentials(raw, { env, accounts: ownAccounts }, places)
  assert.deepEqual(findKey(JSON.stringify([findings, [...lacking]]), key), [])
  return { finding: findings[0]!, lack: lacking.get('cloud') }
}

test('a key that is found is told by its place', (t) => {
  const { finding, lack } = examine(placesIn(t), { env: 'KEY' }, { KEY: key })
  assert.deepEqual(finding, { subject: 'providers.cloud.api_key', state: 'ok', detail: 'found: env KEY' })
  assert.equal(lack, undefined)
})

for (const [name, value] of [
  ['an empty', ''],
  ['a key with two lines is no', `${key}\n${key}`],
] as const) {
  test(`${name} key fails`, (t) => {
    const { finding, lack } = examine(placesIn(t), { env: 'KEY' }, { KEY: value })
    assert.equal(finding.state, 'fail')
    assert.ok(lack)
  })
}

test('a key that need not be there may be absent', (t) => {
  const { finding, lack } = examine(placesIn(t), { env: 'KEY', optional: true })
  assert.deepEqual([finding.state, finding.detail, lack], ['ok', 'not there, and optional', undefined])
})

test('one that must be there fails, with the way to give it', (t) => {
  const places = placesIn(t)
  assert.equal(
    examine(places, { credential: 'k', env: 'KEY' }).finding.fix,
    'bin/llm-gateway credential set cloud',
  )
  assert.match(examine(places, { file: '/no/file' }).finding.fix!, /umask 077; cat >\/no\/file/)
  assert.match(examine(places, { env: 'KEY' }).finding.fix!, /give KEY to the gateway/)
})

test('a stored key is for the service only, and the command that asks with it is given', (t) => {
  const places = placesIn(t)
  store(places, 'cloud_key')
  mkdirSync(dirname(credentialsDropIn(places)), { recursive: true })
  writeFileSync(credentialsDropIn(places), '[Service]\nLoadCredential=cloud_key:/x\n')
  const { finding, lack } = examine(places, { credential: 'cloud_key', optional: true })
  assert.equal(finding.state, 'ok')
  assert.equal(finding.detail, 'stored as credential cloud_key (not encrypted), given to the service only')
  assert.match(
    lack!.fix!,
    /^systemd-run --user --pipe --wait --collect -p LoadCredential=cloud_key:\S+\/cloud_key \S+\/bin\/llm-gateway doctor --provider cloud$/,
  )
})

test('a stored key that no drop-in passes on fails', (t) => {
  const places = placesIn(t)
  store(places, 'cloud_key')
  const { finding } = examine(places, { credential: 'cloud_key' })
  assert.equal(finding.state, 'fail')
  assert.equal(finding.fix, 'bin/llm-gateway systemd install')
})

test('within the service a stored key that was not passed is not there', (t) => {
  const places = placesIn(t)
  store(places, 'cloud_key')
  const env = { CREDENTIALS_DIRECTORY: '/nowhere' }
  assert.equal(examine(places, { credential: 'cloud_key' }, env).finding.state, 'fail')
})
