// Brackets, braces and quotes that are never closed: where they begin, which is the position to correct. The parser
// reports only where it cannot go on, often at an empty line far below.
import { CST, Parser } from 'yaml'

export interface Unterminated {
  /** Where it begins in the text. */
  readonly offset: number
  readonly message: string
  readonly hint: string
}

/** The innermost ones, in order: what surrounds one of them is only open because of it. */
export function findUnterminated(text: string): Unterminated[] {
  const found = new Map<CST.Token, Unterminated>()
  for (const document of new Parser().parse(text)) {
    if (document.type !== 'document') continue
    // Without recursion: a text may be nested as deeply as it is long.
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

function faultOf(token: CST.Token): Omit<Unterminated, 'offset'> | undefined {
  if (token.type === 'flow-collection') {
    const isList = token.start.source === '['
    const last = isList ? ']' : '}'
    if (token.end[0]?.source === last) return undefined
    const message = `the ${isList ? 'list' : 'mapping'} that begins here is not closed`
    return { message, hint: `add a ${last}` }
  }
  if (token.type === 'double-quoted-scalar') {
    return /^"(?:[^"\\]|\\[^])*"$/.test(token.source) ? undefined : unterminatedText('"')
  }
  if (token.type === 'single-quoted-scalar') {
    return /^'(?:[^']|'')*'$/.test(token.source) ? undefined : unterminatedText("'")
  }
  return undefined
}

function unterminatedText(quote: string): Omit<Unterminated, 'offset'> {
  return { message: 'the text that begins here is not closed', hint: `add a ${quote}` }
}
