// The scalars and comments of a text in YAML or JSON, with their places: for those who must know what each piece of it is.
import { isAlias, isMap, isScalar, isSeq, parseDocument, type Document } from 'yaml'
import type { Range } from './document.ts'

export interface TextScalar {
  readonly range: Range
  /** The keys that lead to it, the outermost first; entries of lists add none. Of a key: those above it. */
  readonly keys: readonly string[]
  readonly text: string
  readonly kind: 'key' | 'string' | 'other'
  /** The keys of the mapping that has it as a value. */
  readonly siblings?: readonly string[]
  /** The text of the entry before, in a list. */
  readonly previous?: string | undefined
}

export interface TextPieces {
  readonly scalars: readonly TextScalar[]
  /** Each from its `#` to the end of its line. */
  readonly comments: readonly Range[]
}

/** Aliases multiply what a text holds. */
const maxScalars = 200_000

/** Undefined: it is not one document of YAML, of which JSON is a part, or too large. What an alias leads to is listed once for each way to it. */
export function readPieces(text: string): TextPieces | undefined {
  try {
    const document = parseDocument(text, {
      logLevel: 'error',
      prettyErrors: false,
      uniqueKeys: false,
      keepSourceTokens: false,
    })
    if (document.errors.length > 0) return undefined
    const scalars: TextScalar[] = []
    if (!collect({ node: document.contents, keys: [] }, document, scalars)) return undefined
    return { scalars, comments: commentsIn(text, scalars) }
  } catch (error) {
    // Some thousand levels of nesting, or an alias within its own anchor.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

type Place = Pick<TextScalar, 'keys' | 'siblings' | 'previous'> & { readonly node: unknown }

/** @returns false: there are too many. */
function collect({ node, ...place }: Place, document: Document, into: TextScalar[]): boolean {
  if (into.length > maxScalars) return false
  if (isAlias(node)) return collect({ ...place, node: node.resolve(document) }, document, into)
  if (isScalar(node)) {
    const { value, range } = node
    const kind = typeof value === 'string' ? 'string' : 'other'
    if (range) into.push({ ...place, range: [range[0], range[1]], text: String(value), kind })
    return true
  }
  if (isSeq(node)) {
    return node.items.every((item, index) => {
      const before = node.items[index - 1]
      const previous = isScalar(before) ? String(before.value) : undefined
      return collect({ node: item, keys: place.keys, previous }, document, into)
    })
  }
  if (!isMap(node)) return true
  const siblings = node.items.map(({ key }) => (isScalar(key) ? String(key.value) : ''))
  return node.items.every(({ key, value }, index) => {
    const name = siblings[index]!
    if (isScalar(key) && key.range)
      into.push({ keys: place.keys, range: [key.range[0], key.range[1]], text: name, kind: 'key' })
    return collect({ node: value, keys: [...place.keys, name], siblings }, document, into)
  })
}

/** What lies between scalars is punctuation, anchors and comments. */
function commentsIn(text: string, scalars: readonly TextScalar[]): Range[] {
  const comments: Range[] = []
  let at = 0
  const search = (end: number) => {
    for (const { 0: found, index } of text.slice(at, end).matchAll(/(?<![^\s,[\]{}])#[^\n]*/g))
      comments.push([at + index, at + index + found.length])
  }
  for (const { range } of [...scalars].sort((one, other) => one.range[0] - other.range[0])) {
    if (range[0] > at) search(range[0])
    at = Math.max(at, range[1])
  }
  search(text.length)
  return comments
}
