import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'

import { describeSecret, findSecret, HeldSecret } from '../../src/config/secrets.ts'
import { loadText, ownAccounts, scratchDirectory, writeScratch } from '../support/config-file.ts'

const shared = { ...ownAccounts, isPrivateGroup: () => false }

test('printing, serialising and inspecting a secret show no value', () => {
  const secret = new HeldSecret('hunter2', 'env KEY')
  const shown = [
    String(secret),
    JSON.stringify({ secret }),
    inspect(secret, { showHidden: true, depth: 9 }),
    inspect({ deep: [secret] }),
    Object.values(secret).join(),
    JSON.stringify(structuredClone(secret)),
  ]
  assert.doesNotMatch(shown.join('\n'), /hunter2/)
  assert.equal(String(secret), '[secret]')
  assert.equal(secret.reveal(), 'hunter2')
})

test('the credential wins over the file, and the file over the variable', (t) => {
  const directory = scratchDirectory(t)
  const file = writeScratch(t, 'from-file\n')
  const env = { CREDENTIALS_DIRECTORY: directory, KEY: 'from-env' }
  const reference = { env: 'KEY', file, credential: 'key' }
  const revealed = (chosen: typeof reference | { env: string; file: string }) => {
    const found = findSecret(chosen, { env, accounts: ownAccounts })
    return found.kind === 'found' && [found.secret.reveal(), found.secret.source]
  }
  assert.deepEqual(revealed(reference), ['from-file', `file ${file}`])
  writeFileSync(join(directory, 'key'), 'from-credential')
  assert.deepEqual(revealed(reference), ['from-credential', 'credential key'])
  assert.deepEqual(revealed({ env: 'KEY', file: '/nonexistent' }), ['from-env', 'env KEY'])
})

describe('a value is refused that', () => {
  const values: [name: string, value: string, message: string][] = [
    ['is empty', '', 'is empty'],
    ['is white space', ' \t', 'is empty'],
    ['is a newline', '\n', 'is empty'],
    ['has two lines', 'hunter2\nhunter2', 'has more than one line'],
    ['ends in two newlines', 'hunter2\n\n', 'has more than one line'],
    ['has a carriage return', 'hunter2\rx', 'has more than one line'],
    ['has a control character', 'hunter2\u0007', 'has characters other than visible ASCII'],
    ['is not ASCII', 'hunter2é', 'has characters other than visible ASCII'],
    ['begins with a space', ' hunter2', 'begins or ends with a space'],
  ]
  for (const [name, value, message] of values) {
    test(name, () => {
      const found = findSecret(
        { env: 'MY_KEY', optional: true },
        { env: { MY_KEY: value }, accounts: ownAccounts },
      )
      assert.ok(found.kind === 'refused')
      assert.equal(found.message, `the secret from env MY_KEY ${message}`)
      assert.doesNotMatch(found.hint, /hunter2/)
    })
  }
})

test('one newline at the end is taken off', () => {
  for (const value of ['key', 'key\n', 'key\r\n']) {
    const found = findSecret({ env: 'K' }, { env: { K: value }, accounts: ownAccounts })
    assert.equal(found.kind === 'found' && found.secret.reveal(), 'key')
  }
})

test('a key file that others may read is refused, and is not passed over for the variable', (t) => {
  const file = writeScratch(t, 'hunter2', { mode: 0o644 })
  const found = findSecret({ file, env: 'K' }, { env: { K: 'other' }, accounts: shared })
  assert.ok(found.kind === 'refused')
  assert.match(found.message, /is readable by others \(mode 644\)/)
})

test('a credential may be readable, since the service manager decides, but not writable', (t) => {
  const directory = scratchDirectory(t)
  const path = join(directory, 'key')
  writeFileSync(path, 'x')
  chmodSync(path, 0o444)
  const places = { env: { CREDENTIALS_DIRECTORY: directory }, accounts: shared }
  assert.equal(findSecret({ credential: 'key' }, places).kind, 'found')
  chmodSync(path, 0o666)
  assert.equal(findSecret({ credential: 'key' }, places).kind, 'refused')
})

test('a secret that is nowhere is told with all its places', () => {
  const found = findSecret({ credential: 'a', env: 'B' }, { env: {}, accounts: ownAccounts })
  assert.ok(found.kind === 'absent')
  assert.match(found.message, /credential a or env B \(\$CREDENTIALS_DIRECTORY is not set/)
  assert.equal(describeSecret({ env: 'B', credential: 'a', optional: true }), 'credential a or env B')
})

const provider = (key: string) =>
  `providers:\n  p: { base_url: "https://a.example/v1", ${key} }\nmodels: { m: { provider: p } }\n`

test('an absent secret keeps the gateway from starting, an optional one does not', (t) => {
  const refused = loadText(t, provider('api_key: { env: NOPE }'))
  assert.equal(!refused.ok && refused.problems[0]?.path, 'providers.p.api_key')
  const loaded = loadText(t, provider('api_key: { env: NOPE, optional: true }'))
  assert.ok(loaded.ok)
  const made = loaded.config.providers.get('p')
  assert.equal(made?.kind === 'openai' && made.apiKey, undefined)
})

test('a header may hold a secret', (t) => {
  const loaded = loadText(t, provider('headers: { X-Token: { env: TOKEN }, X-Plain: a }'), {
    env: { TOKEN: 'hunter2' },
  })
  assert.ok(loaded.ok)
  const made = loaded.config.providers.get('p')
  assert.ok(made?.kind === 'openai')
  const headers = made.headers.map(([name, value]) => [
    name,
    typeof value === 'string' ? value : value.reveal(),
  ])
  assert.deepEqual(headers, [
    ['x-token', 'hunter2'],
    ['x-plain', 'a'],
  ])
  assert.doesNotMatch(inspect(loaded, { depth: 20 }), /hunter2/)
})

describe('a reference is refused that', () => {
  const references: [name: string, key: string, message: RegExp][] = [
    ['names nothing', 'api_key: {}', /no source of the secret/],
    ['leaves the directory of credentials', 'api_key: { credential: ../x }', /name of a credential/],
    ['is a relative path', 'api_key: { file: key }', /absolute path/],
    ['is the key itself', 'api_key: sk-hunter2', /a secret must not be/],
    ['is the key by way of a variable', 'api_key: "${KEY}"', /a secret must not be/],
  ]
  for (const [name, key, message] of references) {
    test(name, (t) => {
      const loaded = loadText(t, provider(key), { env: { KEY: 'sk-hunter2' } })
      assert.ok(!loaded.ok)
      assert.equal(loaded.problems.length, 1)
      assert.match(loaded.problems[0]!.message, message)
      assert.doesNotMatch(JSON.stringify(loaded), /hunter2/)
    })
  }
})
