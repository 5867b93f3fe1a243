// Writes a configuration as YAML with comments. Every text goes through the serializer, comments included, so that nothing in
// them can become a key.
import { Document, isMap, isScalar, isSeq, visit, type YAMLMap } from 'yaml'

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
  const commented = new Set<unknown>()
  const unplaced: PlacedComment[] = []
  for (const comment of comments) {
    const key = keyNode(document.contents, comment.path)
    if (key === undefined) {
      unplaced.push(comment)
      continue
    }
    commented.add(key)
    const before = key.commentBefore
    key.commentBefore = [...(before ? [before] : []), asComment(comment.lines)].join('\n')
  }
  shortenMappings(document, commented)
  spaceSections(document.contents)
  document.commentBefore = asComment(head)
  document.comment = asComment(tail) || null
  return { text: document.toString({ lineWidth: 0, flowCollectionPadding: true }), unplaced }
}

/** YAML as one comment has it: the lines of a value, without a comment of their own. */
export function yamlLines(value: object): string[] {
  const document = new Document(value, { version: '1.2', aliasDuplicateObjects: false })
  shortenMappings(document, new Set())
  return document.toString({ lineWidth: 0, flowCollectionPadding: true }).trimEnd().split('\n')
}

function asComment(lines: readonly string[]): string {
  return lines.map((line) => ` ${printable(line)}`.trimEnd() || ' ').join('\n')
}

function keyNode(root: unknown, path: Path): { commentBefore?: string | null } | undefined {
  let node = root
  let key: { commentBefore?: string | null } | undefined
  for (const step of path) {
    if (!isMap(node)) return undefined
    const pair = node.items.find((each) => isScalar(each.key) && each.key.value === step)
    if (pair === undefined || !isScalar(pair.key)) return undefined
    key = pair.key
    node = pair.value
  }
  return key
}

function spaceSections(root: unknown): void {
  if (!isMap(root)) return
  for (const { key } of root.items.slice(1)) if (isScalar(key)) key.spaceBefore = true
}

/** Small mappings and lists without comments stand on one line, as people write them. */
function shortenMappings(document: Document, commented: ReadonlySet<unknown>): void {
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
