// Changes of a settings file in JSON: members are set, and all others stay.
import { isObject, parseJson } from '../../bytes/json/parse.ts'
import type { EditOutcome } from './client.ts'

export interface JsonObjectToSet {
  readonly [name: string]: JsonToSet
}

type JsonToSet = string | boolean | JsonObjectToSet | readonly JsonToSet[]

/** Objects are merged, everything else is replaced. The indentation stays that of the file. */
export function withMembers(before: string, members: JsonObjectToSet): EditOutcome {
  if (before.trim() === '') return { kind: 'edited', text: `${JSON.stringify(members, undefined, 2)}\n` }
  const value = parseJson(before)
  if (!isObject(value)) {
    return { kind: 'refused', reason: 'is not plain JSON (it may have comments), so it is left as it is' }
  }
  const indent = /\n([ \t]+)"/.exec(before)?.[1] ?? 2
  const ending = before.endsWith('\n') ? '\n' : ''
  return { kind: 'edited', text: `${JSON.stringify(merged(value, members), undefined, indent)}${ending}` }
}

function merged(into: Record<string, unknown>, members: JsonObjectToSet): Record<string, unknown> {
  // With its members in their order, `__proto__` included.
  const entries = new Map(Object.entries(into))
  for (const [name, value] of Object.entries(members)) {
    const known = entries.get(name)
    const isMerged = isObject(known) && isObject(value)
    entries.set(name, isMerged ? merged(known, value) : value)
  }
  return Object.fromEntries(entries)
}
