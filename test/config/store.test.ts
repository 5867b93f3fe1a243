// The store that several gateways share: what its URL means, and what is refused without a word of what is secret.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { openConfig, secretReferences } from '../../src/config/load.ts'
import { readPartialConfig } from '../../src/config/partial-config.ts'
import { readStoreUrl } from '../../src/config/store-url.ts'
import { settingsToRestartFor } from '../../src/app/restart-settings.ts'
import { loadText, ownAccounts, problemsOf, scratchDirectory, writeScratch } from '../support/config-file.ts'

const password = 'hunter2-Passw0rd'

/** What a URL means, in one line. */
function meaningOf(url: string): string {
  const found = readStoreUrl(url, 'env URL')
  if (found.kind === 'refused') return found.message
  const { topology, addresses, isEncrypted, login, database } = found.endpoint
  const places = addresses.map((each) => ('path' in each ? each.path : `${each.host} ${each.port}`))
  return [
    topology.kind,
    ...(topology.kind === 'sentinel'
      ? [topology.master, ...(topology.isSameLogin ? ['same login'] : [])]
      : []),
    places.join(', '),
    isEncrypted ? 'tls' : 'plain',
    ...(login === undefined ? [] : [`${login.user ?? 'default user'} with ${login.password.reveal()}`]),
    database,
  ].join(' | ')
}

suite('the URL of a store', () => {
  const meanings: readonly (readonly [url: string, meaning: string])[] = [
    ['redis://127.0.0.1', 'single | 127.0.0.1 6379 | plain | 0'],
    ['valkey://localhost:7000/3', 'single | localhost 7000 | plain | 3'],
    ['redis://[::1]:7000/', 'single | ::1 7000 | plain | 0'],
    ['redis://127.8.9.10:6379', 'single | 127.8.9.10 6379 | plain | 0'],
    ['unix:///run/valkey/v.sock', 'single | /run/valkey/v.sock | plain | 0'],
    ['unix://:pw@/run/v.sock?db=2', 'single | /run/v.sock | plain | default user with pw | 2'],
    [
      'rediss://ann:p%40ss%2F%3A%23@Db.Example.org:6380/1',
      'single | db.example.org 6380 | tls | ann with p@ss/:# | 1',
    ],
    ['valkeys://:pw@10.0.0.5', 'single | 10.0.0.5 6379 | tls | default user with pw | 0'],
    [
      'rediss+sentinel://ann:pw@a.example:26379,b.example/main/2?sentinel_auth=same',
      'sentinel | main | same login | a.example 26379, b.example 26379 | tls | ann with pw | 2',
    ],
    ['redis+sentinel://127.0.0.1:5000/main', 'sentinel | main | 127.0.0.1 5000 | plain | 0'],
    ['valkeys+cluster://a.example,[fd00::1]:7000/0', 'cluster | a.example 6379, fd00::1 7000 | tls | 0'],
  ]
  for (const [url, meaning] of meanings) test(url, () => assert.equal(meaningOf(url), meaning))

  const refusals: readonly (readonly [what: string, url: string, said: RegExp])[] = [
    ['no scheme', `10.0.0.5:6379`, /has no scheme/],
    ['the scheme of the web', `https://ann:${password}@db.example`, /has the scheme https:/],
    [
      'plain to another machine',
      `redis://ann:${password}@db.example`,
      /redis:\/\/ to db\.example: .* unencrypted/,
    ],
    ['plain to a private address', `valkey://10.0.0.5`, /valkey:\/\/ to 10\.0\.0\.5: .* unencrypted/],
    ['plain to all addresses', `redis://0.0.0.0`, /unencrypted/],
    ['a name that begins like an address', `redis://127.0.0.1.example.org`, /unencrypted/],
    ['one remote Sentinel', `redis+sentinel://127.0.0.1,db.example/m`, /to db\.example: .* unencrypted/],
    ['plain to a cluster', `redis+cluster://db.example`, /unencrypted/],
    ['a # in the password', `rediss://ann:${password}#x@db.example`, /has one of the characters/],
    ['a / in the password', `rediss://ann:${password}/x@db.example`, /has one of the characters/],
    ['an @ in the password', `rediss://ann:${password}@x@db.example`, /has one of the characters/],
    ['a : in the password', `rediss://ann:${password}:x@db.example`, /two colons/],
    ['a % in the password', `rediss://ann:${password}%x@db.example`, /a % in its user or password/],
    ['a password as the user', `rediss://${password}@db.example`, /a user without a password/],
    ['a password behind the ?', `rediss://db.example?password=${password}`, /a parameter that is not known/],
    ['a port out of range', `rediss://ann:${password}@db.example:70000`, /has a host or port/],
    ['no host', `rediss://ann:${password}@/0`, /has a host or port/],
    ['several hosts', `rediss://a.example,b.example`, /has several hosts/],
    ['a text for a database', `rediss://ann:${password}@db.example/main`, /no number of a database/],
    ['no master', `rediss+sentinel://ann:${password}@db.example`, /names no master/],
    ['a database of a cluster', `rediss+cluster://db.example/1`, /clusters have only the database 0/],
    ['a relative path', `unix://run/v.sock`, /no absolute path/],
    ['a socket in a cluster', `unix+cluster:///run/v.sock`, /has the scheme unix\+cluster/],
  ]
  for (const [what, url, said] of refusals) {
    test(`is refused with ${what}, and not repeated`, () => {
      const found = readStoreUrl(url, 'env URL')
      assert.ok(found.kind === 'refused', meaningOf(url))
      assert.match(found.message, said)
      assert.notEqual(found.hint, '')
      for (const text of [found.message, found.hint]) assert.ok(!text.includes(password.slice(0, 6)), text)
    })
  }

  test('keeps its password out of what is printed of it', () => {
    const found = readStoreUrl(`rediss://ann:${password}@db.example`, 'env URL')
    assert.equal(JSON.stringify(found).includes(password), false)
  })
})

