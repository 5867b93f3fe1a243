import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { examineCredentials } from '../../../src/cli/doctor/credentials.ts'
import type { RawSecret } from '../../../src/config/raw.ts'
import type { OpenedSecrets } from '../../../src/config/stored-secrets.ts'
import { credentialsDropIn } from '../../../src/systemd/credentials.ts'
import { type ServicePaths, servicePaths } from '../../../src/systemd/scope.ts'
import { ownAccounts, scratchDirectory } from '../../support/config-file.ts'
import { findKey } from '../../support/key-forms.ts'

const key = 'sk-Vb7Qe2RtYk90Lm'

function pathsIn(t: TestContext): ServicePaths {
  return servicePaths('user', { HOME: scratchDirectory(t) })
}

function store(paths: ServicePaths, name: string): void {
  mkdirSync(paths.credentialsDirectory, { recursive: true })
  writeFileSync(join(paths.credentialsDirectory, name), key, { mode: 0o600 })
}

function examine(
  paths: ServicePaths,
  reference: RawSecret,
  env: NodeJS.ProcessEnv = {},
  stored: OpenedSecrets = new Map(),
) {
  const raw = { providers: { cloud: { base_url: 'https://a.example', api_key: reference } } }
  const { findings, missing, optionalFixes } = examineCredentials(
    raw,
    { env, accounts: ownAccounts, stored },
    paths,
  )
  assert.deepEqual(findKey(JSON.stringify([findings, [...missing]]), key), [])
  return { finding: findings[0]!, missingKey: missing.get('cloud'), optionalFix: optionalFixes.get('cloud') }
}

test('a key that is found is reported by its source', (t) => {
  const { finding, missingKey } = examine(pathsIn(t), { env: 'KEY' }, { KEY: key })
  assert.deepEqual([finding.subject, finding.state], ['providers.cloud.api_key', 'ok'])
  assert.match(finding.detail, /env KEY/)
  assert.equal(missingKey, undefined)
})

for (const [name, value] of [
  ['an empty', ''],
  ['a key with two lines is no', `${key}\n${key}`],
] as const) {
  test(`${name} key fails`, (t) => {
    const { finding, missingKey } = examine(pathsIn(t), { env: 'KEY' }, { KEY: value })
    assert.equal(finding.state, 'fail')
    assert.ok(missingKey)
  })
}

test('an optional key may be missing', (t) => {
  const { finding, missingKey, optionalFix } = examine(pathsIn(t), { env: 'KEY', optional: true })
  assert.deepEqual([finding.state, missingKey], ['ok', undefined])
  assert.match(optionalFix!, /^set KEY in the gateway's environment/)
})

test('a required key that is missing fails, with the command that stores it', (t) => {
  const paths = pathsIn(t)
  assert.equal(
    examine(paths, { credential: 'k', env: 'KEY' }).finding.fix,
    'bin/llm-gateway credential set cloud   # or, without the service, set $KEY',
  )
  assert.match(examine(paths, { file: '/no/file' }).finding.fix!, /umask 077; cat >\/no\/file/)
  assert.match(examine(paths, { env: 'KEY' }).finding.fix!, /\bKEY\b/)
})

test('a stored key is for the service only, and comes with the command that uses it', (t) => {
  const paths = pathsIn(t)
  store(paths, 'cloud_key')
  mkdirSync(dirname(credentialsDropIn(paths)), { recursive: true })
  writeFileSync(credentialsDropIn(paths), '[Service]\nLoadCredential=cloud_key:/x\n')
  const { finding, missingKey } = examine(paths, { credential: 'cloud_key', optional: true })
  assert.equal(finding.state, 'ok')
  assert.match(finding.detail, /cloud_key \(not encrypted\)/)
  assert.match(
    missingKey!.fix!,
    /^systemd-run --user --pipe --wait --collect -p LoadCredential=cloud_key:\S+\/cloud_key \S+\/bin\/llm-gateway doctor --provider cloud$/,
  )
})

test('a stored key that no drop-in passes fails', (t) => {
  const paths = pathsIn(t)
  store(paths, 'cloud_key')
  const { finding } = examine(paths, { credential: 'cloud_key' })
  assert.equal(finding.state, 'fail')
  assert.equal(finding.fix, 'bin/llm-gateway systemd install')
})

test('within the service a stored key that was not passed is missing', (t) => {
  const paths = pathsIn(t)
  store(paths, 'cloud_key')
  const env = { CREDENTIALS_DIRECTORY: '/nowhere' }
  assert.equal(examine(paths, { credential: 'cloud_key' }, env).finding.state, 'fail')
})

test('a stored secret is reported by its name, with what brings it back', (t) => {
  const paths = pathsIn(t)
  const reference = { secret: 'k' }
  const opened = examine(paths, reference, {}, new Map([['k', { kind: 'opened', value: key }]]))
  assert.deepEqual([opened.finding.state, opened.finding.detail], ['ok', 'found: secret k'])
  const absent = { kind: 'absent', message: 'secret not found: looked for secret k', hint: '' } as const
  const missing = examine(paths, reference, {}, new Map([['k', absent]]))
  assert.deepEqual([missing.finding.state, missing.finding.fix], ['fail', 'bin/llm-gateway secret set k'])
  const locked = { ...absent, hint: 'bring it back', credential: 'gateway_identity' }
  const without = examine(paths, reference, {}, new Map([['k', locked]]))
  assert.deepEqual([without.finding.state, without.finding.fix], ['fail', 'bring it back'])
  store(paths, 'gateway_identity')
  const kept = examine(paths, reference, {}, new Map([['k', locked]]))
  assert.match(kept.finding.detail, /stored as credential gateway_identity, but no drop-in passes it/)
})
