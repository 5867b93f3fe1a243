import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Ajv } from 'ajv'
import fc from 'fast-check'

import { departures, secretPaths } from '../../src/config/validate.ts'
import { configSchema, type Schema } from '../../src/config/schema/schema.ts'

/** Values of the schema's shape, with a fault here and there. */
function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  const choices = [schema.type].flat().map((type): fc.Arbitrary<unknown> => {
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
    if (type === 'integer') return fc.integer({ min: schema.minimum!, max: schema.maximum! })
    if (type === 'array') return fc.array(valuesOf(schema.items!), { minLength: 1, maxLength: 3 })
    if (type === 'boolean') return fc.boolean()
    if (type === 'null') return fc.constant(null)
    return type === 'string' ? textsOf(schema) : mappingsOf(schema)
  })
  const odd = fc.constantFrom<unknown>('', -1, 1.5, 1e15, true, null, [], {}, 'ü', '/a', 'x'.repeat(9000))
  return fc.oneof({ weight: 150, arbitrary: fc.oneof(...choices) }, { weight: 1, arbitrary: odd })
}

function textsOf({ pattern }: Schema): fc.Arbitrary<string> {
  const good = pattern === undefined ? fc.constant('a') : fc.stringMatching(new RegExp(pattern, 'u'))
  // The reader of the file refuses __proto__; as a key it would turn into the prototype here.
  const texts = fc.oneof({ weight: 150, arbitrary: good }, { weight: 1, arbitrary: fc.string() })
  return texts.filter((text) => text !== '__proto__')
}

function mappingsOf(schema: Schema): fc.Arbitrary<unknown> {
  const known = Object.entries(schema.properties ?? {}).map(([key, inner]) => [key, valuesOf(inner)] as const)
  const isRequired = (key: string) => schema.required?.includes(key) === true
  const required = Object.fromEntries(known.filter(([key]) => isRequired(key)))
  const optional = Object.fromEntries(known.filter(([key]) => !isRequired(key)))
  const { additionalProperties: others } = schema
  const named =
    typeof others === 'object'
      ? fc.dictionary(textsOf(schema.propertyNames!), valuesOf(others), {
          minKeys: 1,
          maxKeys: 2,
          noNullPrototype: true,
        })
      : fc.constantFrom({}, {}, {}, {}, {}, {}, {}, {}, {}, { unknown: 1 })
  return fc
    .tuple(named, fc.record(required), fc.record(optional, { requiredKeys: [] }))
    .map((parts) => Object.assign({}, ...parts) as object)
}

test('the verdict is the one of a full JSON Schema validator', () => {
  const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictRequired: true })
  const validate = ajv.compile(configSchema)
  let valid = 0
  fc.assert(
    fc.property(valuesOf(configSchema), (value) => {
      const isValid = validate(value)
      if (isValid) valid += 1
      assert.equal(
        departures(configSchema, value).next().done === true,
        isValid,
        JSON.stringify(validate.errors),
      )
    }),
    { numRuns: 1500 },
  )
  assert.ok(valid > 50, `only ${valid} valid values: the comparison sees one side only`)
})

test('a literal where a secret belongs is told without its value', () => {
  const value = {
    providers: { a: { api_key: 'hunter2', headers: { 'x-token': { env: 'hunter-2', value: 'hunter2' } } } },
    models: { m: {} },
  }
  const findings = [...departures(configSchema, value)]
  assert.equal(findings.length, 3)
  assert.doesNotMatch(JSON.stringify(findings.map(({ message, hint }) => [message, hint])), /hunter/)
})

test('secrets may be in literals, values of unknown keys, and faulty references, not in good references', () => {
  const value = {
    providers: {
      a: { api_key: 'hunter2', apikey: 'hunter2', headers: { 'x-token': 'hunter2' } },
      b: { api_key: { env: 'GOOD', optional: true, value: 'hunter2' }, headers: { x: { env: 'hunter-2' } } },
    },
  }
  assert.deepEqual(
    [...secretPaths(configSchema, value)],
    [
      ['providers', 'a', 'api_key'],
      ['providers', 'a', 'apikey'],
      ['providers', 'a', 'headers', 'x-token'],
      ['providers', 'b', 'api_key', 'value'],
      ['providers', 'b', 'headers', 'x', 'env'],
    ],
  )
})
