// What parsed JSON costs in memory while it is held: a provider decides how many small values an answer has.

/** Of an array or object itself, of one of its places, and of a string besides its characters. */
const [containerBytes, placeBytes, stringBytes] = [48, 8, 16]

/** About the memory that a value of JSON takes, in bytes. Calls itself for each level. */
export function heldBytes(value: unknown): number {
  if (typeof value === 'string') return stringBytes + value.length
  if (typeof value !== 'object' || value === null) return placeBytes
  let bytes = containerBytes
  if (Array.isArray(value)) for (const element of value) bytes += heldBytes(element)
  else for (const [name, member] of Object.entries(value)) bytes += name.length + heldBytes(member)
  return bytes
}
