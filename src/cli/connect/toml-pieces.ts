// The scalars and comments of a TOML document, with their places.
import type { Range } from '../../config/document.ts'
import type { TextPieces, TextScalar } from '../../config/text-scalars.ts'
import { endOfString, tomlStatements } from './toml-statements.ts'

/** Undefined: the text is not TOML. */
export function tomlPieces(text: string): TextPieces | undefined {
  const statements = tomlStatements(text)
  if (statements === undefined) return undefined
  const scalars: TextScalar[] = []
  const comments: Range[] = []
  let table: readonly string[] = []
  let at = 0
  for (const { kind, name, start, end } of statements) {
    addComments(text, at, start, comments)
    at = end
    if (kind === 'table') {
      table = name.split('.')
      addComments(text, text.indexOf(']', start), end, comments)
    } else {
      const keys = [...table, ...name.split('.')]
      const valueStart = behindKey(text, start)
      scalars.push({ range: [start, valueStart - 1], keys: table, text: name, kind: 'key' })
      addValue(text, { start: valueStart, end, keys }, { scalars, comments })
    }
  }
  addComments(text, at, text.length, comments)
  return { scalars, comments }
}

/** Between statements, and behind a table's name, there is nothing else. */
function addComments(text: string, from: number, to: number, into: Range[]): void {
  for (const { 0: found, index } of text.slice(from, to).matchAll(/#[^\n]*/g))
    into.push([from + index, from + index + found.length])
}

function behindKey(text: string, start: number): number {
  const key = /(?:"[^"\n]*"|'[^'\n]*'|[^"'=\n])+=/y
  key.lastIndex = start
  key.test(text)
  return key.lastIndex
}

interface Value {
  readonly start: number
  readonly end: number
  readonly keys: readonly string[]
}

/** The strings and bare words of a value, with the keys of inline tables that lead to them. */
function addValue(
  text: string,
  { start, end, keys }: Value,
  { scalars, comments }: { readonly scalars: TextScalar[]; readonly comments: Range[] },
): void {
  let above: readonly string[] = keys
  let within: readonly string[] = keys
  const outer: (readonly string[])[] = []
  let previous: string | undefined
  const token = /#[^\n]*|[[{]|[\]}]|["']|[^\s,=#"'[\]{}]+|,/y
  for (let at = start; at < end;) {
    token.lastIndex = at
    const [found] = token.exec(text) ?? []
    if (found === undefined) {
      at += 1
      continue
    }
    const isString = found === '"' || found === "'"
    const to = isString ? (endOfString(text, at) ?? end) : at + found.length
    if (found.startsWith('#')) comments.push([at, to])
    else if (found === '[' || found === '{') {
      outer.push(above)
      above = within
    } else if (found === ']' || found === '}') {
      within = above
      above = outer.pop() ?? keys
    } else if (found === ',') within = above
    else {
      const written = text.slice(at, to)
      const value = isString ? written.replace(/^("""|'''|["'])\n?([^]*)\1$/, '$2') : written
      if (/^\s*=/.test(text.slice(to, end))) {
        scalars.push({ range: [at, to], keys: above, text: value, kind: 'key' })
        within = [...above, value]
      } else {
        const kind = isString ? 'string' : 'other'
        scalars.push({ range: [at, to], keys: within, text: value, kind, previous })
        previous = value
      }
    }
    at = to
  }
}
