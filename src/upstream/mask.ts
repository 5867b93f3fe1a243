// A provider's error may repeat the key of the request. The client never saw that key, and must not learn it from what its
// JSON parser makes of the error. The one place that knows in which forms a key can be written.

import { setImmediate as nextTurn } from 'node:timers/promises'

/** Shorter keys are placeholders (`none`, `EMPTY`) that occur in ordinary words. */
const minSecretLength = 8

const shown = '[secret]'

/** Escapes within escapes: an error often holds the JSON of another server's error, and that the URL of a request. */
const maxJsonDepth = 3
const maxPercentDepth = 2

/** Replaces secrets in text. */
export interface Mask {
  /** The same text when there is nothing to replace. */
  (text: string): string
  /** The same, over many iterations of the event loop: a long text full of escapes takes tens of milliseconds. */
  inTurns(text: string): Promise<string>
}

/** The mask where there are no secrets. */
export const unmasked: Mask = Object.assign((text: string) => text, {
  inTurns: (text: string) => Promise.resolve(text),
})

/**
 * Returns a function that replaces secrets in text: as they are, in hexadecimal, and with all of the base64 that they are
 * part of (`Basic`, `Bearer`); each also with any characters escaped as in JSON or percent-encoded. JSON stays JSON.
 */
export function createMask(secrets: readonly string[]): Mask {
  const forms = secrets.filter((secret) => secret.length >= minSecretLength).flatMap(formsOf)
  if (forms.length === 0) return unmasked
  const shortest = Math.min(...forms.map(({ text }) => text.length))
  const mask = (text: string) => {
    // As most headers are. Escapes only make a form longer.
    if (text.length < shortest) return text
    const mayHaveEscapes = text.includes('\\') || text.includes('%')
    if (!mayHaveEscapes && !forms.some((form) => text.includes(form.text))) return text
    const search = maskSteps(text, forms)
    for (;;) {
      const { done, value } = search.next()
      if (done === true) return value
    }
  }
  // One text at a time: the steps of several would add up in one iteration.
  let last: Promise<unknown> = Promise.resolve()
  const inTurns = (text: string) => {
    const searchText = async () => {
      const search = maskSteps(text, forms)
      for (;;) {
        await nextTurn()
        const { done, value } = search.next()
        if (done === true) return value
      }
    }
    const result = last.then(searchText, searchText)
    last = result
    return result
  }
  return Object.assign(mask, { inTurns })
}

/** Pauses after each view of the text. */
function* maskSteps(text: string, forms: readonly Form[]): Generator<undefined, string> {
  const spans: Span[] = []
  for (const outer of views({ text, starts: undefined }, jsonEscape, maxJsonDepth)) {
    for (const view of views(outer, percentEscape, maxPercentDepth)) {
      for (const form of forms) findForm(form, view, spans)
      yield
    }
  }
  return spans.length === 0 ? text : withoutSpans(text, spans)
}

/** Masks bytes; the same ones when there is nothing to replace. */
export function maskBytes(bytes: Buffer, mask: (text: string) => string): Buffer {
  // One character for each byte, whatever they are.
  const text = bytes.toString('latin1')
  return bytesOf(mask(text), text, bytes)
}

/** As `maskBytes`, over many iterations of the event loop. */
export async function maskBytesInTurns(bytes: Buffer, mask: Mask): Promise<Buffer> {
  const text = bytes.toString('latin1')
  return bytesOf(await mask.inTurns(text), text, bytes)
}

function bytesOf(clean: string, text: string, bytes: Buffer): Buffer {
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

/** How a text escapes characters. */
interface Escaping {
  /** What every escape begins with. */
  readonly mark: string
  /** The escape that begins at `at`: its character's code, and above that, from 65,536 on, its length. 0: there is none. */
  readonly read: (codes: Uint16Array, at: number) => number
}

const lengthUnit = 0x1_0000

/** A code in hexadecimal, or the character itself. Python writes `\x`. */
const jsonEscape: Escaping = {
  mark: '\\',
  read(codes, at) {
    const next = codes[at + 1] ?? 0
    // " ' / \
    if (next === 0x22 || next === 0x27 || next === 0x2f || next === 0x5c) return 2 * lengthUnit + next
    const letter = next | 0x20
    if (letter === 0x75) return hexEscape(codes, at, 2, 4)
    return letter === 0x78 ? hexEscape(codes, at, 2, 2) : 0
  },
}

const percentEscape: Escaping = { mark: '%', read: (codes, at) => hexEscape(codes, at, 1, 2) }

/** @param skipped characters before the digits. */
function hexEscape(codes: Uint16Array, at: number, skipped: number, digits: number): number {
  let value = 0
  for (let index = at + skipped; index < at + skipped + digits; index++) {
    const digit = hexDigit(codes[index] ?? 0)
    if (digit < 0) return 0
    value = value * 16 + digit
  }
  return (skipped + digits) * lengthUnit + value
}

/** The value of a hexadecimal digit; -1 for another character. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

/** The view, and what decoding makes of it again and again. */
function* views(view: View, escaping: Escaping, maxDepth: number): Generator<View> {
  yield view
  const next = maxDepth === 0 ? undefined : decoded(view, escaping)
  if (next !== undefined) yield* views(next, escaping, maxDepth - 1)
}

/** With each escape replaced by its character, once; undefined if there is none. A loop over numbers: texts are long. */
function decoded({ text, starts }: View, { mark, read }: Escaping): View | undefined {
  if (!text.includes(mark)) return undefined
  const from = Buffer.from(text, 'utf16le')
  const codes = new Uint16Array(from.buffer, from.byteOffset, text.length)
  const markCode = mark.charCodeAt(0)
  const positions = new Uint32Array(text.length + 1)
  let length = 0
  for (let at = 0; at < codes.length; length++) {
    const code = codes[at]!
    const escape = code === markCode ? read(codes, at) : 0
    positions[length] = starts === undefined ? at : starts[at]!
    // Never ahead of what is read.
    codes[length] = escape === 0 ? code : escape % lengthUnit
    at += escape === 0 ? 1 : Math.floor(escape / lengthUnit)
  }
  if (length === text.length) return undefined
  positions[length] = starts === undefined ? text.length : starts[text.length]!
  return { text: from.toString('utf16le', 0, 2 * length), starts: positions.subarray(0, length + 1) }
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
