// Brackets, braces and quotes that are never closed: where they begin, which is what a person looks for. The parser
// notices only where it can go on no longer, often at an empty line far below.
import { CST, Parser } from 'yaml'

export interface Unclosed {
  /** Where it begins, in the text. */
  readonly offset: number
  readonly message: string
  readonly hint: string
}

/** The innermost ones, in order: what surrounds one of them is open for its sake. */
export function findUnclosed(text: string): Unclosed[] {
  const found = new Map<CST.Token, Unclosed>()
  for (const document of new Parser().parse(text)) {
    if (document.type !== 'document') continue
    // Not by recursion, since a text may nest as deep as it is long.
    const open: { token: CST.Token | null | undefined; around: CST.Token | undefined }[] = []
    open.push({ token: document.value, around: undefined })
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { token, around } = next
      if (token === null || token === undefined) continue
      const fault = faultOf(token)
      if (fault !== undefined) {
        found.set(token, { offset: token.offset, ...fault })
        if (around !== undefined) found.delete(around)
      }
      const inner = fault === undefined ? around : token
      if (!CST.isCollection(token)) continue
      for (const { key, value } of token.items) {
        open.push({ token: key, around: inner }, { token: value, around: inner })
      }
    }
  }
  return [...found.values()].sort((a, b) => a.offset - b.offset)
}

function faultOf(token: CST.Token): Omit<Unclosed, 'offset'> | undefined {
  if (token.type === 'flow-collection') {
    const isList = token.start.source === '['
    const last = isList ? ']' : '}'
    if (token.end[0]?.source === last) return undefined
    const message = `the ${isList ? 'list' : 'mapping'} that begins here is not closed`
    return { message, hint: `add a ${last}` }
  }
  if (token.type === 'double-quoted-scalar') {
    return /^"(?:[^"\\]|\\[^])*"$/.test(token.source) ? undefined : unclosedText('"')
  }
  if (token.type === 'single-quoted-scalar') {
    return /^'(?:[^']|'')*'$/.test(token.source) ? undefined : unclosedText("'")
  }
  return undefined
}

function unclosedText(quote: string): Omit<Unclosed, 'offset'> {
  return { message: 'the text that begins here is not closed', hint: `add a ${quote}` }
}
