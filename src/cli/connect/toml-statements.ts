// Where the statements of a TOML document (https://toml.io/en/v1.0.0) begin and end, so that some can be replaced and all others
// keep their bytes. Values are not interpreted.

export interface TomlStatement {
  readonly kind: 'table' | 'pair'
  /** The key as it is written, without blanks and quotes around its parts: `model_providers.gateway`. */
  readonly name: string
  /** Offset of its first character. */
  readonly start: number
  /** Offset behind its line break. */
  readonly end: number
}

/** Undefined: the text is not TOML. */
export function tomlStatements(text: string): TomlStatement[] | undefined {
  const statements: TomlStatement[] = []
  let at = 0
  for (;;) {
    at = behindBlanks(text, at)
    if (at >= text.length) return statements
    const start = at
    const isTable = text[at] === '['
    const end = isTable ? endOfLine(text, at) : endOfPair(text, at)
    if (end === undefined) return undefined
    const written = text.slice(start, end)
    const name = isTable ? /^\[\[?([^\]]*)\]/.exec(written)?.[1] : keyOf(written)
    if (name === undefined) return undefined
    statements.push({ kind: isTable ? 'table' : 'pair', name: plainKey(name), start, end })
    at = end
  }
}

function behindBlanks(text: string, from: number): number {
  const blanks = /(?:[\s\uFEFF]|#[^\n]*)*/y
  blanks.lastIndex = from
  blanks.test(text)
  return blanks.lastIndex
}

function endOfLine(text: string, from: number): number {
  const at = text.indexOf('\n', from)
  return at < 0 ? text.length : at + 1
}

/** Its value may have several lines within brackets and strings. */
function endOfPair(text: string, from: number): number | undefined {
  let depth = 0
  let at = from
  while (at < text.length) {
    const character = text[at]!
    if (character === '\n' && depth === 0) return at + 1
    if (character === '#') {
      at = endOfLine(text, at)
      if (depth === 0) return at
      continue
    }
    if (character === '"' || character === "'") {
      const end = endOfString(text, at)
      if (end === undefined) return undefined
      at = end
      continue
    }
    if ('[{'.includes(character)) depth += 1
    if (']}'.includes(character)) depth -= 1
    if (depth < 0) return undefined
    at += 1
  }
  return depth === 0 ? at : undefined
}

/** @param from of its opening quote. @returns the offset behind its closing one; undefined: there is none. */
export function endOfString(text: string, from: number): number | undefined {
  const quote = text[from]!
  const isLong = text.startsWith(quote.repeat(3), from)
  const closing = isLong ? quote.repeat(3) : quote
  for (let at = from + closing.length; at < text.length; at++) {
    if (quote === '"' && text[at] === '\\') at += 1
    else if (!isLong && text[at] === '\n') return undefined
    else if (text.startsWith(closing, at)) {
      // A long string may end in quotes of its own.
      const end = at + closing.length
      if (!isLong || text[end] !== quote) return end
      return text[end + 1] === quote ? end + 2 : end + 1
    }
  }
  return undefined
}

function keyOf(pair: string): string | undefined {
  return /^((?:"[^"\n]*"|'[^'\n]*'|[^"'=\n])+)=/.exec(pair)?.[1]
}

function plainKey(written: string): string {
  return written
    .split('.')
    .map((part) => part.trim().replace(/^(["'])(.*)\1$/, '$2'))
    .join('.')
}
