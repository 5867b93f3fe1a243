// Lexical half of the JSON scanner (RFC 8259 §3, §6, §7): where a token ends. Works on raw bytes and decodes nothing.
// Functions return `~offset` for a byte that violates the grammar, and `~limit` if the token needs more bytes.
import type { JsonMember } from './types.ts'

/** The bytes of a body with a view on them in 32-bit words, for looking at four bytes at once. */
export interface Source {
  readonly bytes: Buffer
  /** How many of `bytes` have arrived. The bytes from here on are undefined and never read. */
  limit: number
  /** Where the last incomplete string continues once more bytes have arrived. */
  resumeAt: number
  /** Starts up to three bytes before `bytes`, because views must be aligned. */
  readonly words: Int32Array
  /** How many bytes `words` starts before `bytes`, 0–3. */
  readonly lead: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Number of plain words after which a run counts as long. */
const LONG_RUN_WORDS = 512
/** A multiple of sixteen; small enough to stay in the processor's L1 cache between two passes. */
const WINDOW_BYTES = 16_384
/** Far above any real number; an incomplete one is read again each time that bytes arrive. */
const MAX_DIGITS = 1000

const isSimpleEscape = Uint8Array.from({ length: 256 }, (_, byte) =>
  '"\\/bfnrt'.includes(String.fromCharCode(byte)) ? 1 : 0,
)

/** By the first byte. A list, because objects with a few large numbers as keys are hash tables. */
const kinds: readonly JsonMember['kind'][] = Array.from({ length: 256 }, (_, byte) => {
  const kind = { '"': 'string', '[': 'array', f: 'false', n: 'null', t: 'true', '{': 'object' } as const
  return kind[String.fromCharCode(byte) as keyof typeof kind] ?? 'number'
})

/** The kind of the value that starts with this byte. */
export function kindOf(byte: number): JsonMember['kind'] {
  return kinds[byte]!
}

/** The bytes, none of which counts as arrived yet. */
export function sourceOf(bytes: Buffer): Source {
  const lead = bytes.byteOffset & 3
  const words = new Int32Array(bytes.buffer, bytes.byteOffset - lead, (lead + bytes.length) >> 2)
  return { bytes, limit: 0, resumeAt: 0, words, lead }
}

/** The offset of the first byte at or after `at` that is not JSON white space; at most `limit`. */
export function skipSpace({ bytes, limit }: Source, at: number): number {
  let i = at
  for (; i < limit; i++) {
    const byte = bytes[i]!
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break
  }
  return i
}

/**
 * The offset after the closing quote of the string that contains `from`, which is not inside an escape, or `~offset`.
 * Bytes from 0x80 up are not examined: whether the text is valid UTF-8 is up to the provider.
 */
export function endOfString(source: Source, from: number): number {
  const { bytes, limit, lead } = source
  let i = from
  for (;;) {
    // Most strings are short: sixteen bytes or so one by one, up to a word boundary, before going by words.
    const stop = Math.min(((i + lead + 19) & ~3) - lead, limit)
    while (i < stop && isPlain(bytes[i]!)) i++
    if (i >= limit) break
    if (i === stop) {
      i = skipPlainWords(source, i)
      continue
    }
    const byte = bytes[i]!
    if (byte === QUOTE) return i + 1
    if (byte !== BACKSLASH) return ~i
    const next = endOfEscape(source, i)
    if (next < 0) {
      source.resumeAt = i
      return next
    }
    i = next
  }
  source.resumeAt = i
  return ~limit
}

/**
 * How far from `at`, a word boundary, there are plain bytes only. May stop short of the first one that is not, by
 * less than twenty bytes. The bit trick is "a byte less than n" of https://graphics.stanford.edu/~seander/bithacks.html.
 */
function skipPlainWords(source: Source, at: number): number {
  const { words, limit, lead } = source
  const end = ((limit + lead) >> 2) - 4
  const last = Math.min(end, ((at + lead) >> 2) + LONG_RUN_WORDS)
  let w = (at + lead) >> 2
  for (; w <= last; w += 4) {
    const hit =
      oddBytes(words[w]!) | oddBytes(words[w + 1]!) | oddBytes(words[w + 2]!) | oddBytes(words[w + 3]!)
    if ((hit & 0x80808080) !== 0) return (w << 2) - lead
  }
  const reached = (w << 2) - lead
  return w <= end ? skipLongRun(source, reached) : reached
}

/**
 * The same for runs that have turned out long, base64 most likely: the C library's search finds quotes and
 * backslashes, one window after the other, which leaves a cheaper test for this loop.
 */
function skipLongRun({ bytes, limit, words, lead }: Source, from: number): number {
  let at = from
  for (;;) {
    const window = bytes.subarray(at, Math.min(at + WINDOW_BYTES, limit))
    const quote = window.indexOf(QUOTE)
    const plain = quote < 0 ? window : window.subarray(0, quote)
    const backslash = plain.indexOf(BACKSLASH)
    const length = backslash < 0 ? plain.length : backslash
    const last = ((at + lead + length) >> 2) - 4
    let w = (at + lead) >> 2
    for (; w <= last; w += 4) {
      // All bytes have bit 5 or 6. Control characters do not; nor do some from 0x80 up, which only ends the run early.
      const a = words[w]!
      const b = words[w + 1]!
      const c = words[w + 2]!
      const d = words[w + 3]!
      if (((a | (a >>> 1)) & (b | (b >>> 1)) & (c | (c >>> 1)) & (d | (d >>> 1)) & 0x20202020) !== 0x20202020)
        break
    }
    at = (w << 2) - lead
    if (w <= last || length < WINDOW_BYTES) return at
  }
}

/** High bit set in some byte if the word holds a control character, a quote or a backslash. */
function oddBytes(word: number): number {
  // Flipping bit 1 moves the quote (0x22) to 0x20, next to the control characters: one comparison finds both.
  const flipped = word ^ 0x02020202
  const slashes = word ^ 0x5c5c5c5c
  return ((flipped - 0x21212121) & ~flipped) | ((slashes - 0x01010101) & ~slashes)
}

/** Whether a byte is ordinary inside a string: neither quote, backslash nor control character. */
function isPlain(byte: number): boolean {
  return byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH
}

function endOfEscape({ bytes, limit }: Source, at: number): number {
  if (at + 1 >= limit) return ~limit
  const byte = bytes[at + 1]!
  if (isSimpleEscape[byte] === 1) return at + 2
  if (byte !== 0x75 /* u */) return ~at
  for (let i = at + 2; i < at + 6; i++) {
    if (i >= limit) return ~limit
    const digit = bytes[i]! | 0x20
    if (!(isDigit(bytes[i]!) || (digit >= 0x61 && digit <= 0x66))) return ~at
  }
  return at + 6
}

/** The offset after the number that starts at `at`, or `~offset`. A number that further bytes may continue has no end. */
export function endOfNumber(source: Source, at: number): number {
  const { bytes, limit } = source
  let i = at < limit && bytes[at] === 0x2d /* - */ ? at + 1 : at
  // A leading zero stands alone; a digit after it is left over, and refused as such.
  if (i < limit && bytes[i] === 0x30) i++
  else if ((i = endOfDigits(source, i)) < 0) return i
  if (i < limit && bytes[i] === 0x2e /* . */ && (i = endOfDigits(source, i + 1)) < 0) return i
  if (i < limit && (bytes[i]! | 0x20) === 0x65 /* e */) {
    const sign = i + 1 < limit ? bytes[i + 1] : undefined
    if ((i = endOfDigits(source, sign === 0x2b || sign === 0x2d ? i + 2 : i + 1)) < 0) return i
  }
  return i === limit && limit < bytes.length ? ~limit : i
}

function endOfDigits({ bytes, limit }: Source, at: number): number {
  const stop = Math.min(limit, at + MAX_DIGITS)
  let i = at
  while (i < stop && isDigit(bytes[i]!)) i++
  if (i === at + MAX_DIGITS && i < limit && isDigit(bytes[i]!)) return ~i
  return i > at ? i : ~Math.min(at, limit)
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

/** The offset after `word` if it is at `at`, otherwise `~offset`. `word` is ASCII. */
export function endOfWord({ bytes, limit }: Source, at: number, word: string): number {
  for (let i = 0; i < word.length; i++) {
    if (at + i >= limit) return ~limit
    if (bytes[at + i] !== word.charCodeAt(i)) return ~(at + i)
  }
  return at + word.length
}

/** What is wrong with a string where `endOfString` met this byte. */
export function stringProblem(byte: number): string {
  return byte === 0x5c ? 'a string contains an unknown escape' : 'a string contains a raw control character'
}

/** What is wrong with a number or a word where its scan met this byte. */
export function valueProblem(byte: number): string {
  return isDigit(byte) ? 'a number has more than 1,000 digits' : 'a value is malformed'
}
