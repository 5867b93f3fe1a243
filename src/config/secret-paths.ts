// Where a configuration may hold secrets, for the sake of excerpts that are shown to people.
import type { HasProblem, Path } from './problems.ts'
import type { Schema } from './schema/schema-type.ts'

/**
 * Paths of everything that may be a secret: literals where a secret belongs, values of unknown keys, and faulty parts of
 * secret references (a key that was pasted in place of its name).
 */
export function* secretPaths(
  schema: Schema,
  value: unknown,
  hasProblem: HasProblem,
  path: Path = [],
): Generator<Path> {
  if (Array.isArray(value)) {
    if (schema.writeOnly === true) yield path
    else if (schema.items !== undefined) {
      for (const [index, item] of value.entries()) {
        yield* secretPaths(schema.items, item, hasProblem, [...path, index])
      }
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      const at = [...path, key]
      const inner = valueSchema(schema, key)
      if (inner === undefined) yield at
      else if (schema.writeOnly !== true || hasProblem(at)) yield* secretPaths(inner, item, hasProblem, at)
    }
  } else if (schema.writeOnly === true) {
    yield path
  }
}

function valueSchema(
  { properties = {}, additionalProperties = false }: Schema,
  key: string,
): Schema | undefined {
  const schema = Object.hasOwn(properties, key) ? properties[key] : additionalProperties
  return schema === false ? undefined : schema
}
