// YAML text → plain values, with the place of each. Bounded in time and memory for any text: nothing here is
// recursive in the size of the file, quadratic, or expands without a limit.
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Alias,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLParseError,
} from 'yaml'

import { quoted, type Finding, type Path, type Place } from './problems.ts'
import { findUnclosed } from './unterminated.ts'

/** Replaces what stands in a text of the file; yields what is wrong with it. */
type Expand = (text: string, path: Path) => Generator<Finding, string>

export type ParsedDocument =
  | { kind: 'unreadable'; findings: Finding[] }
  | { kind: 'read'; value: unknown; findings: Finding[]; placeOf: PlaceOf; rangeOf: RangeOf; unread: Range[] }

/** Offsets in the text. */
export type Range = readonly [start: number, end: number]

/** Where a path stands, or the nearest step towards it that exists. */
export type PlaceOf = (path: Path, at: 'key' | 'value') => Place

/** The offsets of the value at a path; undefined when the path does not exist. */
type RangeOf = (path: Path) => Range | undefined

/** Reads one YAML document (1.2 core schema, no custom tags). Mappings become objects without a prototype. */
export function readDocument(text: string, expand: Expand): ParsedDocument {
  const lines = new LineCounter()
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const document = parse(text, lines)
  if (document === undefined) {
    const place = { line: 1, column: 1 }
    return { kind: 'unreadable', findings: [{ path: [], message: 'is nested too deeply', place }] }
  }
  if (document.errors.length > 0) {
    return { kind: 'unreadable', findings: syntaxFindings(text, document.errors, placeAt) }
  }
  const root = document.contents
  const reader = new ValueReader(expand, placeAt)
  const value = reader.read(root, [], 0)
  const { findings, unread } = reader
  const nodes = new NodeFinder(root, reader.targets)
  return {
    kind: 'read',
    value,
    findings,
    unread,
    placeOf: (path, at) => placeAt(nodes.offsetOf(path, at)),
    rangeOf: (path) => nodes.rangeOf(path),
  }
}

