// Writes a configuration as YAML with comments. Every text goes through the serializer, comments included, so that nothing in
// them can become a key.
import { Document, isMap, isScalar, isSeq, type Scalar, visit, type YAMLMap } from 'yaml'

import { printable } from '../platform/printable.ts'
import type { Path } from './problems.ts'

/** A comment above the key at a path; several for one path stand below each other. */
export interface PlacedComment {
  readonly path: Path
  readonly lines: readonly string[]
}

export interface WrittenYaml {
  readonly text: string
  /** Comments whose path does not exist. */
  readonly unplaced: readonly PlacedComment[]
}

const maxFlowWidth = 100

/** @param head,tail comments before and after everything. */
export function writeCommentedYaml(
  value: object,
  comments: readonly PlacedComment[],
  { head, tail }: { readonly head: readonly string[]; readonly tail: readonly string[] },
): WrittenYaml {
  const document = new Document(value, { version: '1.2', aliasDuplicateObjects: false })
  const commented = new Map<KeyNode, string[]>()
  const unplaced: PlacedComment[] = []
  const indexes: KeyIndexes = new Map()
  for (const comment of comments) {
    const key = keyNode(document.contents, comment.path, indexes)
    if (key === undefined) {
      unplaced.push(comment)
      continue
    }
    const lines = commented.get(key)
    if (lines === undefined) commented.set(key, [...comment.lines])
    else lines.push(...comment.lines)
  }
  for (const [key, lines] of commented) key.commentBefore = asComment(lines)
  shortenMappings(document, commented)
  spaceSections(document.contents)
  document.commentBefore = asComment(head)
  document.comment = asComment(tail) || null
  return { text: document.toString({ lineWidth: 0, flowCollectionPadding: true }), unplaced }
}

/** YAML as one comment has it: the lines of a value, without a comment of their own. */
export function yamlLines(value: object): string[] {
  const document = new Document(value, { version: '1.2', aliasDuplicateObjects: false })
  shortenMappings(document, new Map())
  return document.toString({ lineWidth: 0, flowCollectionPadding: true }).trimEnd().split('\n')
}

function asComment(lines: readonly string[]): string {
  return lines.map((line) => ` ${printable(line)}`.trimEnd() || ' ').join('\n')
}

type KeyNode = Scalar
/** Of each mapping that was looked into, its entries by their keys. */
type KeyIndexes = Map<YAMLMap, ReadonlyMap<unknown, { readonly key: KeyNode; readonly value: unknown }>>

function keyNode(root: unknown, path: Path, indexes: KeyIndexes): KeyNode | undefined {
  let node = root
  let key: KeyNode | undefined
  for (const step of path) {
    if (!isMap(node)) return undefined
    let index = indexes.get(node)
    if (index === undefined) indexes.set(node, (index = indexOf(node)))
    const entry = index.get(step)
    if (entry === undefined) return undefined
    key = entry.key
    node = entry.value
  }
  return key
}

function indexOf(node: YAMLMap): Map<unknown, { key: KeyNode; value: unknown }> {
  const entries = node.items.flatMap(({ key, value }) =>
    isScalar(key) ? [[key.value, { key, value }] as const] : [],
  )
  return new Map(entries)
}

function spaceSections(root: unknown): void {
  if (!isMap(root)) return
  for (const { key } of root.items.slice(1)) if (isScalar(key)) key.spaceBefore = true
}

/** Small mappings and lists without comments stand on one line, as people write them. */
function shortenMappings(document: Document, commented: ReadonlyMap<unknown, unknown>): void {
  visit(document, {
    Collection(_, node, path) {
      if (path.length < 4 && isMap(node) && hasCollection(node)) return undefined
      if (path.length < 3) return undefined
      if (JSON.stringify(node.toJSON()).length > maxFlowWidth) return undefined
      let holdsComment = false
      visit(node, (_key, inner) => {
        if (commented.has(inner)) holdsComment = true
      })
      if (!holdsComment) node.flow = true
      return undefined
    },
  })
}

function hasCollection(node: YAMLMap): boolean {
  return node.items.some(({ value }) => isMap(value) || isSeq(value))
}
