import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { readBoxConfig } from '../../../src/cli/deploy/box-config.ts'
import { type KeyPlan, missingKeys, planKeys } from '../../../src/cli/deploy/keys.ts'
import { servicePaths } from '../../../src/systemd/scope.ts'
import { scratchDirectory } from '../../support/config-file.ts'

const text = `
providers:
  stored: { base_url: "http://127.0.0.1:1/v1", api_key: { credential: stored_key } }
  variable: { base_url: "http://127.0.0.1:2/v1", api_key: { credential: variable_key, env: VARIABLE } }
  there: { base_url: "http://127.0.0.1:3/v1", api_key: { credential: there_key, env: VARIABLE } }
  nowhere: { base_url: "http://127.0.0.1:4/v1", api_key: { credential: nowhere_key } }
  other: { base_url: "http://127.0.0.1:5/v1", api_key: { env: VARIABLE } }
  identity: { base_url: "http://127.0.0.1:6/v1", api_key: { credential: gateway_identity } }
  header: { base_url: "http://127.0.0.1:7/v1", headers: { x-team: { credential: stored_key } } }
models: {}
`

test('keys that the box lacks and this machine has are sent, and the identity of the vault never is', async (t) => {
  const home = scratchDirectory(t)
  const config = readBoxConfig(text)!
  const paths = servicePaths('user', { HOME: home })
  mkdirSync(paths.credentialsDirectory, { recursive: true, mode: 0o700 })
  for (const name of ['stored_key', 'gateway_identity'])
    writeFileSync(join(paths.credentialsDirectory, name), `sk-${name}\n`, { mode: 0o600 })
  const sources = {
    env: { HOME: home, VARIABLE: 'sk-variable' },
    paths,
    configFile: paths.configFile,
    own: config,
    carried: new Set<string>(),
    run: () => ({ status: 1, stdout: '', stderr: '' }),
  }
  const shown = async (isReplacing: boolean) => {
    const plans = await planKeys(config, new Set(['there_key']), isReplacing, sources)
    return Object.fromEntries(
      plans.map((plan) => [
        plan.key.name,
        plan.kind === 'send' ? `${plan.source}: ${plan.reveal()}` : plan.kind,
      ]),
    )
  }
  const expected = {
    stored: 'credential stored_key: sk-stored_key',
    variable: 'env VARIABLE: sk-variable',
    there: 'kept',
    nowhere: 'absent',
    other: 'elsewhere',
    identity: 'absent',
  }
  assert.deepEqual(await shown(false), expected)
  assert.deepEqual(await shown(true), { ...expected, there: 'env VARIABLE: sk-variable' })
})

test('a configuration of the box chooses no secret of this machine', async (t) => {
  const home = scratchDirectory(t)
  const paths = servicePaths('user', { HOME: home })
  mkdirSync(paths.credentialsDirectory, { recursive: true, mode: 0o700 })
  for (const name of ['own_key', 'own_identity', 'other_key'])
    writeFileSync(join(paths.credentialsDirectory, name), `sk-${name}`, { mode: 0o600 })
  const file = join(home, 'private')
  writeFileSync(file, 'sk-private', { mode: 0o600 })
  const own = readBoxConfig(`
secrets: { identity: { credential: own_identity } }
providers:
  own: { base_url: "http://127.0.0.1:1/v1", api_key: { credential: own_key, env: OWN } }
  identity: { base_url: "http://127.0.0.1:2/v1", api_key: { credential: own_identity } }
models: {}
`)!
  const hostile = readBoxConfig(`
secrets: { identity: { credential: unrelated }, dir: ${home} }
providers:
  own: { base_url: "http://127.0.0.1:1/v1", api_key: { credential: own_key, env: OWN, optional: true } }
  identity: { base_url: "http://127.0.0.1:2/v1", api_key: { credential: own_identity } }
  file: { base_url: "http://127.0.0.1:3/v1", api_key: { credential: any_key, file: ${file} } }
  variable: { base_url: "http://127.0.0.1:4/v1", api_key: { credential: new_key, env: OTHER } }
  secret: { base_url: "http://127.0.0.1:5/v1", api_key: { credential: vault_key, secret: other } }
  credential: { base_url: "http://127.0.0.1:6/v1", api_key: { credential: other_key } }
models: {}
`)!
  const sources = {
    env: { HOME: home, OTHER: 'sk-other' },
    paths,
    configFile: paths.configFile,
    carried: new Set<string>(),
    run: () => ({ status: 1, stdout: '', stderr: '' }),
  }
  const kinds = async (of: typeof own | undefined) => {
    const plans = await planKeys(hostile, new Set(), true, { ...sources, own: of })
    return Object.fromEntries(plans.map(({ key, kind }) => [key.name, kind]))
  }
  const refused = { file: 'foreign', variable: 'foreign', secret: 'foreign', credential: 'foreign' }
  assert.deepEqual(await kinds(own), { ...refused, own: 'send', identity: 'absent' })
  assert.deepEqual(await kinds(undefined), {
    ...refused,
    own: 'foreign',
    identity: 'foreign',
  })
})

test('a key that the box cannot have prevents a start', () => {
  const plan = (kind: 'absent' | 'foreign', place: string, reference: object): KeyPlan => ({
    kind,
    key: { path: [place], place, name: place, reference },
    reason: '',
    configFile: '',
  })
  const plans: KeyPlan[] = [
    plan('absent', 'only', { credential: 'a' }),
    plan('absent', 'both', { credential: 'b', env: 'B' }),
    plan('absent', 'optional', { credential: 'c', optional: true }),
    plan('foreign', 'foreign', { credential: 'd', file: '/d' }),
    { kind: 'kept', key: { path: ['kept'], place: 'kept', name: 'kept', reference: { credential: 'e' } } },
  ]
  const missing = (isFirst: boolean, isConfigKept: boolean) => missingKeys(plans, { isFirst, isConfigKept })
  assert.deepEqual(missing(true, false), ['only', 'both', 'foreign'])
  assert.deepEqual(missing(true, true), ['only', 'both', 'foreign'])
  assert.deepEqual(missing(false, false), ['only'])
  assert.deepEqual(missing(false, true), [])
})

test('a configuration that is not YAML is none', () => {
  assert.equal(readBoxConfig('providers: ['), undefined)
})
