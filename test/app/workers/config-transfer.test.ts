// A configuration that went to another thread is the same there, with its keys, which nothing on the way shows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'

import { loadConfig } from '../../../src/config/load.ts'
import { serializeConfig, deserializeConfig } from '../../../src/app/workers/config-transfer.ts'
import type { Config } from '../../../src/config/types.ts'
import type { HttpProvider } from '../../../src/config/provider-types.ts'
import { writeScratch } from '../../support/config-file.ts'

const yaml = `
providers:
  cloud: { base_url: "https://api.example/v1", api_key: { env: CLOUD_KEY }, headers: { x-org: { env: ORG_KEY }, x-plain: a } }
  own: { base_url: "http://127.0.0.1:8081/v1", service: { run: [/usr/bin/server, --port, "8081"], environment: { A: b } } }
  echo: { kind: echo }
services: { groups: { gpu0: { members: [own] } } }
models: { m: { provider: cloud, aliases: [n] }, heldSecret: { provider: echo } }
rate_limit_settings: { limits: { m: { rpm: 5 } } }
`

function configOf(t: Parameters<typeof writeScratch>[0], more = ''): Config {
  const env = { CLOUD_KEY: 'sk-cloud-91', ORG_KEY: 'org-key-17' }
  const loaded = loadConfig(writeScratch(t, yaml + more), { env, hasServiceManager: true })
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join())
  return loaded.config
}

test('what comes out on the other side is what went in, keys included', (t) => {
  const config = configOf(t)

  const other = deserializeConfig(structuredClone(serializeConfig(config)))

  assert.deepEqual(other, config)
  const { apiKey, headers } = other.providers.get('cloud') as HttpProvider
  assert.equal(apiKey?.reveal(), 'sk-cloud-91')
  assert.deepEqual(
    headers.map(([name, value]) => [name, typeof value === 'string' ? value : value.reveal()]),
    [
      ['x-org', 'org-key-17'],
      ['x-plain', 'a'],
    ],
  )
})

test('on the other side the keys are hidden again', (t) => {
  const other = deserializeConfig(structuredClone(serializeConfig(configOf(t))))

  const shown =
    inspect(other, { depth: 20, showHidden: true }) + JSON.stringify([...other.providers.values()])
  assert.doesNotMatch(shown, /sk-cloud-91|org-key-17/)
})

test('keys that are free are taken for nothing else, whatever their names', (t) => {
  const options = { heldSecret: 'a', source: 'b', revealed: 'c', inner: [{ heldSecret: {}, source: 'd' }] }
  const transport = JSON.stringify({ target: 'pino/file', options })

  const other = deserializeConfig(
    structuredClone(serializeConfig(configOf(t, `logging: { transport: ${transport} }`))),
  )

  assert.deepEqual(other.logging.transport?.options, options)
})
