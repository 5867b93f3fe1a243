// What decides about a configuration is generated apart from what reports on one: both must judge alike, key by key.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isValid } from '../../src/config/schema/is-valid.js'
import { configSchema } from '../../src/config/schema/schema.ts'
import type { Schema } from '../../src/config/schema/schema-type.ts'
import { validate } from '../../src/config/schema/validator.js'

type Wrap = (value: unknown) => unknown

const url = 'http://127.0.0.1:1/v1'
const secret = { env: 'ANY' }

/** What a mapping has besides the key that is tried, where its schema demands more than `required` says: each is tried. */
const entries: Readonly<Record<string, readonly object[]>> = {
  '.providers.any': [{ base_url: url }, { kind: 'anthropic' }, { kind: 'echo' }],
  '.providers.any.service': [{ unit: 'any.service' }, { run: ['/any'] }],
  '.models.any': [{ provider: 'any' }, { targets: [{ provider: 'any' }] }, {}],
  '.models.any.when[]': [{ use: 'any', images: true }],
  '.models.any.targets[]': [{ provider: 'any' }],
  '.identity.sources[]': [
    { kind: 'tailscale' },
    { kind: 'cloudflare_access', team: 'any', audience: 'any' },
    {
      kind: 'jwt',
      issuer: 'any',
      audience: 'any',
      jwks_url: 'any',
      header: 'x-any',
      algorithms: ['ES256'],
    },
    { kind: 'header', header: 'x-any' },
  ],
  '.notify.heartbeat': [{ url: secret }],
  '.notify.sinks.any': [
    { kind: 'ntfy', url },
    { kind: 'slack', url: secret },
    { kind: 'pagerduty', routing_key: secret },
  ],
  '.rate_limit_settings.store': [{ kind: 'memory' }, { kind: 'valkey', url: secret }],
}

/** Names of the members of open mappings. */
const names: Readonly<Record<string, string>> = { '.clients': 'user:any' }

/** Every schema within one, and how a value for it is wrapped into a configuration that has little else. */
function* places(schema: Schema, wrap: Wrap, path = ''): Generator<[string, Schema, Wrap]> {
  yield [path, schema, wrap]
  const members = Object.entries({ ...schema.properties, ...schema.patternProperties })
  if (typeof schema.additionalProperties === 'object') members.push(['*', schema.additionalProperties])
  for (const [key, inner] of members) {
    if (inner === false) continue
    const name = key in (schema.properties ?? {}) ? key : (names[path] ?? 'any')
    const needsReference = key === 'optional' && schema.properties?.['env'] !== undefined
    for (const entry of needsReference ? [secret] : (entries[path] ?? [required(schema)])) {
      yield* places(
        inner,
        (value) => wrap({ ...entry, [name]: value }),
        `${path}.${key === '*' ? 'any' : key}`,
      )
    }
  }
  if (schema.items !== undefined) yield* places(schema.items, (value) => wrap([value]), `${path}[]`)
}

/** The keys that an object must have. */
function required(schema: Schema): object {
  const keys = schema.required ?? []
  return Object.fromEntries(keys.map((key) => [key, sample(schema.properties?.[key] || {})]))
}

function sample(schema: Schema): unknown {
  if (schema === configSchema.properties.providers) return { any: { base_url: 'http://127.0.0.1:1/v1' } }
  if (schema === configSchema.properties.models) return { any: { provider: 'any' } }
  const known = schema.default ?? schema.const ?? schema.enum?.[0]
  if (known !== undefined) return known
  const [type] = [schema.type ?? 'string'].flat()
  if (type === 'object') return required(schema)
  if (type === 'array') return schema.items === undefined ? [] : [sample(schema.items)]
  if (type === 'boolean') return true
  return type === 'string' ? 'any' : (schema.minimum ?? 1)
}

const values = [
  null,
  true,
  -1,
  0,
  1,
  1.5,
  1e13,
  '',
  'any',
  'Any thing!',
  '/any',
  'http://127.0.0.1:1/v1',
  '2026-01-01',
  'any.service',
  '1G',
  'bearer',
  60_000,
  'x'.repeat(9_000),
  { ['x'.repeat(9_000)]: 'any' },
  [],
  ['any'],
  ['any', null],
  {},
  { any: 'any' },
  { any: {} },
  { env: 'ANY' },
  { file: '/any' },
  { unknown: 1 },
  { header: 'x-any' },
  { input: 1 },
]

test('what decides and what reports judge alike, whatever a key has for a value', () => {
  const seen = new Map<string, Set<boolean>>()
  for (const [path, schema, wrap] of places(configSchema, (value) => value)) {
    const verdicts = seen.get(path) ?? new Set()
    seen.set(path, verdicts)
    for (const value of [...values, sample(schema), ...(schema.enum ?? []), ...(entries[path] ?? [])]) {
      const config = wrap(value)
      const verdict = validate(config)
      assert.equal(isValid(config), verdict, `${path}: ${JSON.stringify(value)?.slice(0, 80)}`)
      verdicts.add(verdict)
    }
  }
  const judgedOneWay = [...seen].filter(([, verdicts]) => verdicts.size < 2).map(([path]) => path)
  assert.deepEqual(judgedOneWay, [])
})
