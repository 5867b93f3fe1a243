// Keys of variables, files and the vault, which become credentials on the box.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { readBoxConfig } from '../../../src/cli/deploy/box-config.ts'
import { carriableKeys, withCredentials } from '../../../src/cli/deploy/carried-keys.ts'
import { chooseConfig } from '../../../src/cli/deploy/choose-config.ts'
import { planKeys } from '../../../src/cli/deploy/keys.ts'
import { servicePaths } from '../../../src/systemd/scope.ts'
import { scratchDirectory } from '../../support/config-file.ts'

function namesIn(text: string): Record<string, string> {
  return Object.fromEntries(
    carriableKeys(readBoxConfig(text)!).map(({ key, credential }) => [key.place, credential]),
  )
}

test('each source has a name of its own, and none that another key has', () => {
  const at = (name: string, reference: string) =>
    `  ${name}: { base_url: "http://127.0.0.1:1/v1", api_key: ${reference} }\n`
  const text = `providers:
${at('variable', '{ env: A_KEY }')}${at('again', '{ env: A_KEY, optional: true }')}${at('file', '{ file: /etc/keys/b.key }')}${at('home', '{ file: ~/keys/b.key }')}${at('vault', '{ secret: c-key }')}${at('one', '{ env: D_KEY }')}${at('other', '{ secret: d_key }')}${at('named', '{ credential: e_key }')}${at('taken', '{ env: E_KEY }')}${at('identity', '{ env: OWN_IDENTITY }')}${at('provider', '{ env: VARIABLE }')}secrets: { identity: { credential: own_identity } }
models: {}
`
  assert.deepEqual(namesIn(text), {
    'providers.variable.api_key': 'a_key',
    'providers.again.api_key': 'a_key',
    'providers.file.api_key': 'etc_keys_b_key',
    'providers.home.api_key': 'keys_b_key',
    'providers.vault.api_key': 'c-key',
  })
})

const layouts: readonly (readonly [name: string, before: string, after: string])[] = [
  [
    'in one line',
    '    api_key: { env: A_KEY } # mine\n',
    '    api_key: { credential: "a_key", env: A_KEY } # mine\n',
  ],
  ['in JSON', '    api_key: {"env":"A_KEY"}\n', '    api_key: { credential: "a_key", "env":"A_KEY"}\n'],
  [
    'in lines of its own',
    '    api_key:\n      # mine\n      env: A_KEY\n      optional: true\n',
    '    api_key:\n      # mine\n      credential: "a_key"\n      env: A_KEY\n      optional: true\n',
  ],
  [
    'in a header',
    '    headers: { x-key: { env: A_KEY } }\n',
    '    headers: { x-key: { credential: "a_key", env: A_KEY } }\n',
  ],
  [
    'behind an alias',
    '    api_key: &k { env: A_KEY }\n    headers: { x-key: *k }\n',
    '    api_key: &k { credential: "a_key", env: A_KEY }\n    headers: { x-key: *k }\n',
  ],
]
for (const [name, before, after] of layouts) {
  test(`a reference ${name} gets its credential, and all else stays`, () => {
    const around = (reference: string) =>
      `# ours\nproviders:\n  a:\n    base_url: http://127.0.0.1:1/v1\n${reference}models: {}\n`
    const config = readBoxConfig(around(before))!
    const { text, carried } = withCredentials(around(before), config, carriableKeys(config))
    assert.equal(text, around(after))
    assert.ok(carried.length > 0)
    assert.deepEqual(namesIn(text), {}, 'it needs nothing more')
  })
}

const mine = `providers:
  here: { base_url: "http://127.0.0.1:1/v1", api_key: { env: HERE_KEY } }
  away: { base_url: "http://127.0.0.1:2/v1", api_key: { env: AWAY_KEY } }
models: {}
`
const carrying = mine.replace('{ env: HERE', '{ credential: "here_key", env: HERE')

test('keys that are here become credentials there; later deploys without them change nothing', async (t) => {
  const home = scratchDirectory(t)
  const file = join(home, 'gateway.yaml')
  writeFileSync(file, mine)
  const choose = async (there: string | undefined, more: NodeJS.ProcessEnv) => {
    const choice = await chooseConfig(there, file, { HOME: home, ...more })
    assert.ok(choice.kind === 'chosen')
    return choice
  }
  const first = await choose(undefined, { HERE_KEY: 'sk-here' })
  assert.deepEqual([first.chosen.kind, first.chosen.text], ['sent', carrying])
  assert.deepEqual([...first.notHere.keys()], ['providers.away.api_key'])
  assert.match(first.notHere.get('providers.away.api_key') ?? '', /looked for env AWAY_KEY/)

  const again = await choose(carrying, {})
  assert.deepEqual(again.chosen, { kind: 'kept', text: carrying })
  const without = await choose(undefined, {})
  assert.equal(without.chosen.text, mine)
})

test('what is carried is what this machine finds by its own configuration, and never a credential of that name', async (t) => {
  const home = scratchDirectory(t)
  const file = join(home, 'gateway.yaml')
  writeFileSync(file, mine)
  const paths = servicePaths('user', { HOME: home })
  const env = { HOME: home, HERE_KEY: 'sk-here', THERE_KEY: 'sk-there' }
  const plansFor = async (there: string) => {
    const choice = await chooseConfig(there, file, env)
    assert.ok(choice.kind === 'chosen')
    const read: string[] = []
    const plans = await planKeys(readBoxConfig(there)!, new Set(), false, {
      env,
      paths,
      configFile: file,
      own: choice.own,
      carried: choice.carried,
      run: (program, args) => {
        read.push([program, ...args].join(' '))
        return { status: 1, stdout: '', stderr: '' }
      },
    })
    assert.deepEqual(read, [])
    return plans.map((plan) =>
      plan.kind === 'send'
        ? `${plan.key.name}: ${plan.source}: ${plan.reveal()}`
        : `${plan.key.name}: ${plan.kind}`,
    )
  }
  const provider = (name: string, reference: string) =>
    `  ${name}: { base_url: "http://127.0.0.1:1/v1", api_key: ${reference} }\n`
  const boxes = `providers:\n${provider('here', '{ credential: here_key, env: HERE_KEY }')}${provider('away', '{ credential: away_key, env: AWAY_KEY }')}${provider('other', '{ credential: there_key, env: THERE_KEY }')}${provider('swapped', '{ credential: there_key2, env: HERE_KEY }')}${provider('plain', '{ env: HERE_KEY }')}models: {}\n`
  assert.deepEqual(
    await plansFor(boxes),
    ['here: env HERE_KEY: sk-here', 'away: absent', 'other: foreign', 'swapped: foreign', ': elsewhere'].map(
      (line) => line.replace(/^: /, 'plain: '),
    ),
  )
})
