// The text of another program's configuration → plain values: YAML, JSON, or JSON with comments. The text is not trusted:
// nothing here expands without a limit, and no message quotes it.
import JSON5 from 'json5'

import { isObject } from '../bytes/json/parse.ts'
import { readDocument } from './document.ts'
import type { Path, PathProblem } from './problems.ts'

export type ForeignDocument =
  /** Values at fault are undefined. */
  | { readonly kind: 'read'; readonly value: unknown; readonly problems: readonly PathProblem[] }
  | { readonly kind: 'unreadable'; readonly problems: readonly PathProblem[] }

/** Levels of mappings and lists; that of our own files. */
const maxDepth = 32
/** Merge keys may repeat a mapping in each of many: more than this is an attack. */
const maxMergedKeys = 100_000

/** Reads a document. Mappings become objects without a prototype; merge keys (`<<`) of YAML are resolved. */
export function readForeignDocument(text: string): ForeignDocument {
  const plain = text.replace(/^\uFEFF/, '')
  // Both parsers take time that grows with the square of the depth, or the whole stack.
  if (opensTooMany(plain)) {
    return { kind: 'unreadable', problems: [{ path: [], message: 'is nested too deeply' }] }
  }
  if (/^\s*(?:\{|\/[/*])/.test(plain)) {
    const json = readJson(plain)
    // A flow mapping of YAML begins with a brace, too.
    if (json !== undefined) return json
  }
  // Variables stay: each program has its own form.
  const document = readDocument(plain)
  if (document.kind === 'unreadable') return document
  const merger = new Merger()
  return { kind: 'read', value: merger.merged(document.value), problems: document.problems }
}

/** Whether brackets stand open in a row that no configuration has: each opens a level of a flow mapping or list. */
function opensTooMany(text: string): boolean {
  return /(?:[[{][\s]*){65}/.test(text)
}

function readJson(text: string): ForeignDocument | undefined {
  try {
    const problems: PathProblem[] = []
    return { kind: 'read', value: copied(JSON5.parse(text), [], problems), problems }
  } catch {
    // The parser's own message may quote the text. What YAML makes of it locates the mistake.
    return undefined
  }
}

const dangerousKeys = new Set(['__proto__', 'constructor', 'prototype'])

function copied(value: unknown, path: Path, problems: PathProblem[]): unknown {
  if (path.length > maxDepth) {
    problems.push({ path, message: 'is nested too deeply' })
    return undefined
  }
  if (Array.isArray(value)) return value.map((item, index) => copied(item, [...path, index], problems))
  if (!isObject(value)) return value
  const mapping = Object.create(null) as Record<string, unknown>
  for (const [key, member] of Object.entries(value)) {
    if (dangerousKeys.has(key)) problems.push({ path, message: 'has a key that is not allowed' })
    else mapping[key] = copied(member, [...path, key], problems)
  }
  return mapping
}

/** Resolves merge keys, as YAML 1.1 has them: a mapping's own keys win over merged ones. */
class Merger {
  #keys = 0

  merged(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.merged(item))
    if (!isObject(value)) return value
    const mapping = Object.create(null) as Record<string, unknown>
    const { '<<': base, ...own } = value
    for (const [key, member] of Object.entries(own)) mapping[key] = this.merged(member)
    for (const source of [base].flat()) {
      if (!isObject(source)) continue
      const members = this.merged(source) as Record<string, unknown>
      for (const [key, member] of Object.entries(members)) {
        if (++this.#keys > maxMergedKeys) return mapping
        if (!Object.hasOwn(mapping, key)) mapping[key] = member
      }
    }
    return mapping
  }
}
