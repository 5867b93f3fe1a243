// YAML text → plain values, with the position of each. Time and memory are bounded for any text: nothing here is recursive
// in the size of the file, quadratic, or expands without a limit.
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

import { quoted, type Path, type PathProblem, type Position, type PositionOf } from './problems.ts'
import { unquotedVariables } from './unquoted-variables.ts'
import { findUnterminated } from './unterminated.ts'

/** Replaces variables in a text of the file; yields the problems with them. */
type Expand = (text: string, path: Path) => Generator<PathProblem, string>

export interface ReadDocument {
  readonly kind: 'read'
  /** Values that could not be read are undefined. */
  readonly value: unknown
  readonly problems: readonly PathProblem[]
  readonly positionOf: PositionOf
  /** The offsets of the value at a path; undefined if the path does not exist. */
  readonly rangeOf: (path: Path) => Range | undefined
  /** Values that were skipped because of their keys. */
  readonly unread: readonly Range[]
}

/** Offsets in the text. */
export type Range = readonly [start: number, end: number]

/** Variables stay what they are in the file. */
// oxlint-disable-next-line require-yield -- a text that is left alone has no problems to report
function* asWritten(text: string): Generator<PathProblem, string> {
  return text
}

/**
 * Reads one YAML document (1.2 core schema, no custom tags). Mappings become objects without a prototype.
 * @param expand absent: variables stay as they are written.
 */
export function readDocument(
  text: string,
  expand: Expand = asWritten,
): ReadDocument | { kind: 'unreadable'; problems: PathProblem[] } {
  const lines = new LineCounter()
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const document = parse(text, lines)
  if (document === undefined) {
    const position = { line: 1, column: 1 }
    return { kind: 'unreadable', problems: [{ path: [], message: 'is nested too deeply', position }] }
  }
  if (document.errors.length > 0) {
    const { problems, mended } = unquotedVariables(text, document.errors, positionAt)
    const errors = mended === text ? document.errors : (parse(mended, new LineCounter())?.errors ?? [])
    return { kind: 'unreadable', problems: [...problems, ...syntaxProblems(mended, errors, positionAt)] }
  }
  const root = document.contents
  const reader = new ValueReader(expand, positionAt)
  const value = reader.read(root, [], 0)
  const { problems, unread } = reader
  const nodes = new NodeFinder(root, reader.targets)
  return {
    kind: 'read',
    value,
    problems,
    unread,
    positionOf: (path, at) => positionAt(nodes.offsetOf(path, at)),
    rangeOf: (path) => nodes.rangeOf(path),
  }
}

