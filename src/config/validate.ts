// Validates a configuration against its schema, and words what ajv reports. What judges and what reports are generated from the
// schema (`npm run generate`), so that a start neither loads a compiler nor compiles.
import type { ErrorObject } from 'ajv'

import { closestName, likelyName } from '../platform/did-you-mean.ts'
import { indexProblems, quoted, type PathProblem, type HasProblem, type Path } from './problems.ts'
import type { Schema } from './schema/schema-type.ts'
import { isValid } from './schema/is-valid.js'
import { loadValidator } from './schema/load-validator.ts'

/** A way in which a value violates the schema. */
export interface Violation extends PathProblem {
  /** False where the value has the right shape, but does not fit its name or a value beside it. */
  readonly breaksShape: boolean
}

/**
 * Everything in which a configuration violates the schema. A value is reported once, for the first rule that it breaks,
 * and rules between several values are not applied where one of the values is faulty by itself.
 *
 * @param reported what was found while the value was read; what could not be read is `undefined` in it.
 * @throws Error when the validator cannot be loaded.
 */
export function violations(value: unknown, reported: readonly PathProblem[]): Violation[] {
  if (isValid(value)) return []
  const { validate } = loadValidator()
  if (validate(value)) throw new Error('is-valid.js refuses what validator.js accepts')
  const errors = (validate.errors ?? []).filter(concernsValue)
  const found = new Map<string, Violation>()
  // A duplicate key is reported at the position of the second one; the first value may have faults of its own.
  const { hasProblemAt: isReported } = indexProblems(
    reported.filter(({ position }) => position === undefined),
  )
  for (const error of errors) if (!isBetweenValues(error)) add(error, isReported)
  const faults = indexProblems([...reported, ...found.values()])
  for (const error of errors) {
    if (isBetweenValues(error)) add(error, isOfName(error) ? faults.hasProblemAt : faults.hasProblem)
  }
  return [...found.values()]

  function add(error: ErrorObject, isKnown: HasProblem): void {
    const path = pathOf(error, value)
    const fault = faultOf(error)
    // Of several missing keys each is reported.
    const id = JSON.stringify([path, fault.at, error.params['missingProperty']])
    if (found.has(id) || isKnown(path)) return
    found.set(id, { path, ...fault, breaksShape: !isOfName(error) && !isBetweenValues(error) })
  }
}

/** True for what is reported to people; the rest repeats it, or is about values that could not be read. */
function concernsValue({ keyword, data, params, propertyName }: ErrorObject): boolean {
  if (keyword === 'if' || keyword === 'propertyNames') return false
  if (keyword === 'required') return !Object.hasOwn(data as object, params['missingProperty'] as string)
  return data !== undefined || propertyName !== undefined
}

/** True for rules that hold for a value only because of its name or of values beside it. */
function isBetweenValues({ schemaPath }: ErrorObject): boolean {
  return /\/(?:then|else|patternProperties)\//.test(schemaPath)
}

function isOfName({ propertyName }: ErrorObject): boolean {
  return propertyName !== undefined
}

function pathOf({ instancePath, keyword, params, propertyName }: ErrorObject, root: unknown): Path {
  const path: (string | number)[] = []
  let value = root
  // A JSON pointer (RFC 6901), which does not tell indexes from keys.
  for (const token of instancePath.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    path.push(Array.isArray(value) ? Number(key) : key)
    value = (value as Record<string, unknown>)[key]
  }
  if (propertyName !== undefined) path.push(propertyName)
  if (keyword === 'additionalProperties') path.push(params['additionalProperty'] as string)
  return path
}

type Fault = Pick<PathProblem, 'message' | 'hint' | 'at'>

function faultOf(error: ErrorObject): Fault {
  const schema = error.parentSchema as Schema
  if (error.propertyName !== undefined) {
    const { message, ...fault } = valueFault(error, schema, '')
    return { ...fault, message: `${quoted(error.propertyName)} ${message}`, at: 'key' }
  }
  return valueFault(error, schema, `, not ${shown(schema, error.data)}`)
}

