// Configurations of earlier releases become current ones, and keep their comments.
import assert from 'node:assert/strict'
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { migrateConfig } from '../../src/config/migrations.ts'
import { checkConfigText } from '../../src/config/load.ts'
import { packagedConfigFile } from '../../src/config/find.ts'
import { ownAccounts, scratchDirectory } from '../support/config-file.ts'
import { runCommand } from '../support/run-command.ts'

const head = 'providers: { echo: { kind: echo } }\nmodels: { echo: { provider: echo } }\n'

const rows: readonly (readonly [name: string, before: string, after: string])[] = [
  [
    'a list of proxies in one line',
    'server: { trusted_proxies: [127.0.0.1, "::1", 10.0.0.0/8] } # the proxy\n',
    'server: { trusted_proxies: [{ user: "www-data" }, "10.0.0.0/8"] } # the proxy\n',
  ],
  [
    'a list of proxies whose first is this machine',
    `server:
  # in front of us
  trusted_proxies:
    - 127.0.0.1 # nginx
    - 10.0.0.0/8 # the balancer
    - ::1
  port: 4000 # as ever
`,
    `server:
  # in front of us
  trusted_proxies:
    - { user: "www-data" } # nginx
    - 10.0.0.0/8 # the balancer
  port: 4000 # as ever
`,
  ],
  [
    'a list of proxies at the column of its key',
    'server:\n  trusted_proxies:\n  - 10.0.0.0/8\n  - 127.0.0.0/8\n',
    'server:\n  trusted_proxies:\n  - { user: "www-data" }\n  - 10.0.0.0/8\n',
  ],
  [
    'a key that is a variable',
    'more:\nproviders:\n  openai:\n    api_key: ${OPENAI_API_KEY}   # mine\n  other: { api_key: "${OTHER}" }\n',
    'more:\nproviders:\n  openai:\n    api_key: { env: OPENAI_API_KEY }   # mine\n  other: { api_key: { env: OTHER } }\n',
  ],
  [
    'what is current already',
    'server: { trusted_proxies: [{ user: caddy }, 10.0.0.0/8] }\nproviders: { a: { api_key: { env: A } } }\n',
    'server: { trusted_proxies: [{ user: caddy }, 10.0.0.0/8] }\nproviders: { a: { api_key: { env: A } } }\n',
  ],
]

suite('steps', () => {
  for (const [name, before, after] of rows) {
    test(name, () => {
      const outcome = migrateConfig(before, { proxyUser: 'www-data' })
      assert.ok(outcome.kind === 'migrated')
      assert.equal(outcome.text, after)
      const again = migrateConfig(after, { proxyUser: 'www-data' })
      assert.ok(again.kind === 'migrated')
      assert.deepEqual([again.text, again.changed, again.open], [after, [], []])
    })
  }

  test('the result has the problems no more for which the gateway refused the file', () => {
    for (const [, before] of rows.slice(0, 3)) {
      const check = (text: string) =>
        checkConfigText('f', head + text, { env: {}, accounts: ownAccounts, withoutSecrets: true })
      assert.ok(!check(before).ok, before)
      const outcome = migrateConfig(before, { proxyUser: 'root' })
      assert.ok(outcome.kind === 'migrated' && check(outcome.text).ok, before)
    }
  })

  test('the packaged configuration is current', () => {
    const text = readFileSync(packagedConfigFile(), 'utf8')
    const outcome = migrateConfig(text)
    assert.ok(outcome.kind === 'migrated')
    assert.deepEqual([outcome.text === text, outcome.changed, outcome.open], [true, [], []])
  })
})

function scene(t: TestContext, text: string, env: NodeJS.ProcessEnv = {}) {
  const folder = scratchDirectory(t)
  const file = join(folder, 'llm-gateway.yaml')
  writeFileSync(file, text)
  chmodSync(file, 0o600)
  return {
    read: () => readFileSync(file, 'utf8'),
    copies: () => readdirSync(folder).filter((name) => name.includes('.before-')),
    copy: (name: string) => readFileSync(join(folder, name), 'utf8'),
    migrate: (...args: readonly string[]) =>
      runCommand(['migrate', '--config', file, ...args], { env: { HOME: folder, ...env } }),
  }
}

const older = `${head}# who is in front\nserver: { trusted_proxies: [127.0.0.1] }\n`

