// A provider's error may repeat the key of the request. The client never saw that key, and must not learn it from what its
// JSON parser makes of the error. The one place that knows in which forms a key can be written.

/** Shorter keys are placeholders (`none`, `EMPTY`) that occur in ordinary words. */
const minSecretLength = 8

const shown = '[secret]'

/** Escapes within escapes: an error often holds the JSON of another server's error, and that the URL of a request. */
const maxJsonDepth = 3
const maxPercentDepth = 2

/** The mask where there are no secrets. */
export function unmasked(text: string): string {
  return text
}

/**
 * Returns a function that replaces secrets in text: as they are, in hexadecimal, and with all of the base64 that they are
 * part of (`Basic`, `Bearer`); each also with any characters escaped as in JSON or percent-encoded. JSON stays JSON. It
 * returns the same text when there is nothing to replace.
 */
export function createMask(secrets: readonly string[]): (text: string) => string {
  const forms = secrets.filter((secret) => secret.length >= minSecretLength).flatMap(formsOf)
  if (forms.length === 0) return unmasked
  const shortest = Math.min(...forms.map(({ text }) => text.length))
  return (text) => {
    // As most headers are. Escapes only make a form longer.
    if (text.length < shortest) return text
    const spans: Span[] = []
    for (const outer of views({ text, starts: undefined }, jsonEscape, maxJsonDepth)) {
      for (const view of views(outer, percentEscape, maxPercentDepth)) {
        for (const form of forms) findForm(form, view, spans)
      }
    }
    return spans.length === 0 ? text : withoutSpans(text, spans)
  }
}

/** Masks bytes; the same ones when there is nothing to replace. */
export function maskBytes(bytes: Buffer, mask: (text: string) => string): Buffer {
  // One character for each byte, whatever they are.
  const text = bytes.toString('latin1')
  const clean = mask(text)
  return clean === text ? bytes : Buffer.from(clean, 'latin1')
}

/** Providers often quote part of a key, which a mask of the whole key does not find. */
const keyShape = /(?<![A-Za-z0-9])(?:sk|pk|gsk|hf|xai|r8|pplx|key)[-_][\w*.…-]{4,}/g

/** Replaces what looks like a key, or like a part of one. @param text already masked. */
export function maskKeyShapes(text: string): string {
  return text.replaceAll(keyShape, '[key]')
}

interface Form {
  readonly text: string
  /** What stands beside it without a gap belongs to it. */
  readonly isBase64: boolean
}

function formsOf(secret: string): Form[] {
  const bytes = Buffer.from(secret)
  const hex = bytes.toString('hex')
  // The text may be one whose characters stand for bytes.
  const plain = [secret, bytes.toString('latin1'), hex, hex.toUpperCase()]
  const base64 = [0, 1, 2].flatMap((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes])
    // Only the characters that depend on nothing but the secret.
    const span = [Math.ceil((offset * 8) / 6), Math.floor((padded.length * 8) / 6)] as const
    return [padded.toString('base64').slice(...span), padded.toString('base64url').slice(...span)]
  })
  return [
    ...Array.from(new Set(plain), (text) => ({ text, isBase64: false })),
    ...Array.from(new Set(base64), (text) => ({ text, isBase64: true })),
  ]
}

/** A text with its escapes replaced. */
interface View {
  readonly text: string
  /** Where in the original text each character begins, and the end of the last; undefined: the original itself. */
  readonly starts: Uint32Array | undefined
}

/** In the original text. */
interface Span {
  readonly start: number
  readonly end: number
}

function findForm({ text: form, isBase64 }: Form, { text, starts }: View, spans: Span[]): void {
  let at = text.indexOf(form)
  while (at >= 0) {
    let start = at
    let end = at + form.length
    if (isBase64) {
      while (start > 0 && isBase64Character(text.charCodeAt(start - 1))) start -= 1
      while (end < text.length && isBase64Character(text.charCodeAt(end))) end += 1
      while (text[end] === '=') end += 1
    }
    if (starts === undefined) spans.push({ start: escapeStart(text, start), end })
    else spans.push({ start: starts[start]!, end: starts[end]! })
    at = text.indexOf(form, end)
  }
}

function isBase64Character(code: number): boolean {
  const isDigit = code >= 0x30 && code <= 0x39
  const isLetter = (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a
  // + / _ -
  return isDigit || isLetter || code === 0x2b || code === 0x2f || code === 0x5f || code === 0x2d
}

/** Where the escape begins in whose middle a match has begun: half of one would not be JSON. */
function escapeStart(text: string, matchStart: number): number {
  const half = /\\u[0-9a-f]{0,3}$/i.exec(text.slice(Math.max(0, matchStart - 5), matchStart))
  let start = matchStart - (half?.[0].length ?? 0)
  while (text[start - 1] === '\\') start -= 1
  return start
}

/** The code in hexadecimal, or the character itself. Python writes `\x`. */
const jsonEscape = /\\(?:[ux](?<code>(?<=u)[0-9a-f]{4}|(?<=x)[0-9a-f]{2})|(?<character>["'/\\]))/gi
const percentEscape = /%(?<code>[0-9a-f]{2})/gi

/** The view, and what decoding makes of it again and again. */
function* views(view: View, escape: RegExp, maxDepth: number): Generator<View> {
  yield view
  const next = maxDepth === 0 ? undefined : decoded(view, escape)
  if (next !== undefined) yield* views(next, escape, maxDepth - 1)
}

/** With each escape replaced by its character, once; undefined if there is none. */
function decoded({ text, starts }: View, escape: RegExp): View | undefined {
  if (text.search(escape) < 0) return undefined
  const positions = new Uint32Array(text.length + 1)
  let result = ''
  let end = 0
  const keep = (until: number) => {
    for (let at = end; at < until; at++) positions[result.length + at - end] = starts?.[at] ?? at
    result += text.slice(end, until)
  }
  for (const match of text.matchAll(escape)) {
    const { code, character } = match.groups!
    keep(match.index)
    positions[result.length] = starts?.[match.index] ?? match.index
    result += character ?? String.fromCharCode(Number.parseInt(code!, 16))
    end = match.index + match[0].length
  }
  keep(text.length)
  positions[result.length] = starts?.[text.length] ?? text.length
  return { text: result, starts: positions.subarray(0, result.length + 1) }
}

function withoutSpans(text: string, spans: Span[]): string {
  spans.sort((one, other) => one.start - other.start)
  let masked = ''
  let end = 0
  for (const span of spans) {
    // Two forms may overlap.
    if (masked === '' || span.start >= end) masked += text.slice(end, span.start) + shown
    end = Math.max(end, span.end)
  }
  return masked + text.slice(end)
}