/** @param butIs the end of a message that shows the value; empty where the message begins with it. */
function valueFault({ keyword, params, data }: ErrorObject, schema: Schema, butIs: string): Fault {
  switch (keyword) {
    case 'type':
      return typeFault(schema, data, butIs)
    case 'minLength':
      return { message: 'must not be empty' }
    case 'maxLength':
      return { message: `must have at most ${schema.maxLength} characters, not ${(data as string).length}` }
    case 'pattern':
      return {
        message: (schema.patternErrorMessage ?? `must match ${schema.pattern}`) + butIs,
        ...ownHint(schema),
      }
    case 'minimum':
    case 'maximum':
      return { message: `must be from ${schema.minimum} to ${schema.maximum}${butIs}` }
    case 'minItems':
      return { message: 'must not be empty', ...(schema.default !== undefined && { hint: removeKey }) }
    case 'minProperties':
      if (schema.minProperties !== 1) {
        return stated(schema, { message: `needs at least ${schema.minProperties} keys`, at: 'key' })
      }
      return { message: 'must not be empty', hint: 'add at least one entry', at: 'key' }
    case 'additionalProperties':
      return unknownKey(schema, params['additionalProperty'] as string)
    case 'required':
      return stated(schema, {
        message: `needs the key ${quoted(params['missingProperty'] as string)}`,
        at: 'key',
      })
    case 'enum':
      return stated(schema, enumFault(schema, data, butIs))
    default:
      return stated(schema, { message: `violates the rule "${keyword}"` })
  }
}

/** What the schema itself says about a fault. */
function stated({ errorMessage, hint }: Schema, fault: Fault): Fault {
  return {
    ...fault,
    ...(errorMessage !== undefined && { message: errorMessage }),
    ...(hint !== undefined && { hint }),
  }
}

const removeKey = 'remove the key to use its default'

function typeFault(schema: Schema, value: unknown, butIs: string): Fault {
  const types = [schema.type ?? []].flat()
  if (schema.writeOnly === true && typeof value === 'string' && types.includes('object')) {
    return {
      message: 'a secret must not be written in this file',
      hint: 'refer to it: { credential: NAME }, { file: /PATH } or { env: NAME }',
    }
  }
  const message = `must be ${types.map((type) => typeNames[type]).join(' or ')}${butIs}`
  if (value === null) return { message, hint: removeKey, ...ownHint(schema) }
  if (types.includes('string') && typeof value !== 'object') return { message, hint: 'put it in quotes' }
  return { message, ...ownHint(schema) }
}

function ownHint({ hint, errorMessage }: Schema): { hint?: string } {
  return hint === undefined || errorMessage !== undefined ? {} : { hint }
}

const typeNames = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'a whole number',
  null: 'null',
  number: 'a number',
  object: 'a mapping',
  string: 'text',
}

function enumFault(schema: Schema, value: unknown, butIs: string): Fault {
  const allowed = (schema.enum ?? []).map(String)
  const near = typeof value === 'string' ? closestName(value, allowed) : undefined
  const message = `must be one of ${allowed.join(', ')}${butIs}`
  return near === undefined ? { message } : { message, hint: `did you mean ${quoted(near)}?` }
}

function unknownKey(schema: Schema, key: string): Fault {
  const { elsewhere = {} } = schema
  if (Object.hasOwn(elsewhere, key)) {
    return { message: `unknown key ${quoted(key)}`, hint: elsewhere[key]!, at: 'key' }
  }
  const known = Object.keys(schema.properties ?? {})
  const near = likelyName(key, () => known)
  const hint = near === undefined ? `known keys: ${known.join(', ')}` : `did you mean ${quoted(near)}?`
  return { message: `unknown key ${quoted(key)}`, hint, at: 'key' }
}

/** A value for a message: short, and never one that may be a secret. */
function shown(schema: Schema, value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (schema.writeOnly === true) return typeof value === 'string' ? 'this text' : `this ${typeof value}`
  return typeof value === 'string' ? quoted(value) : JSON.stringify(value)
}
