// What decides about a configuration is generated apart from what reports on one: both must judge alike, key by key.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isValid } from '../../src/config/schema/is-valid.js'
import { configSchema } from '../../src/config/schema/schema.ts'
import type { Schema } from '../../src/config/schema/schema-type.ts'
import { validate } from '../../src/config/schema/validator.js'

type Wrap = (value: unknown) => unknown

/** Every schema within one, and how a value for it is wrapped into a configuration that has little else. */
function* places(schema: Schema, wrap: Wrap, path = ''): Generator<[string, Schema, Wrap]> {
  yield [path, schema, wrap]
  const members = Object.entries({ ...schema.properties, ...schema.patternProperties })
  if (typeof schema.additionalProperties === 'object') members.push(['any', schema.additionalProperties])
  for (const [key, inner] of members) {
    if (inner === false) continue
    const name = key in (schema.properties ?? {}) ? key : 'any'
    yield* places(inner, (value) => wrap({ ...required(schema), [name]: value }), `${path}.${key}`)
  }
  if (schema.items !== undefined) yield* places(schema.items, (value) => wrap([value]), `${path}[]`)
  for (const rule of ['if', 'then', 'else', 'not'] as const) {
    if (schema[rule] !== undefined) yield* places(schema[rule], wrap, `${path}/${rule}`)
  }
  for (const rule of schema.allOf ?? []) yield* places(rule, wrap, `${path}/allOf`)
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
  'x'.repeat(5_000),
  [],
  ['any'],
  ['any', null],
  {},
  { any: 'any' },
  { any: {} },
  { env: 'ANY' },
  { file: '/any' },
  { unknown: 1 },
]

test('what decides and what reports judge alike, whatever a key has for a value', () => {
  const seen = { valid: 0, invalid: 0 }
  for (const [path, schema, wrap] of places(configSchema, (value) => value)) {
    for (const value of [...values, sample(schema), ...(schema.enum ?? [])]) {
      const config = wrap(value)
      const verdict = validate(config)
      assert.equal(isValid(config), verdict, `${path}: ${JSON.stringify(value)?.slice(0, 80)}`)
      seen[verdict ? 'valid' : 'invalid'] += 1
    }
  }
  assert.ok(seen.valid > 500 && seen.invalid > 5_000, JSON.stringify(seen))
})