const good = `providers:
  echo: { kind: echo }
models:
  m: { provider: echo }
`

function store(text: string): string {
  return `${good}rate_limit_settings: { store: ${text} }\n`
}

const url = { env: { VALKEY_URL: `rediss://ann:${password}@db.example` } }

suite('rate_limit_settings.store', () => {
  test('is the memory of the gateway, unless it says otherwise', (t) => {
    for (const text of [good, store('{ kind: memory }')]) {
      const loaded = loadText(t, text)
      assert.ok(loaded.ok)
      assert.deepEqual(loaded.config.store, { kind: 'memory' })
    }
  })

  test('is a server, with its defaults', (t) => {
    const loaded = loadText(t, store('{ kind: valkey, url: { env: VALKEY_URL }, members: 3 }'), url)
    assert.ok(loaded.ok, JSON.stringify(loaded))
    const { url: found, ...others } = loaded.config.store as Extract<
      typeof loaded.config.store,
      { kind: 'valkey' }
    >
    assert.equal(found?.reveal(), url.env.VALKEY_URL)
    assert.deepEqual(others, {
      kind: 'valkey',
      prefix: 'llm-gateway',
      whenUnavailable: 'share',
      members: 3,
      ca: undefined,
      keysSignedBy: [],
      signsKeys: false,
      signKeysWith: undefined,
    })
    assert.deepEqual(
      [...secretReferences(loaded.raw)].map(([path]) => path.join('.')),
      ['rate_limit_settings.store.url'],
    )
  })

  const faults: readonly (readonly [what: string, text: string, problems: readonly RegExp[]])[] = [
    ['an unknown kind', '{ kind: redis }', [/^5:39 rate_limit_settings\.store\.kind: .*memory.*valkey/]],
    ['no kind', '{ members: 3 }', [/^5:24 rate_limit_settings\.store: .*"kind"/]],
    ['a key of the other kind', '{ kind: memory, members: 3 }', [/store\.members: belongs to kind: valkey/]],
    ['no url and no members', '{ kind: valkey }', [/store: has no url/, /store: has no members/]],
    ['no members', '{ kind: valkey, url: { env: VALKEY_URL } }', [/store: has no members/]],
    [
      'an optional url',
      '{ kind: valkey, url: { env: VALKEY_URL, optional: true }, members: 3 }',
      [/url\.optional: must not be optional/],
    ],
    ['too many members', '{ kind: valkey, url: { env: VALKEY_URL }, members: 65 }', [/store\.members: .*64/]],
    [
      'a prefix with braces',
      '{ kind: valkey, url: { env: VALKEY_URL }, members: 3, prefix: "{x}" }',
      [/store\.prefix: must be made of letters/],
    ],
    [
      'a file of certificates that is not there',
      '{ kind: valkey, url: { env: VALKEY_URL }, members: 3, ca_file: /nowhere/ca.pem }',
      [/store\.ca_file: there is no file \/nowhere\/ca\.pem/],
    ],
    [
      'a key that signs nothing',
      '{ kind: valkey, url: { env: VALKEY_URL }, members: 3, keys_signed_by: [aGVsbG8=] }',
      [/keys_signed_by\[0\]: is not an Ed25519 public key/],
    ],
    [
      'a secret that is not there',
      '{ kind: valkey, url: { env: OTHER_URL }, members: 3 }',
      [/store\.url: secret not found/],
    ],
  ]
  for (const [what, text, problems] of faults) {
    test(`is refused with ${what}`, (t) => {
      const found = problemsOf(t, store(text), url)
      assert.equal(found.length, problems.length, found.join('\n'))
      for (const [index, problem] of problems.entries()) assert.match(found[index]!, problem)
    })
  }

  test('is refused with a URL that is pasted in place of its name, which is shown nowhere', (t) => {
    const loaded = loadText(t, store(`{ kind: valkey, url: "${url.env.VALKEY_URL}", members: 3 }`))
    assert.ok(!loaded.ok)
    assert.equal(JSON.stringify(loaded).includes(password), false)
    assert.match(loaded.problems[0]!.path, /store\.url/)
  })

  test('is refused with a wrong URL, whose password is shown nowhere', (t) => {
    const env = { VALKEY_URL: `redis://ann:${password}@db.example` }
    const loaded = loadText(t, store('{ kind: valkey, url: { env: VALKEY_URL }, members: 3 }'), { env })
    assert.ok(!loaded.ok)
    const [problem] = loaded.problems
    assert.equal(
      problem!.message,
      'the URL from env VALKEY_URL is redis:// to db.example: commands and the password would go there unencrypted',
    )
    assert.equal(problem!.hint, 'store it with rediss://, or use a server on this machine')
    assert.equal(JSON.stringify(loaded).includes(password), false)
  })

  test('takes signing keys in PEM and in base64, and reads private ones for commands alone', async (t) => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const spki = publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
    const pem = publicKey.export({ format: 'pem', type: 'spki' })
    const key = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')
    const file = writeScratch(t, key, { name: 'signing-key' })
    const keys = JSON.stringify([spki, pem])
    const text = store(
      `{ kind: valkey, url: { env: VALKEY_URL }, members: 3, keys_signed_by: ${keys}, sign_keys_with: { file: ${file} } }`,
    )
    const config = writeScratch(t, text)
    const gateway = await openConfig(config, { env: url.env, accounts: ownAccounts })
    assert.ok(gateway.ok && gateway.config.store.kind === 'valkey')
    assert.equal(gateway.config.store.signsKeys, true)
    assert.equal(gateway.config.store.signKeysWith, undefined)
    const options = { env: url.env, accounts: ownAccounts, withSigningKey: true }
    const loaded = await openConfig(config, options)
    assert.ok(loaded.ok, JSON.stringify(loaded))
    assert.ok(loaded.config.store.kind === 'valkey')
    assert.deepEqual(loaded.config.store.keysSignedBy, [spki, spki])
    assert.equal(loaded.config.store.signKeysWith?.reveal(), key)

    writeFileSync(file, spki)
    const wrong = await openConfig(config, options)
    assert.ok(!wrong.ok)
    assert.match(wrong.problems[0]!.message, /^the secret from file .* is not an Ed25519 private key$/)
  })

  test('refuses a file without certificates, and finds one at home', (t) => {
    const home = scratchDirectory(t)
    writeFileSync(join(home, 'ca.pem'), 'nothing')
    chmodSync(join(home, 'ca.pem'), 0o600)
    const text = store('{ kind: valkey, url: { env: VALKEY_URL }, members: 3, ca_file: ~/ca.pem }')
    assert.deepEqual(problemsOf(t, text, { env: { ...url.env, HOME: home } }), [
      `5:94 rate_limit_settings.store.ca_file: ${home}/ca.pem holds no certificates`,
    ])
  })

  test('stands in the example', (t) => {
    const text = readFileSync(join(import.meta.dirname, '../../config/examples/several-machines.yaml'))
    const loaded = loadText(t, text, { mayLackSecrets: true })
    assert.ok(loaded.ok, JSON.stringify(loaded))
    assert.ok(loaded.config.store.kind === 'valkey')
    assert.deepEqual(loaded.warnings, [])
  })

  test('names its credentials to the set-up of a service', (t) => {
    const file = writeScratch(
      t,
      store(
        '{ kind: valkey, url: { credential: valkey_url }, members: 3, sign_keys_with: { credential: signer } }',
      ),
    )
    const read = readPartialConfig(file, {}, ownAccounts)
    assert.ok(read.kind === 'read')
    assert.deepEqual(read.config.otherCredentials, ['valkey_url'])
  })

  test('needs a restart when it changes, its secret included', (t) => {
    const text = store('{ kind: valkey, url: { env: VALKEY_URL }, members: 3 }')
    const configs = [url.env.VALKEY_URL, url.env.VALKEY_URL, 'rediss://other.example'].map((each) => {
      const loaded = loadText(t, text, { env: { VALKEY_URL: each } })
      assert.ok(loaded.ok)
      return loaded.config
    })
    assert.deepEqual(settingsToRestartFor(configs[0]!, configs[1]!), [])
    assert.deepEqual(settingsToRestartFor(configs[0]!, configs[2]!), ['rate_limit_settings.store'])
  })
})
