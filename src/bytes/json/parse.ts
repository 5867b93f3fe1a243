// JSON of others, whose members may be anything or missing.

export type JsonObject = Readonly<Record<string, unknown>>

/** The value of a JSON text; undefined when the text is not JSON. */
export function parseJson(text: Buffer | string): unknown {
  try {
    return JSON.parse(text.toString())
  } catch {
    return undefined
  }
}

/** The members of a JSON object; empty for any other value. */
export function membersOf(value: unknown): JsonObject {
  return isObject(value) ? value : noMembers
}

const noMembers: JsonObject = {}

/** Whether a value of JSON is an object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
