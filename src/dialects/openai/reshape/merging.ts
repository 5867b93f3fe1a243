// The pieces of a choice as chunks bring them, in one object.
import { isObject, type JsonObject, membersOf } from '../../../bytes/json/parse.ts'
import { heldBytes } from '../../../bytes/json/held-bytes.ts'

/** Texts that a chunk repeats, where others bring a further piece. */
const repeated: ReadonlySet<string> = new Set(['finish_reason', 'id', 'name', 'role', 'type'])

/** No known chunk is nested deeper where its pieces go on. */
const maxDepth = 8

/** What a name costs in an object to which many may be added. */
const memberBytes = 40

/** Merges pieces into what has come, and counts what it holds for them. Each piece is read once. */
export class Merging {
  /** About the memory of all that has been merged. */
  heldBytes = 0

  /** Changes the older object: to copy what has come so far for each further piece would take minutes for long streams. */
  merge(older: JsonObject, newer: JsonObject): JsonObject {
    return this.#object(older, newer, 0)
  }

  #value(older: unknown, newer: unknown, name: string, depth: number): unknown {
    if (newer === null || newer === undefined) return older ?? newer
    if (typeof older === 'string' && typeof newer === 'string' && !repeated.has(name)) {
      this.heldBytes += newer.length
      return older + newer
    }
    if (repeated.has(name) && newer === '' && typeof older === 'string') return older
    if (depth < maxDepth && Array.isArray(older) && Array.isArray(newer)) {
      return this.#list(older, newer, depth + 1)
    }
    if (depth < maxDepth && isObject(older) && isObject(newer)) return this.#object(older, newer, depth + 1)
    if (older !== undefined && older !== null) this.heldBytes -= heldBytes(older)
    if (depth < maxDepth && Array.isArray(newer)) return this.#list([], newer, depth + 1)
    this.heldBytes += heldBytes(newer)
    return newer
  }

  #object(older: JsonObject, newer: JsonObject, depth: number): JsonObject {
    for (const [name, newest] of Object.entries(newer)) {
      const isKnown = Object.hasOwn(older, name)
      if (!isKnown) this.heldBytes += name.length + memberBytes
      const value = this.#value(isKnown ? older[name] : undefined, newest, name, depth)
      // A name like `__proto__` is a member like any other.
      Object.defineProperty(older, name, { value, writable: true, enumerable: true, configurable: true })
    }
    return older
  }

  /** Items with an index go on in later chunks, as tool calls do; others are new ones. Changes the older list. */
  #list(older: unknown[], newer: readonly unknown[], depth: number): unknown[] {
    const positions = positionsIn(older)
    for (const item of newer) {
      const { index } = membersOf(item)
      const at = typeof index === 'number' ? positions.get(index) : undefined
      if (at !== undefined) older[at] = this.#value(older[at], item, '', depth)
      else {
        if (typeof index === 'number') positions.set(index, older.length)
        this.heldBytes += heldBytes(item)
        older.push(item)
      }
    }
    return older
  }
}

/** Of the items of a list that have an index: where they are. */
const positionsOf = new WeakMap<readonly unknown[], Map<number, number>>()

function positionsIn(list: readonly unknown[]): Map<number, number> {
  const known = positionsOf.get(list)
  if (known !== undefined) return known
  const positions = new Map<number, number>()
  for (const [at, item] of list.entries()) {
    const { index } = membersOf(item)
    if (typeof index === 'number') positions.set(index, at)
  }
  positionsOf.set(list, positions)
  return positions
}
