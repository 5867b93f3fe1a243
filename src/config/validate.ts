// Holds a value against a schema and says what is wrong in words for people. It knows the part of JSON Schema that
// `Schema` names, and is not ajv because ajv takes 100 ms to load and compile, a third of what a start may take.
import { closestName } from '../did-you-mean.ts'
import { quoted, type Finding, type Path } from './problems.ts'
import type { Schema } from './schema/schema.ts'

/** Everything in which `value` departs from the schema. */
export function* departures(schema: Schema, value: unknown, path: Path = []): Generator<Finding> {
  // What could not be read has been reported already.
  if (value === undefined) return
  const types = [schema.type].flat()
  if (!types.some((type) => isOfType(value, type))) {
    yield { path, ...typeFault(schema, value) }
    return
  }
  if (typeof value === 'string') yield* textDepartures(schema, value, path)
  if (typeof value === 'number') yield* numberDepartures(schema, value, path)
  if (schema.enum !== undefined && !schema.enum.includes(value)) yield { path, ...enumFault(schema, value) }
  if (Array.isArray(value)) yield* listDepartures(schema, value, path)
  else if (typeof value === 'object' && value !== null) yield* mappingDepartures(schema, value, path)
}

/** Paths of all that may be a secret: literals where a secret belongs, and values of unknown keys. */
export function* secretPaths(schema: Schema, value: unknown, path: Path = []): Generator<Path> {
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (schema.writeOnly === true && !isMapping) yield path
  if (Array.isArray(value) && schema.items !== undefined) {
    for (const [index, item] of value.entries()) yield* secretPaths(schema.items, item, [...path, index])
  } else if (isMapping) {
    for (const [key, item] of Object.entries(value)) {
      const inner = valueSchema(schema, key)
      const isReference = schema.writeOnly === true && inner !== undefined && !hasFault(inner, item)
      if (isReference) continue
      if (inner === undefined || schema.writeOnly === true) yield [...path, key]
      else yield* secretPaths(inner, item, [...path, key])
    }
  }
}

function hasFault(schema: Schema, value: unknown): boolean {
  return departures(schema, value).next().done !== true
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isSafeInteger(value)
    case 'null':
      return value === null
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    default:
      return typeof value === type
  }
}

function* listDepartures(schema: Schema, list: readonly unknown[], path: Path): Generator<Finding> {
  if (list.length < (schema.minItems ?? 0)) {
    yield { path, message: 'must not be empty', hint: 'take the key out to have its default' }
  }
  if (schema.items === undefined) return
  for (const [index, item] of list.entries()) {
    yield* departures(schema.items, item, [...path, index])
  }
}

function* mappingDepartures(schema: Schema, mapping: object, path: Path): Generator<Finding> {
  const entries = Object.entries(mapping)
  for (const key of schema.required ?? []) {
    if (!Object.hasOwn(mapping, key)) yield { path, message: `needs the key ${quoted(key)}`, at: 'key' }
  }
  if (entries.length < (schema.minProperties ?? 0)) {
    yield { path, message: 'must not be empty', hint: 'name at least one', at: 'key' }
  }
  for (const [key, value] of entries) {
    const inner = valueSchema(schema, key)
    if (inner === undefined) {
      yield { path: [...path, key], ...unknownKey(schema, key), at: 'key' }
      continue
    }
    if (schema.propertyNames !== undefined) {
      for (const fault of textDepartures(schema.propertyNames, key, [...path, key])) {
        yield { ...fault, message: `the name ${fault.message}`, at: 'key' }
      }
    }
    yield* departures(inner, value, [...path, key])
  }
}

function valueSchema(schema: Schema, key: string): Schema | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, key)) {
    const inner = schema.properties[key]!
    return schema.writeOnly === true ? { ...inner, writeOnly: true } : inner
  }
  return schema.additionalProperties === false ? undefined : schema.additionalProperties
}

function unknownKey(schema: Schema, key: string): Pick<Finding, 'message' | 'hint'> {
  const known = Object.keys(schema.properties ?? {})
  const near = closestName(key, known)
  const hint = near === undefined ? `known keys: ${known.join(', ')}` : `did you mean ${quoted(near)}?`
  return { message: `unknown key ${quoted(key)}`, hint }
}

function typeFault(schema: Schema, value: unknown): Pick<Finding, 'message' | 'hint'> {
  if (schema.writeOnly === true && typeof value === 'string' && [schema.type].flat().includes('object')) {
    return {
      message: 'a secret may not stand in this file',
      hint: 'write where it is found: { credential: NAME }, { file: /PATH } or { env: NAME }',
    }
  }
  const wanted = [schema.type].flat().map((type) => typeNames[type])
  const message = `must be ${wanted.join(' or ')}, not ${shown(schema, value)}`
  if (value === null) return { message, hint: 'take the key out to have its default' }
  if (typeof value !== 'string' && wanted.includes(typeNames.string))
    return { message, hint: 'put it in quotes' }
  return { message }
}

const typeNames = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'a whole number',
  null: 'null',
  object: 'a mapping',
  string: 'a text',
}

function enumFault(schema: Schema, value: unknown): Pick<Finding, 'message' | 'hint'> {
  const allowed = (schema.enum ?? []).map(String)
  const near = typeof value === 'string' ? closestName(value, allowed) : undefined
  const message = `must be one of ${allowed.join(', ')}, not ${shown(schema, value)}`
  return near === undefined ? { message } : { message, hint: `did you mean ${quoted(near)}?` }
}

function* textDepartures(schema: Schema, text: string, path: Path): Generator<Finding> {
  const length = text.length
  if (length < (schema.minLength ?? 0)) {
    yield { path, message: 'must not be empty' }
  } else if (length > (schema.maxLength ?? Infinity)) {
    yield { path, message: `must have at most ${schema.maxLength} characters, not ${length}` }
  } else if (schema.pattern !== undefined && !compiled(schema.pattern).test(text)) {
    const message = `must match ${schema.pattern}, not be ${shown(schema, text)}`
    yield { path, message, ...(schema.description !== undefined && { hint: schema.description }) }
  }
}

const compiledPatterns = new Map<string, RegExp>()

function compiled(pattern: string): RegExp {
  let expression = compiledPatterns.get(pattern)
  if (expression === undefined) {
    // The flag is the one that JSON Schema names, so that editors and the gateway agree.
    expression = new RegExp(pattern, 'u')
    compiledPatterns.set(pattern, expression)
  }
  return expression
}

function* numberDepartures(schema: Schema, number: number, path: Path): Generator<Finding> {
  const { minimum = -Infinity, maximum = Infinity } = schema
  if (number < minimum || number > maximum) {
    yield { path, message: `must be from ${minimum} to ${maximum}, not ${number}` }
  }
}

/** A value for a message: short, and never one that may be a secret. */
function shown(schema: Schema, value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (schema.writeOnly === true) return typeof value === 'string' ? 'this text' : `this ${typeof value}`
  if (typeof value === 'string') return quoted(value)
  return JSON.stringify(value)
}