suite('migrate', () => {
  test('shows what changes, and changes nothing', async (t) => {
    const { migrate, read, copies } = scene(t, older)
    const { status, stdout } = await migrate('--proxy-user', 'root')
    assert.equal(status, 1)
    assert.match(
      stdout,
      /^server\.trusted_proxies: .*\n[^]* {2}-server: .*\n {2}\+server: \{ trusted_proxies: \[\{ user: "root" \}\] \}\n[^]*migrate --config \S+llm-gateway\.yaml --proxy-user root --write\n$/,
    )
    assert.deepEqual([read(), copies()], [older, []])
  })

  test('--write keeps the comments, and a copy', async (t) => {
    const { migrate, read, copies, copy } = scene(t, older)
    const { status, stdout, stderr } = await migrate('--proxy-user', 'root', '--write', '--yes')
    assert.deepEqual([status, stderr], [0, ''])
    assert.equal(read(), older.replace('[127.0.0.1]', '[{ user: "root" }]'))
    assert.deepEqual(copies().map(copy), [older])
    assert.match(stdout, /The file as it was: /)
    const again = await migrate('--write', '--yes')
    assert.equal(again.status, 0)
    assert.match(again.stdout, /has the keys of this release; nothing is to be changed/)
    assert.equal(copies().length, 1)
  })

  test('asks for what only the operator knows', async (t) => {
    const { migrate, read } = scene(t, older)
    const { status, stderr } = await migrate('--write', '--yes')
    assert.equal(status, 1)
    assert.match(stderr, /^server\.trusted_proxies: .* Repeat with --proxy-user USER/)
    assert.equal(read(), older)
  })

  test('names the variables whose names are earlier ones, and never a value', async (t) => {
    const env = { LLM_ROUTER_PORT: '4711', LLM_GATEWAY_IP_ALLOWLIST: '10.11.12.13' }
    const { migrate } = scene(t, head, env)
    const { status, stdout } = await migrate()
    assert.equal(status, 0)
    assert.match(stdout, /LLM_ROUTER_PORT works; its name is LLM_GATEWAY_PORT now/)
    assert.match(stdout, /LLM_GATEWAY_IP_ALLOWLIST works; its name is LLM_GATEWAY_ALLOWED_IPS now/)
    assert.doesNotMatch(stdout, /4711|10\.11/)
  })

  test('--json has what changes and what is open', async (t) => {
    const { migrate } = scene(t, older.replace('kind: echo }', 'kind: echo }, a: { api_key: "${A}" }'))
    const { status, stdout } = await migrate('--json')
    assert.equal(status, 1)
    const { changed, open } = JSON.parse(stdout) as Record<string, { path: string }[]>
    assert.deepEqual(
      [changed!.map(({ path }) => path), open!.map(({ path }) => path)],
      [['providers.a.api_key'], ['server.trusted_proxies']],
    )
  })

  test('reports what is no YAML, and a file that is not there', async (t) => {
    const { migrate } = scene(t, 'a: [\n')
    const { status, stderr } = await migrate()
    assert.equal(status, 1)
    assert.match(stderr, /llm-gateway\.yaml:1:4/)
    const missing = await runCommand(['migrate', '--config', '/nowhere/x.yaml'])
    assert.deepEqual([missing.status, missing.stderr], [1, 'error: /nowhere/x.yaml does not exist.\n'])
  })
})

test('a key that stands behind an anchor is changed once', () => {
  const before = [
    'providers:',
    '  a: { base_url: "https://a.example/v1", api_key: &k "${K}" }',
    '  b: { base_url: "https://b.example/v1", api_key: *k }',
    '',
  ].join('\n')
  const outcome = migrateConfig(before)
  assert.ok(outcome.kind === 'migrated', outcome.kind)
  assert.match(outcome.text, /api_key: &k \{ env: K \} \}\n/)
})

test('a list of proxies that has an alias is left for a person', () => {
  const before = 'x-address: &lo 127.0.0.1/32\nserver:\n  trusted_proxies:\n    - *lo\n    - 10.0.0.0/8\n'
  const outcome = migrateConfig(before, { proxyUser: 'www-data' })
  assert.ok(outcome.kind === 'migrated')
  assert.equal(outcome.text, before)
  assert.match(outcome.open[0]?.fix ?? '', /is an alias/)
})