function parse(text: string, lineCounter: LineCounter): ReturnType<typeof parseDocument> | undefined {
  try {
    // Duplicate keys are looked for below: the parser compares each key of a mapping with all before it.
    return parseDocument(text, {
      lineCounter,
      logLevel: 'error',
      prettyErrors: false,
      schema: 'core',
      stringKeys: true,
      uniqueKeys: false,
    })
  } catch (error) {
    // The composer calls itself for each level of nesting; a thousand levels are nobody's configuration.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function syntaxFindings(
  text: string,
  errors: readonly YAMLParseError[],
  placeAt: (offset: number) => Place,
): Finding[] {
  const isTooDeep = errors.some(({ code }) => code === 'RESOURCE_EXHAUSTION')
  const unclosed = isTooDeep ? [] : findUnclosed(text)
  // What comes after a bracket that is not closed may well be right.
  const end = unclosed[0]?.offset ?? Infinity
  // One slip can trip the parser many times at one place; the first word of it is the one that helps.
  const firsts = new Map(errors.toReversed().map((error) => [error.pos[0], error]))
  const others = [...firsts.values()]
    .filter(({ pos: [offset] }) => offset < end)
    .toReversed()
    .map(({ code, pos: [offset] }) => ({ offset, ...inWords(code) }))
  return [...others, ...unclosed].map(({ offset, message, hint }) => {
    return { path: [], place: placeAt(offset), message, hint }
  })
}

/** The parser's own messages can quote the text, and the text may be a key: only their code is used. */
function inWords(code: string): { message: string; hint: string } {
  const [message, hint = ''] = syntaxMessages[code] ?? ['is not valid YAML']
  return { message, hint }
}

const syntaxMessages: Readonly<Record<string, readonly [message: string, hint?: string]>> = {
  ALIAS_PROPS: ['an alias can have neither an anchor nor a tag'],
  BAD_ALIAS: ['is not a valid alias', 'put a text that begins with * in quotes'],
  BAD_DIRECTIVE: ['is not a valid directive', 'put a text that begins with % in quotes'],
  BAD_DQ_ESCAPE: ['unknown escape in double quotes', 'use single quotes, or write \\\\ for a backslash'],
  BAD_INDENT: ['is indented wrongly', 'keys of one mapping begin in the same column'],
  BAD_SCALAR_START: ['this character can not begin a plain text', 'put the text in quotes'],
  BLOCK_AS_IMPLICIT_KEY: ['a mapping can not begin here', 'put a text with ": " in it in quotes'],
  BLOCK_IN_FLOW: ['an indented block can not stand within [ ] or { }'],
  KEY_OVER_1024_CHARS: ['a key can have at most 1024 characters'],
  MISSING_CHAR: [
    'something is missing here',
    'look for a bracket, brace, quote, comma or colon that was left out',
  ],
  MULTILINE_IMPLICIT_KEY: ['a key must be on one line', 'look for a missing colon'],
  MULTIPLE_ANCHORS: ['a value can have one anchor only'],
  MULTIPLE_DOCS: ['a second document begins here', 'take out the line with --- or ...'],
  MULTIPLE_TAGS: ['a value can have one tag only'],
  NON_STRING_KEY: ['a key must be a text', 'put it in quotes'],
  RESOURCE_EXHAUSTION: ['is nested too deeply'],
  TAB_AS_INDENT: ['a tab can not indent', 'use spaces'],
  TAG_RESOLVE_FAILED: ['tags are not understood here', 'take out the word that begins with !'],
  UNEXPECTED_TOKEN: ['is not expected here', 'look at the indentation, and for missing quotes'],
}

const maxDepth = 32
/** Values that aliases may stand for, all together: more is an attack or an accident. */
const maxAliasedValues = 10_000
const dangerousKeys = new Set(['__proto__', 'constructor', 'prototype'])
const coreTag = /^tag:yaml\.org,2002:(bool|float|int|map|null|seq|str)$/

/** Turns nodes into values and remembers what each alias stands for. */
class ValueReader {
  readonly findings: Finding[] = []
  readonly targets = new WeakMap<Alias, Node>()
  readonly #anchors = new Map<string, Node>()
  readonly #open = new Set<Node>()
  /** Values that were passed over, because their key was. */
  readonly unread: Range[] = []
  readonly #expand: Expand
  readonly #placeAt: (offset: number) => Place
  #aliasedValues = 0

  constructor(expand: Expand, placeAt: (offset: number) => Place) {
    this.#expand = expand
    this.#placeAt = placeAt
  }

  read(node: unknown, path: Path, aliasDepth: number): unknown {
    if (aliasDepth > 0 && ++this.#aliasedValues > maxAliasedValues) {
      if (this.#aliasedValues === maxAliasedValues + 1) {
        this.#report(path, `aliases stand for more than ${maxAliasedValues} values`, 'write the values out')
      }
      return undefined
    }
    if (path.length > maxDepth) {
      this.#report(path, 'is nested too deeply')
      return undefined
    }
    if (isAlias(node)) return this.#readAlias(node, path, aliasDepth)
    if (!isMap(node) && !isSeq(node) && !isScalar(node)) return null
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node)
    if (node.tag !== undefined && !coreTag.test(node.tag)) {
      this.#report(path, `the tag ${quoted(node.tag)} is not understood here`, 'take it out')
      return undefined
    }
    if (isScalar(node)) return this.#readScalar(node.value, path)
    this.#open.add(node)
    const value = isMap(node)
      ? this.#readMapping(node.items, path, aliasDepth)
      : node.items.map((item, index) => this.read(item, [...path, index], aliasDepth))
    this.#open.delete(node)
    return value
  }

  #readAlias(alias: Alias, path: Path, aliasDepth: number): unknown {
    const node = this.#anchors.get(alias.source)
    if (node === undefined || this.#open.has(node)) {
      const why = node === undefined ? 'has no anchor before it' : 'stands within its own anchor'
      this.#report(
        path,
        `the alias ${quoted(`*${alias.source}`)} ${why}`,
        'put a text that begins with * in quotes',
      )
      return undefined
    }
    this.targets.set(alias, node)
    return this.read(node, path, aliasDepth + 1)
  }

  #readScalar(value: unknown, path: Path): unknown {
    if (typeof value !== 'string') return value
    const expansion = this.#expand(value, path)
    let step = expansion.next()
    for (; step.done !== true; step = expansion.next()) this.findings.push(step.value)
    return step.value
  }

  #readMapping(items: readonly Pair[], path: Path, aliasDepth: number): unknown {
    const mapping = Object.create(null) as Record<string, unknown>
    for (const pair of items) {
      const key = keyOf(pair)
      const fault = key === undefined ? 'a key must be a text' : keyFault(mapping, key)
      if (key === undefined || fault !== undefined) {
        const place = this.#placeAt(rangeOf(pair.key)?.[0] ?? 0)
        this.findings.push({ path: [...path, key ?? '?'], message: fault!, place })
        this.unread.push(rangeOf(pair.value) ?? [0, 0])
      } else {
        mapping[key] = this.read(pair.value, [...path, key], aliasDepth)
      }
    }
    return mapping
  }

  #report(path: Path, message: string, hint = ''): void {
    this.findings.push({ path, message, hint })
  }
}