function parse(text: string, lineCounter: LineCounter): ReturnType<typeof parseDocument> | undefined {
  try {
    // Duplicate keys are detected below: the parser would compare each key of a mapping with all before it.
    return parseDocument(text, {
      lineCounter,
      logLevel: 'error',
      prettyErrors: false,
      schema: 'core',
      stringKeys: true,
      uniqueKeys: false,
    })
  } catch (error) {
    // The composer recurses for each level of nesting, and overflows the stack at some thousand of them.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function syntaxProblems(
  text: string,
  errors: readonly YAMLParseError[],
  positionAt: (offset: number) => Position,
): PathProblem[] {
  const isTooDeep = errors.some(({ code }) => code === 'RESOURCE_EXHAUSTION')
  const unterminated = isTooDeep ? [] : findUnterminated(text)
  // Errors after an unclosed bracket are mostly consequences of it.
  const end = unterminated[0]?.offset ?? Infinity
  // The parser may report one mistake many times at one position; the first report is the useful one.
  const firsts = new Map(errors.toReversed().map((error) => [error.pos[0], error]))
  const others = [...firsts.values()]
    .filter(({ pos: [offset] }) => offset < end)
    .toReversed()
    .map(({ code, pos: [offset] }) => ({ offset, ...describe(code) }))
  return [...others, ...unterminated].map(({ offset, message, hint }) => {
    return { path: [], position: positionAt(offset), message, hint }
  })
}

/** Only the code of a parser's error is used: its message may quote the text, which may be a secret. */
function describe(code: string): { message: string; hint: string } {
  const [message, hint = ''] = syntaxMessages[code] ?? ['is not valid YAML']
  return { message, hint }
}

const syntaxMessages: Readonly<Record<string, readonly [message: string, hint?: string]>> = {
  ALIAS_PROPS: ['an alias cannot have an anchor or a tag'],
  BAD_ALIAS: ['is not a valid alias', 'put text that begins with * in quotes'],
  BAD_DIRECTIVE: ['is not a valid directive', 'put text that begins with % in quotes'],
  BAD_DQ_ESCAPE: ['unknown escape in double quotes', 'use single quotes, or write \\\\ for a backslash'],
  BAD_INDENT: ['is indented incorrectly', 'all keys of a mapping begin in the same column'],
  BAD_SCALAR_START: ['plain text cannot begin with this character', 'put the text in quotes'],
  BLOCK_AS_IMPLICIT_KEY: ['a mapping cannot begin here', 'put text that contains ": " in quotes'],
  BLOCK_IN_FLOW: ['an indented block is not allowed within [ ] or { }'],
  KEY_OVER_1024_CHARS: ['a key can have at most 1024 characters'],
  MISSING_CHAR: ['something is missing here', 'look for a missing bracket, brace, quote, comma or colon'],
  MULTILINE_IMPLICIT_KEY: ['a key must fit on one line', 'look for a missing colon'],
  MULTIPLE_ANCHORS: ['a value can have only one anchor'],
  MULTIPLE_DOCS: ['a second document begins here', 'remove the line with --- or ...'],
  MULTIPLE_TAGS: ['a value can have only one tag'],
  NON_STRING_KEY: ['a key must be text', 'put it in quotes'],
  RESOURCE_EXHAUSTION: ['is nested too deeply'],
  TAB_AS_INDENT: ['tabs cannot be used for indentation', 'use spaces'],
  TAG_RESOLVE_FAILED: ['YAML tags are not supported', 'remove the !tag'],
  UNEXPECTED_TOKEN: ['is unexpected here', 'check the indentation, and look for missing quotes'],
}

const maxDepth = 32
/** Values that all aliases together may expand to: more is an attack or an accident. */
const maxAliasedValues = 10_000
const dangerousKeys = new Set(['__proto__', 'constructor', 'prototype'])
const coreTag = /^tag:yaml\.org,2002:(bool|float|int|map|null|seq|str)$/

/** Turns nodes into values, and records the target of each alias. */
class ValueReader {
  readonly problems: PathProblem[] = []
  readonly targets = new WeakMap<Alias, Node>()
  readonly #anchors = new Map<string, Node>()
  readonly #open = new Set<Node>()
  readonly unread: Range[] = []
  readonly #expand: Expand
  readonly #positionAt: (offset: number) => Position
  #aliasedValues = 0

  constructor(expand: Expand, positionAt: (offset: number) => Position) {
    this.#expand = expand
    this.#positionAt = positionAt
  }

  read(node: unknown, path: Path, aliasDepth: number): unknown {
    if (aliasDepth > 0 && ++this.#aliasedValues > maxAliasedValues) {
      if (this.#aliasedValues === maxAliasedValues + 1) {
        this.#report(path, `aliases expand to more than ${maxAliasedValues} values`, 'write the values out')
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
      this.#report(path, `the tag ${quoted(node.tag)} is not supported`, 'remove it')
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
      const why = node === undefined ? 'has no anchor before it' : 'is within its own anchor'
      this.#report(
        path,
        `the alias ${quoted(`*${alias.source}`)} ${why}`,
        'put text that begins with * in quotes',
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
    for (; step.done !== true; step = expansion.next()) this.problems.push(step.value)
    return step.value
  }

  #readMapping(items: readonly Pair[], path: Path, aliasDepth: number): unknown {
    const mapping = Object.create(null) as Record<string, unknown>
    const firsts = new Map<string, Pair>()
    for (const pair of items) {
      const key = keyOf(pair)
      const fault = key === undefined ? 'a key must be text' : this.#keyFault(firsts.get(key), key)
      if (key === undefined || fault !== undefined) {
        this.problems.push({ path: [...path, key ?? '?'], message: fault!, position: this.#positionOf(pair) })
        this.unread.push(rangeOf(pair.value) ?? [0, 0])
      } else {
        firsts.set(key, pair)
        mapping[key] = this.read(pair.value, [...path, key], aliasDepth)
      }
    }
    return mapping
  }

  /** @param first the pair before with the same key. */
  #keyFault(first: Pair | undefined, key: string): string | undefined {
    if (dangerousKeys.has(key)) return `the key ${quoted(key)} is not allowed`
    if (first === undefined) return undefined
    return `the key ${quoted(key)} occurs twice: it is in line ${this.#positionOf(first).line} already`
  }

  #positionOf({ key }: Pair): Position {
    return this.#positionAt(rangeOf(key)?.[0] ?? 0)
  }

  #report(path: Path, message: string, hint = ''): void {
    this.problems.push({ path, message, hint })
  }
}

function keyOf(pair: Pair): string | undefined {
  if (!isScalar(pair.key)) return undefined
  const { value } = pair.key
  return typeof value === 'string' ? value : value === null ? '' : undefined
}

/** Finds the nodes of paths. The pairs of a mapping are indexed once, as there may be as many paths as keys. */
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
      // Reversed, so that the first of two equal keys wins.
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