function keyOf(pair: Pair): string | undefined {
  if (!isScalar(pair.key)) return undefined
  const { value } = pair.key
  return typeof value === 'string' ? value : value === null ? '' : undefined
}

function keyFault(mapping: object, key: string): string | undefined {
  if (dangerousKeys.has(key)) return `the key ${quoted(key)} is not allowed`
  return Object.hasOwn(mapping, key) ? `the key ${quoted(key)} stands here twice` : undefined
}

/** Finds the nodes of paths. The pairs of a mapping are indexed once, since there may be as many paths as keys. */
class NodeFinder {
  readonly #root: unknown
  readonly #targets: WeakMap<Alias, Node>
  readonly #indexes = new WeakMap<Node, Map<string | undefined, Pair>>()

  constructor(root: unknown, targets: WeakMap<Alias, Node>) {
    this.#root = root
    this.#targets = targets
  }

  rangeOf(path: Path): Range | undefined {
    return rangeOf(this.#followed(this.#stepsTo(path)[path.length]?.value))
  }

  offsetOf(path: Path, at: 'key' | 'value'): number {
    const { key, value } = this.#stepsTo(path).at(-1)!
    const preferred = at === 'key' ? (key ?? value) : value
    return rangeOf(preferred)?.[0] ?? rangeOf(key)?.[0] ?? 0
  }

  /** The nodes from the root along a path, as far as they exist. */
  #stepsTo(path: Path): { key?: unknown; value: unknown }[] {
    const steps: { key?: unknown; value: unknown }[] = [{ value: this.#root }]
    for (const step of path) {
      const node = this.#followed(steps.at(-1)!.value)
      if (isMap(node)) {
        const pair = this.#pairsOf(node).get(String(step))
        if (pair === undefined) break
        steps.push({ key: pair.key, value: pair.value })
      } else if (isSeq(node) && typeof step === 'number' && step < node.items.length) {
        steps.push({ value: node.items[step] })
      } else break
    }
    return steps
  }

  #followed(node: unknown): unknown {
    return isAlias(node) ? this.#targets.get(node) : node
  }

  #pairsOf(node: YAMLMap): Map<string | undefined, Pair> {
    let index = this.#indexes.get(node)
    if (index === undefined) {
      // Turned round, so that the first of two equal keys stays.
      index = new Map(node.items.toReversed().map((pair) => [keyOf(pair), pair]))
      this.#indexes.set(node, index)
    }
    return index
  }
}

function rangeOf(node: unknown): Range | undefined {
  if (!isNode(node) || !node.range) return undefined
  return [node.range[0], node.range[1]]
}
